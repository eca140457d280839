import pyarrow as pa
import pytest

from lcclassify.sources.bands import LOWER_Y, band_codes


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (["u", "g", "r", "i", "z", "Y", "y"], [0, 1, 2, 3, 4, 5, LOWER_Y]),
        (["z ", " Y", "", "U", "gr", "lsst_g", None], [4, -1, -1, -1, -1, -1, -1]),
        (["0", "5", "6", "-1", "r"], [0, 5, -1, -1, 2]),
        ([0, 1, 5, 6, -1, None], [0, 1, 5, -1, -1, -1]),
        ([0.0, 5.0, 2.5, None], [0, 5, -1, -1]),
        ([True], [-1]),
        ([None, None], [-1, -1]),
        ([], []),
    ],
)
def test_a_band_is_a_letter_or_its_index(values, codes):
    found = band_codes(pa.array(values))
    assert found.tolist() == codes
    assert found.dtype == "int8"


def test_a_dictionary_of_bands_is_read_by_its_values():
    column = pa.array(["r", None, "y", "r"]).dictionary_encode()
    assert band_codes(column).tolist() == [2, -1, LOWER_Y, 2]
    assert band_codes(column.slice(2)).tolist() == [LOWER_Y, 2]

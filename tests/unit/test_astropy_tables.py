"""Tables of astropy go in and come out; masks, units, times and FITS's own ways are understood."""

import io
import subprocess
import sys

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

import lcclassify
from lcclassify.astropy_tables import from_astropy
from lcclassify.errors import InputError
from lcclassify.testing import TOY_FEATURES as FEATURES

OBJECTS = {
    "oid": ["ZTF18a", "ZTF18b", "ZTF18c"],
    "Amplitude_1": [0.5, None, 3.0],
    "PPE": [1.0, 2.0, None],
    "W1-W2": [0.25, -1.0, 0.0],
    "rb": [0.5, 0.75, 1.0],
}
ROWS = pa.table(
    {
        "SNID": ["397127", "397127", "41", "397127", "41"],
        "MJD": [60000.0, 60003.0, 60001.0, 60006.0, 60009.0],
        "BAND": ["g", "r", "g", "i", "z"],
        "FLUXCAL": [500.0, 700.0, 30.0, 900.0, -20.0],
        "FLUXCALERR": [10.0, 11.0, 12.0, 13.0, 14.0],
    }
)


@pytest.fixture
def answers(network_path):
    """answers(table, ...): ids, classes and probabilities of light curves, as plain values."""

    def classify(table, **options):
        result = lcclassify.classify_table(table, network_path, min_coverage=0, **options)
        names = next(name for name in ("SNID", "oid") if name in list(result[:0].columns))
        assert set(result["status"]) == {"ok"}
        return [list(result[name]) for name in (names, "class", "probability")]

    return classify


@pytest.fixture
def expected(network_path):
    result = lcclassify.classify_table(ROWS, network_path, min_coverage=0)
    return [result[name].to_pylist() for name in ("SNID", "class", "probability")]


def masked(values):
    null = [value is None for value in values]
    return MaskedColumn([0 if value is None else value for value in values], mask=null)


@pytest.mark.parametrize("kind", [Table, QTable])
def test_a_table_gives_a_table_with_the_answers_of_an_arrow_table(forest_path, kind):
    table = kind({"oid": OBJECTS["oid"]} | {name: masked(OBJECTS[name]) for name in FEATURES})
    result = lcclassify.classify_table(table, forest_path)
    assert isinstance(result, Table)
    expected = lcclassify.classify_table(pa.table(OBJECTS), forest_path)
    assert result.colnames == expected.column_names
    for name in ("oid", "class", "probability", "status", "SNIa", "classifier_name"):
        assert list(result[name]) == expected[name].to_pylist()


def test_what_has_no_answer_is_masked(forest_path):
    table = Table(OBJECTS | {"oid": MaskedColumn([2**62 + 1, 0, 3], mask=[False, True, False])})
    for name in FEATURES:
        table[name] = np.array(OBJECTS[name], float)
    result = lcclassify.classify_table(table, forest_path)
    assert list(result["status"]) == ["ok", "invalid_record", "ok"]
    for name in ("oid", "class", "probability"):
        assert list(result[name].mask) == [False, True, False]
    assert result["oid"][0] == 2**62 + 1
    assert not hasattr(result["status"], "mask")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_each_row_of_a_table_is_answered_in_its_place(forest_path, data):
    rows = data.draw(st.lists(st.integers(0, 2), max_size=5))
    one_by_one = lcclassify.classify_table(pa.table(OBJECTS), forest_path)["class"].to_pylist()
    table = Table({"oid": np.array(OBJECTS["oid"], "U8")[rows]})
    for name in FEATURES:
        order = data.draw(st.sampled_from("<>"))
        values = np.array(OBJECTS[name], float)[rows].astype(f"{order}f8")
        table[name] = data.draw(st.sampled_from([Column, MaskedColumn, u.Quantity]))(values)
    result = lcclassify.classify_table(table, forest_path)
    assert list(result["class"]) == [one_by_one[row] for row in rows]


def fits_rows(width=16):
    """The observations as a FITS file has them: big-endian, texts padded with blanks."""
    columns = [
        fits.Column("SNID", f"{width}A", array=[t.ljust(width) for t in ROWS["SNID"].to_pylist()]),
        fits.Column("MJD", "D", array=ROWS["MJD"].to_numpy()),
        fits.Column("BAND", "2A", array=[t + " " for t in ROWS["BAND"].to_pylist()]),
        fits.Column("FLUXCAL", "E", array=ROWS["FLUXCAL"].to_numpy()),
        fits.Column("FLUXCALERR", "E", array=ROWS["FLUXCALERR"].to_numpy()),
    ]
    file = io.BytesIO()
    fits.BinTableHDU.from_columns(columns).writeto(file)
    return file.getvalue()


def padded():
    """As a frame or table of padded bytes, which FITS readers of other packages leave."""
    columns = ROWS.to_pydict()
    return {
        "SNID": np.array([text.encode().ljust(16) for text in columns["SNID"]], "S16"),
        "MJD": np.array(columns["MJD"], ">f8"),
        "BAND": np.array([text.encode() + b"\0 " for text in columns["BAND"]], "S3"),
        "FLUXCAL": np.array(columns["FLUXCAL"], ">f4"),
        "FLUXCALERR": np.array(columns["FLUXCALERR"], ">f4"),
    }


FORMS = {
    "astropy's reader": lambda: Table.read(io.BytesIO(fits_rows()), format="fits"),
    "astropy's reader, text": lambda: Table.read(
        io.BytesIO(fits_rows()), format="fits", character_as_bytes=False
    ),
    "astropy's reader, pandas": lambda: Table.read(
        io.BytesIO(fits_rows()), format="fits"
    ).to_pandas(),
    "raw records, pandas": lambda: pd.DataFrame(np.array(fits.getdata(io.BytesIO(fits_rows())))),
    "padded bytes": lambda: Table(padded()),
    "padded bytes, pandas": lambda: pd.DataFrame(
        {name: list(c) if c.dtype.kind == "S" else c for name, c in padded().items()}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_tables_from_fits_give_the_answers_of_plain_ones(answers, expected, form):
    ids, classes, probabilities = answers(FORMS[form]())
    assert ids == expected[0] == ["397127", "41"]
    assert classes == expected[1]
    np.testing.assert_allclose(probabilities, expected[2], rtol=0, atol=1e-6)


def test_columns_of_several_values_are_the_lists_of_an_object(answers, expected):
    null = [[False] * 3, [False, False, True]]
    columns = {
        "MJD": [[60000.0, 60003, 60006], [60001.0, 60009, 0]],
        "BAND": [[b"g ", b"r", b"i"], [b"g", b"z", b""]],
        "FLUXCAL": [[500.0, 700, 900], [30.0, -20, 0]],
        "FLUXCALERR": [[10.0, 11, 13], [12.0, 14, 0]],
    }
    table = Table({name: MaskedColumn(values, mask=null) for name, values in columns.items()})
    table["SNID"] = ["397127", "41"]
    assert answers(table)[:2] == expected[:2]
    ragged = Table({"SNID": ["397127", "41"]})
    for name in columns:
        cells = [row.compressed() for row in np.ma.array(columns[name], mask=null)]
        ragged[name] = Column([*cells, None], dtype=object)[:2]
    assert answers(ragged)[:2] == expected[:2]


@pytest.mark.parametrize("null", [None, "masked"])
def test_rows_that_are_filled_up_are_as_long_as_what_is_in_them(null):
    """As FITS has light curves of several lengths: masked, or NaN and blank."""
    nothing = float("nan") if null is None else 0.0
    table = Table(
        {
            "mjd": [[1.0, 2, 3], [4, nothing, nothing], [nothing] * 3],
            "band": [["g", "r", "r"], ["g", "", " "], [""] * 3],
            "flux": [[1.0, float("nan"), 3], [4, nothing, nothing], [nothing] * 3],
            "flags": [[0, 0, 1], [2, 0, 0], [0] * 3],
            "other": [[1.0], [2], [3]],
        }
    )
    if null:
        for name in ("mjd", "band", "flux"):
            table[name] = MaskedColumn(table[name], mask=[[0, 0, 0], [0, 1, 1], [1, 1, 1]])
    columns = from_astropy(table).to_pydict()
    assert columns["mjd"] == [[1.0, 2.0, 3.0], [4.0], []]
    assert columns["band"] == [["g", "r", "r"], ["g"], []]
    assert columns["flux"] == [[1.0, None, 3.0], [4.0], []]
    assert columns["flags"] == [[0, 0, 1], [2], []]
    assert columns["other"] == [[1.0], [2.0], [3.0]]


def in_units(**units):
    """The observations with units; FLUXCAL 1 is AB magnitude 27.5, which is 36.3 nJy."""
    columns = ROWS.to_pydict()
    nanojansky = 10 ** (0.4 * (31.4 - 27.5))
    table = QTable({"SNID": columns["SNID"], "BAND": columns["BAND"]})
    table["psfFlux"] = np.array(columns["FLUXCAL"]) * nanojansky * u.nJy
    table["psfFluxErr"] = np.array(columns["FLUXCALERR"]) * nanojansky * u.nJy
    table["FLUXCAL"] = table["psfFlux"].copy()
    table["FLUXCALERR"] = table["psfFluxErr"].copy()
    table["mjd"] = np.array(columns["MJD"]) * u.d
    for name, unit in units.items():
        if name in table.colnames:
            table[name] = table[name].to(unit)
    return table


@pytest.mark.parametrize("names", [("psfFlux", "psfFluxErr"), ("FLUXCAL", "FLUXCALERR")])
@pytest.mark.parametrize("flux", ["nJy", "uJy", "Jy", "erg s-1 cm-2 Hz-1"])
@pytest.mark.parametrize("kind", [QTable, Table])
def test_fluxes_and_times_come_in_the_unit_of_their_name(answers, expected, names, flux, kind):
    table = in_units(mjd="s", **dict.fromkeys(names, flux))["SNID", "mjd", "BAND", *names]
    ids, classes, probabilities = answers(kind(table))
    assert [ids, classes] == expected[:2]
    np.testing.assert_allclose(probabilities, expected[2], rtol=0, atol=1e-5)


def test_a_declared_zero_point_is_that_of_the_values_as_they_stand(answers, expected):
    names = ["psfFlux", "psfFluxErr"]
    table = in_units(psfFlux="uJy", psfFluxErr="uJy")["SNID", "mjd", "BAND", *names]
    assert answers(table, zero_point=23.9)[:2] == expected[:2]
    found = from_astropy(table, fluxes=False)["psfFlux"].to_pylist()
    assert found == list(table["psfFlux"].value)


def test_a_column_that_gets_a_name_comes_in_its_unit(answers, expected, tmp_path):
    table = in_units(FLUXCAL="uJy")["SNID", "mjd", "BAND", "FLUXCAL", "FLUXCALERR"]
    table.rename_column("FLUXCAL", "brightness")
    names = tmp_path / "names.toml"
    names.write_text('[columns]\nFLUXCAL = "brightness"\n')
    assert answers(table, columns=names)[:2] == expected[:2]


@pytest.mark.parametrize(
    ("name", "unit", "message"),
    [
        ("psfFlux", "adu", "'psfFlux' is in adu, and its name means spectral flux density in nJy"),
        ("psfFlux", "mag(AB)", r"'psfFlux' is in mag\(AB\), and its name means"),
        ("FLUXCAL", "erg s-1 cm-2 AA-1", "'FLUXCAL' is in .*; convert it, or give zero_point"),
        ("mjd", "m", "'mjd' is in m, and its name means time in d; convert it$"),
    ],
)
def test_a_unit_that_contradicts_the_name_is_refused(name, unit, message):
    with pytest.raises(InputError, match=message):
        from_astropy(Table({name: Column([1.0], unit=unit)}))


LOGARITHMIC = ["mag", "mag(AB)", "mag(ST)", "mag(Jy)", "mmag", "dex", "dB(W)", "mag arcsec-2"]
NO_AB_MAGNITUDE = [
    *("nJy", "Jy", "AB", "adu", "%", "d", "mag(ST)", "mag(bol)", "mag(Jy)", "mmag", "dex"),
    "mag arcsec-2",
]
PAIRS = [  # of a brightness and its error, and what they are
    *(("flux", "flux_err", "fluxes"), ("FLUXCAL", "FLUXCALERR", "fluxes")),
    *(("psfFlux", "psfFluxErr", "fluxes"), ("psFlux", "psFluxErr", "fluxes")),
    *(("cpsfFlux", "cpsfFluxErr", "fluxes"), ("mag", "mag_err", "AB magnitudes")),
    *(("mag", "magerr", "AB magnitudes"), ("magpsf", "sigmapsf", "AB magnitudes")),
    ("magnitude", "magnitude_err", "AB magnitudes"),
]
CURVES = '[light_curves]\nmjd = "MJD"\nband = "BAND"\n'


def in_pair(pair, units=(None, None), kind=Table):
    """The observations with numbers around 20 under these names, in these units."""
    table = kind({name: ROWS[name].to_pylist() for name in ("SNID", "MJD", "BAND")})
    for name, number, unit in zip(pair, (20.0, 0.5), units, strict=True):
        values = np.linspace(number, number + 1, len(table))
        is_quantity = kind is QTable and unit is not None
        table[name] = values * u.Unit(unit) if is_quantity else Column(values, unit=unit)
    return table


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_what_is_in_a_unit_of_the_other_kind_is_refused(network_path, tmp_path_factory, data):
    """Under every name, for values and errors, whatever else is said of them."""
    flux, error, quantity = data.draw(st.sampled_from(PAIRS))
    units = LOGARITHMIC if quantity == "fluxes" else NO_AB_MAGNITUDE
    unit = u.Unit(data.draw(st.sampled_from(units)))
    place = data.draw(st.integers(0, 1))
    kind = data.draw(st.sampled_from([Table, QTable]))
    table = in_pair((flux, error), [unit if n == place else None for n in (0, 1)], kind)
    options = {"zero_point": data.draw(st.sampled_from([None, 31.4]))}
    options["magnitudes"] = quantity != "fluxes" and data.draw(st.booleans())
    if data.draw(st.booleans()):
        columns = tmp_path_factory.mktemp("names") / "names.toml"
        key = "flux" if quantity == "fluxes" else "magnitude"
        columns.write_text(f'{CURVES}{key} = "{flux}"\n{key}_err = "{error}"\n')
        options["columns"] = columns
    with pytest.raises(InputError) as caught:
        lcclassify.classify_table(table, network_path, min_coverage=0, **options)
    said = str(caught.value)
    assert said.startswith(f"column {(flux, error)[place]!r} is in {unit}")
    assert quantity in said or "its name means spectral flux density" in said
    assert "\n" not in said
    assert "zero_point" not in said


def test_a_column_is_refused_under_the_name_that_it_has(network_path, tmp_path):
    names = tmp_path / "names.toml"
    names.write_text('[columns]\nmag = "brightness"\n')
    table = in_pair(("brightness", "mag_err"), ("mag(ST)", "mag"))
    message = r"^column 'brightness' is in mag\(ST\); expected AB magnitudes, in mag or mag\(AB\)"
    with pytest.raises(InputError, match=message):
        lcclassify.classify_table(table, network_path, columns=names, magnitudes=True)


@pytest.mark.parametrize("kind", [Table, QTable])
@pytest.mark.parametrize("units", [("mag", "mag"), ("mag(AB)", "mag"), ("", None)])
def test_ab_magnitudes_are_those_of_a_table_without_units(answers, kind, units):
    pair = ("mag", "mag_err")
    plain = answers(in_pair(pair), magnitudes=True)
    assert answers(in_pair(pair, units, kind), magnitudes=True) == plain


@pytest.mark.parametrize("unit", ["Jy", "adu", "erg s-1 cm-2 AA-1", ""])
def test_fluxes_of_a_declared_zero_point_are_in_any_unit_of_fluxes(answers, unit):
    pair = ("flux", "flux_err")
    plain = answers(in_pair(pair), zero_point=25.0)
    assert answers(in_pair(pair, (unit, unit)), zero_point=25.0) == plain


def test_magnitudes_of_another_system_beside_fluxes_do_not_matter(answers):
    table = in_pair(("flux", "flux_err"))
    plain = answers(table, zero_point=25.0)
    table["mag"] = Column([20.0] * len(table), unit="mag(ST)")
    assert answers(table, zero_point=25.0) == plain


@pytest.mark.parametrize("unit", ["", None, u.Unit("SNANA", parse_strict="silent")])
def test_a_unit_that_says_nothing_changes_nothing(unit):
    table = Table({"FLUXCAL": Column([1.5], unit=unit)})
    assert from_astropy(table)["FLUXCAL"].to_pylist() == [1.5]


def test_other_quantities_are_their_values():
    table = QTable({"x": [1.5] * u.mJy, "y": [2.5] * u.ABmag, "z": [90.0] * u.arcmin})
    assert from_astropy(table).to_pylist() == [{"x": 1.5, "y": 2.5, "z": 90.0}]


@pytest.mark.parametrize("form", ["mjd", "jd", "iso"])
def test_times_are_their_mjd(form):
    times = Time([60000.5, 60001.5, 2.0], format="mjd")
    times.format = form
    times[2] = np.ma.masked
    assert from_astropy(QTable({"mjd": times}))["mjd"].to_pylist() == [60000.5, 60001.5, None]


def test_positions_and_records_are_left_out():
    table = QTable({"sky": SkyCoord([1, 2] * u.deg, [3, 4] * u.deg), "oid": ["a", "b"]})
    table["record"] = np.zeros(2, [("a", float)])
    assert from_astropy(table).to_pylist() == [{"oid": "a"}, {"oid": "b"}]


def test_astropy_is_not_imported_for_arrow_tables(forest_path):
    code = (
        "import sys, pyarrow as pa, lcclassify\n"
        f"lcclassify.classify_table(pa.table({OBJECTS!r}), {forest_path!r})\n"
        "print('astropy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

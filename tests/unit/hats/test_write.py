import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from lcclassify import __version__
from lcclassify.errors import OutputError
from lcclassify.hats.leaf import Leaf
from lcclassify.hats.write import write_catalogue
from lcclassify.sources.places import find_catalogue

SCHEMA = pa.schema({"oid": pa.string(), "class": pa.string(), "ra": pa.float64()})
ROWS = {Leaf(1, 16): 3, Leaf(2, 68): 0, Leaf(9, 123_456): 5, Leaf(1, 3): 2}


@pytest.fixture
def source(tmp_path, make_catalogue):
    return find_catalogue(str(make_catalogue(tmp_path / "source", hats_col_healpix_order="29")))


@pytest.fixture
def write(source):
    """Makes a catalogue of results of the source: its leaves first, as a job does."""

    def make(folder):
        for leaf, n_rows in ROWS.items():
            path = folder / leaf.path()
            path.parent.mkdir(parents=True, exist_ok=True)
            table = SCHEMA.empty_table()
            pq.write_table(pa.concat_tables([table, _rows(n_rows)]), path)
        write_catalogue(folder, "classes", source, ROWS, SCHEMA)
        return folder

    return make


def _rows(n_rows):
    return pa.table({"oid": ["a"] * n_rows, "class": ["SN"] * n_rows, "ra": [1.0] * n_rows}, SCHEMA)


def test_what_is_written_is_read_with_the_leaves_in_the_order_of_the_source(
    write, source, tmp_path
):
    found = find_catalogue(str(write(tmp_path / "out")))
    assert found.name == "classes"
    assert found.leaves == source.leaves
    assert found.position_columns == source.position_columns


def test_the_properties_are_those_that_lsdb_writes(write, tmp_path):
    folder = write(tmp_path / "out")
    text = (folder / "hats.properties").read_text()
    assert text == (
        "obs_collection=classes\ndataproduct_type=object\nhats_nrows=10\nhats_col_ra=ra\n"
        "hats_col_dec=dec\nhats_col_healpix=_healpix_29\nhats_col_healpix_order=29\n"
        "hats_npix_suffix=.parquet\nhats_order=9\nhats_max_rows=5\n"
        f"hats_builder=lcclassify {__version__}\nhats_version=v1.0\n"
    )
    assert (folder / "properties").read_text() == text


def test_the_schema_lies_beside_the_leaves(write, tmp_path):
    folder = write(tmp_path / "out")
    assert pq.read_schema(folder / "dataset" / "_common_metadata") == SCHEMA
    assert not (folder / "dataset" / "_metadata").exists()


def test_plain_pyarrow_reads_it(write, tmp_path):
    assert pa.dataset.dataset(write(tmp_path / "out") / "dataset").count_rows() == 10


def test_the_bytes_are_the_same_each_time(write, tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == len(ROWS) + 4
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)


def test_a_leaf_of_which_nothing_is_said_is_left_out(source, tmp_path):
    (tmp_path / "out" / "dataset").mkdir(parents=True)
    write_catalogue(tmp_path / "out", "classes", source, {Leaf(1, 3): 1}, SCHEMA)
    assert (tmp_path / "out" / "partition_info.csv").read_text() == "Norder,Npix\n1,3\n"


def test_a_source_without_positions_is_refused(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path / "source", hats_col_ra="")
    source = find_catalogue(str(folder))
    with pytest.raises(OutputError) as error:
        write_catalogue(tmp_path, "classes", source, {}, SCHEMA)
    assert str(error.value) == (
        f"{tmp_path}: toy does not say hats_col_ra and hats_col_dec, and a HATS catalogue has to"
    )


def test_a_folder_that_is_not_there_is_for_the_caller(source, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_catalogue(tmp_path / "nowhere", "classes", source, {}, SCHEMA)

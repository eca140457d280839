"""Models inside LSDB give what classify-file gives."""

import pickle

import lsdb
import pytest
from dask.distributed import Client

from lcclassify.adapters.lsdb import PartitionClassifier
from lcclassify.errors import InputError
from lcclassify.predictors import kept

EXTRA = ["ra", "dec", "_healpix_29"]


def in_order(table):
    """Without what an adapter adds, and in the order of the ids."""
    return table.drop_columns([name for name in EXTRA if name in table.column_names]).sort_by(
        "object_id"
    )


def n_loaded():
    return kept._load.cache_info().misses


@pytest.fixture
def catalogue(collection):
    return lsdb.open_catalog(collection)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [({}, []), ({"top": 2, "hierarchy": True}, ["--top", 2, "--hierarchy"])],
)
def test_answers_are_those_of_classify_file_bit_for_bit(
    catalogue, collection, classify, options, arguments
):
    answers = catalogue.map_partitions(PartitionClassifier.of("plasticc", **options)).compute()
    expected = classify(collection, "-m", "plasticc", *arguments)
    assert in_order(answers.to_pyarrow()) == in_order(expected)


def test_answers_about_nested_light_curves_are_those_of_classify_file_bit_for_bit(
    catalogue, collection, curve_model, classify
):
    answers = catalogue.map_partitions(PartitionClassifier.of(str(curve_model))).compute()
    expected = classify(collection, "-m", curve_model)
    assert answers["status"].value_counts().to_dict() == {"too_few_observations": 175, "ok": 26}
    assert in_order(answers.to_pyarrow()) == in_order(expected)


def test_answers_keep_the_place_of_their_objects(catalogue):
    answers = catalogue.map_partitions(PartitionClassifier.of("plasticc")).compute()
    objects = catalogue.compute()
    assert answers.index.equals(objects.index)
    assert answers[["object_id", "ra", "dec"]].equals(objects[["object_id", "ra", "dec"]])


def test_answers_can_be_written_opened_and_searched(catalogue, tmp_path):
    classes = catalogue.map_partitions(PartitionClassifier.of("plasticc"))
    classes.write_catalog(tmp_path / "out", catalog_name="classes", as_collection=False)
    opened = lsdb.open_catalog(tmp_path / "out")
    assert len(opened) == 201
    assert len(opened.cone_search(20, 0, 8 * 3600).compute()) > 10
    assert opened.compute().equals(classes.compute())


def test_an_empty_frame_has_the_columns_of_a_full_one(catalogue):
    classifier = PartitionClassifier.of("plasticc")
    none = classifier(catalogue.meta)
    some = classifier(catalogue.partitions[0].compute())
    assert len(none) == 0 < len(some)
    assert (none.dtypes == some.dtypes).all()
    assert none.index.dtype == some.index.dtype


def test_partitions_that_a_search_leaves_empty_give_nothing(catalogue):
    empty = catalogue.query("ra > 20").map_partitions(PartitionClassifier.of("plasticc"))
    found = empty.compute()
    assert 0 < len(found) < 201
    assert (found["ra"] > 20).all()


def test_what_travels_is_a_path_and_a_digest():
    classifier = PartitionClassifier.of("plasticc")
    data = pickle.dumps(classifier)
    assert len(data) < 1000
    assert pickle.loads(data) == classifier
    assert len(classifier.scorer.model_digest) == 64


def test_a_worker_loads_the_model_once(catalogue):
    with Client(n_workers=1, threads_per_worker=2, dashboard_address=":0") as client:
        answers = catalogue.map_partitions(PartitionClassifier.of("plasticc")).compute()
        [loaded] = client.run(n_loaded).values()
    assert (len(answers), catalogue.npartitions, loaded) == (201, 8, 1)


def test_a_catalogue_of_other_positions_names_them(catalogue):
    with pytest.raises(InputError) as error:
        PartitionClassifier.of("plasticc", positions=("coord_ra", "coord_dec"))(catalogue.meta)
    assert str(error.value) == (
        "the catalogue has no column 'coord_ra' of positions; name its own: positions=(RA, DEC)"
    )


def test_rows_of_observations_are_refused(catalogue, curve_model):
    flat = catalogue.meta.drop(columns="curve").assign(mjd=[], band=[], FLUXCAL=[])
    flat = flat.astype({"mjd": float, "band": str, "FLUXCAL": float})
    with pytest.raises(InputError, match="the catalogue has a row per observation"):
        PartitionClassifier.of(str(curve_model))(flat)

"""Light curves where a file of names says that they lie."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.batch import BANDS
from lcclassify.errors import InputError
from lcclassify.sources import parquet
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.declared_form import DeclaredForm, read_form
from lcclassify.sources.file import FileSource, in_memory, open_files
from lcclassify.sources.names import Names, read_names
from lcclassify.sources.observed import to_flux
from lcclassify.status import Problem, Status
from lcclassify.testing import make_light_curves, make_transformer

FLAGGED = 32768
LISTS = DeclaredForm(
    mjd="hmjd",
    band="filterid",
    flux="flux",
    flux_err="err",
    zero_point=31.4,
    id_name="objectid",
    bands={"1": "g", "2": "r", "3": "i"},
    reject={"catflags": FLAGGED},
)
NESTED = replace(LISTS, inside="lightcurve")
MAGNITUDES = replace(LISTS, flux="mag", flux_err="magerr", is_magnitude=True, zero_point=None)
TYPES = {
    "hmjd": pa.float64(),
    "flux": pa.float64(),
    "err": pa.float64(),
    "mag": pa.float64(),
    "magerr": pa.float64(),
    "catflags": pa.int32(),
    "filterid": pa.int8(),
}
KINDS = ("struct", "lists", "struct, row band", "lists, row band", "large", "structs", "flat large")


def layout(kind, ids, curves):
    """A table of one form: a dict of equal lists for each object, whose first band is the row's."""
    whole = pa.large_list if "large" in kind else pa.list_
    bands = pa.array([next(iter(curve["filterid"]), 1) for curve in curves], pa.int8())
    names = [name for name in TYPES if name != "filterid" or "row band" not in kind]
    top = {"objectid": pa.array(ids, pa.int64())}
    if "row band" in kind:
        top["filterid"] = bands
    if kind == "structs":
        item = pa.struct(TYPES)
        rows = [
            [
                dict(zip(TYPES, each, strict=True))
                for each in zip(*(c[n] for n in TYPES), strict=True)
            ]
            for c in curves
        ]
        return pa.table(top | {"lightcurve": pa.array(rows, pa.list_(item))})
    lists = {n: pa.array([curve[n] for curve in curves], whole(TYPES[n])) for n in names}
    if "lists" in kind or "flat" in kind:
        return pa.table(top | lists)
    struct = pa.StructArray.from_arrays(list(lists.values()), list(lists))
    return pa.table(top | {"lightcurve": struct})


def form_of(kind, base=LISTS):
    return base if "lists" in kind or "flat" in kind else replace(base, inside="lightcurve")


def in_file(folder, table):
    path = folder / "curves.parquet"
    pq.write_table(table, path)
    return [str(path)]


def read(files, size=5000, **options):
    """Each object's id, observations with the values of their bits, and what is wrong with it."""
    objects = []
    for batch in FileSource(files, [], size, light_curves=LightCurveOptions(**options)):
        curves = batch.light_curves
        seen = np.stack([curves.mjd, curves.band, curves.flux, curves.flux_err], 1)
        for row, object_id in enumerate(batch.object_id.to_pylist()):
            own = seen[curves.offsets[row] : curves.offsets[row + 1]]
            objects.append((object_id, own.tobytes(), batch.problems.get(row)))
    return objects


def curves_of(counts, seed=0):
    """Objects of one band each, of magnitudes and of the fluxes that these are."""
    rng = np.random.default_rng(seed)
    n = sum(counts)
    made = make_light_curves(counts, seed)
    mag, magerr = rng.uniform(17, 22, n), rng.uniform(0.01, 0.2, n)
    flux, err = to_flux(mag, magerr, 31.4)
    flags = rng.choice([0, 1, FLAGGED, FLAGGED + 4], n, p=[0.6, 0.2, 0.1, 0.1])
    values = {"hmjd": made.mjd, "flux": flux, "err": err, "mag": mag, "magerr": magerr}
    values["catflags"] = flags
    objects = []
    for number, (first, stop) in enumerate(zip(made.offsets, made.offsets[1:], strict=False)):
        own = {name: column[first:stop].tolist() for name, column in values.items()}
        objects.append(own | {"filterid": [1 + number % 3] * (stop - first)})
    return objects


COUNTS = [3, 40, 0, 7, 1, 22, 90, 5]
CURVES = curves_of(COUNTS)


@pytest.fixture(scope="module")
def predictor():
    from lcclassify.predictors.transformer import TransformerPredictor
    from lcclassify.taxonomy import Taxonomy
    from lcclassify.testing import make_bundle

    model = make_transformer(table="none", n_values=2)
    tree = Taxonomy(model.classes, (-1,) * len(model.classes))
    return TransformerPredictor(make_bundle(tree, []), model, device="cpu")


@pytest.mark.parametrize("base", [LISTS, MAGNITUDES], ids=["flux", "magnitude"])
def test_every_form_has_the_same_answers_bit_for_bit(tmp_path, predictor, base):
    answers, seen = {}, {}
    for kind in KINDS:
        table = layout(kind, range(len(CURVES)), CURVES)
        names = Names(light_curves=form_of(kind, base))
        for where in ("file", "memory"):
            files = (
                open_files(in_file(tmp_path, table), names=names)
                if where == "file"
                else in_memory(table, names=names)
            )
            seen[kind, where] = read(files)
            (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
            prediction = predictor.predict(batch)
            answers[kind, where] = prediction.conditional.tobytes(), prediction.problems
    (probabilities, problems), *others = answers.values()
    assert all(other == (probabilities, problems) for other in others)
    assert all(each == seen["lists", "file"] for each in seen.values())
    assert np.isfinite(np.frombuffer(probabilities)).sum() == 7 * 3
    assert problems == {2: Problem(Status.TOO_FEW_OBSERVATIONS, "the object has no observations")}
    assert {len(own) // 32 for _, own, _ in seen["lists", "file"]} != set(
        COUNTS
    )  # some are flagged


def test_fluxes_and_the_magnitudes_they_are_have_the_same_light_curves(tmp_path):
    path = in_file(tmp_path, layout("lists", range(len(CURVES)), CURVES))
    by_flux, by_magnitude = (
        read(open_files(path, names=Names(light_curves=form))) for form in (LISTS, MAGNITUDES)
    )
    assert by_flux == by_magnitude


VALUES = st.one_of(st.floats(width=32), st.none())
OBSERVATION = st.tuples(VALUES, VALUES, VALUES, st.sampled_from([0, 1, FLAGGED, 40000, None]))
OBJECTS = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4]), st.lists(OBSERVATION, max_size=5)), max_size=8
)


def as_curves(objects):
    return [
        {
            "hmjd": [each[0] for each in seen],
            "flux": [each[1] for each in seen],
            "err": [each[2] for each in seen],
            "mag": [None] * len(seen),
            "magerr": [None] * len(seen),
            "catflags": [each[3] for each in seen],
            "filterid": [band] * len(seen),
        }
        for band, seen in objects
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("forms")


@settings(max_examples=60, deadline=None)
@given(
    objects=OBJECTS,
    kind=st.sampled_from(KINDS),
    size=st.integers(1, 9),
    items=st.integers(1, 20),
    row_group=st.integers(1, 9),
)
def test_how_a_file_is_divided_and_read_changes_no_object(
    folder, objects, kind, size, items, row_group
):
    ids = range(len(objects))
    table = layout(kind, ids, as_curves(objects))
    pq.write_table(table, folder / "curves.parquet", row_group_size=row_group)
    names = Names(light_curves=form_of(kind))
    whole, parquet.ITEMS = parquet.ITEMS, items
    try:
        found = read(open_files([str(folder / "curves.parquet")], names=names), size)
    finally:
        parquet.ITEMS = whole
    assert found == read(in_memory(table, names=names))
    assert [object_id for object_id, *_ in found] == list(ids)


@settings(max_examples=60, deadline=None)
@given(objects=OBJECTS, data=st.data())
def test_neither_order_nor_company_of_objects_changes_one(objects, data):
    rows = data.draw(st.lists(st.sampled_from(range(len(objects))))) if objects else []
    names = Names(light_curves=NESTED)
    table = layout("struct", range(len(objects)), as_curves(objects))
    whole = read(in_memory(table, names=names))
    assert read(in_memory(table.take(pa.array(rows, pa.int64())), names=names)) == [
        whole[row] for row in rows
    ]


@settings(max_examples=60, deadline=None)
@given(objects=OBJECTS)
def test_a_band_of_the_row_is_the_list_of_it_repeated(objects):
    found = [
        read(in_memory(layout(kind, range(len(objects)), as_curves(objects)), names=names))
        for kind in ("lists", "lists, row band", "struct", "struct, row band")
        for names in [Names(light_curves=form_of(kind))]
    ]
    assert found[1:] == found[:1] * 3


@settings(max_examples=60, deadline=None)
@given(objects=OBJECTS, kind=st.sampled_from(KINDS))
def test_observations_that_are_left_out_might_as_well_not_be_there(objects, kind):
    without = [(b, [each for each in seen if not (each[3] or 0) & FLAGGED]) for b, seen in objects]
    names = Names(light_curves=form_of(kind))
    found, expected = (
        read(in_memory(layout(kind, range(len(each)), as_curves(each)), names=names))
        for each in (objects, without)
    )
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    for (*_, problem), (_, seen), (_, left) in zip(found, objects, without, strict=True):
        reason = f"all of its {len(seen)} observations are flagged"
        flagged = Problem(Status.TOO_FEW_OBSERVATIONS, reason)
        assert problem == (flagged if seen and not left else None)


@pytest.mark.parametrize("kind", ["struct", "large"])
def test_null_structs_and_empty_lists_are_objects_without_observations(tmp_path, predictor, kind):
    table = layout(kind, [1, 2, 3], [CURVES[0], CURVES[2], CURVES[3]])
    column = table["lightcurve"].combine_chunks()
    nulls = pa.StructArray.from_arrays(
        column.flatten(), fields=list(column.type), mask=pa.array([False, False, True])
    )
    table = table.set_column(1, "lightcurve", nulls)
    for files in (
        open_files(in_file(tmp_path, table), names=Names(light_curves=NESTED)),
        in_memory(table, names=Names(light_curves=NESTED)),
    ):
        (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
        assert np.diff(batch.light_curves.offsets)[1:].tolist() == [0, 0]
        assert not batch.repairs
        nothing = Problem(Status.TOO_FEW_OBSERVATIONS, "the object has no observations")
        assert predictor.predict(batch).problems == {1: nothing, 2: nothing}


def test_lists_may_be_of_one_size(tmp_path):
    kinds = {name: pa.list_(TYPES[name], 2) for name in ("hmjd", "flux", "err", "catflags")}
    values = {"hmjd": [[1.0, 2.0], None, [3.0, 4.0]], "flux": [[5.0, 6.0], None, [7.0, 8.0]]}
    values |= {"err": [[1.0, 1.0], None, [1.0, 1.0]], "catflags": [[0, FLAGGED], None, [0, 0]]}
    lists = {name: pa.array(values[name], kind) for name, kind in kinds.items()}
    table = pa.table({"objectid": [1, 2, 3], "filterid": [1, 2, 2]} | lists)
    names = Names(light_curves=LISTS)
    for files in (open_files(in_file(tmp_path, table), names=names), in_memory(table, names=names)):
        (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
        assert batch.light_curves.offsets.tolist() == [0, 1, 1, 3]
        assert batch.light_curves.mjd.tolist() == [1, 3, 4]
        assert batch.light_curves.band.tolist() == [1, 2, 2]


def test_flags_that_are_true_are_1_and_null_ones_0():
    lists = {"hmjd": [[1.0, 2.0, 3.0]], "flux": [[1.0, 2.0, 3.0]], "bad": [[True, False, None]]}
    table = pa.table({"oid": [1], "band": ["g"]} | lists)
    form = DeclaredForm("hmjd", "band", "flux", zero_point=31.4, reject={"bad": 1})
    files = in_memory(table, names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert batch.light_curves.mjd.tolist() == [2, 3]
    assert files.light_curves.describe_filter() == "observations with bad & 1 are left out"


def test_any_of_several_bits_leaves_out():
    lists = {"t": [[1.0, 2.0, 3.0, 4.0]], "f": [[1.0] * 4], "bad": [[2, 4, 9, 6]]}
    form = DeclaredForm("t", "band", "f", zero_point=31.4, reject={"bad": 6})
    files = in_memory(pa.table({"oid": [1], "band": ["g"]} | lists), names=Names({}, form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert batch.light_curves.mjd.tolist() == [3]


def test_the_highest_bit_of_64_and_several_flags_count():
    lists = {"t": [[1.0, 2.0, 3.0]], "f": [[1.0] * 3], "a": [[1, 0, 0]]}
    big = pa.array([[0, 2**63 + 4, 2**63]], pa.list_(pa.uint64()))
    form = DeclaredForm("t", "band", "f", zero_point=31.4, reject={"a": 1, "b": 4})
    table = pa.table({"oid": [1], "band": ["g"]} | lists | {"b": big})
    files = in_memory(table, names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert batch.light_curves.mjd.tolist() == [3]
    told = "observations with a & 1 or b & 4 are left out"
    assert files.light_curves.describe_filter() == told


def test_codes_that_a_file_of_names_does_not_know_are_no_bands():
    form = DeclaredForm("t", "b", "f", zero_point=31.4, bands={"4": "u", "y": "Y"})
    lists = {"t": [[1.0] * 4], "f": [[1.0] * 4], "b": [["4", "r", "y", None]]}
    files = in_memory(pa.table({"oid": [1]} | lists), names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert batch.light_curves.band.tolist() == [0, -1, 5, -1]
    assert not batch.repairs


def test_lists_that_do_not_fit_together_cost_their_object_alone(tmp_path):
    curves = [CURVES[0], CURVES[3] | {"catflags": [0]}, CURVES[4]]
    files = open_files(
        in_file(tmp_path, layout("struct", [1, 2, 3], curves)), names=Names(light_curves=NESTED)
    )
    found = [problem for *_, problem in read(files)]
    wrong = Problem(Status.INVALID_RECORD, "hmjd has 7 values and catflags 1")
    assert found == [None, wrong, None]


def test_what_is_declared_is_settled_by_the_same_rules():
    lists = {"t": [[1.0]], "f": [[2.0]]}
    table = pa.table({"oid": [1], "band": ["g"]} | lists)
    files = in_memory(table, names=Names(light_curves=DeclaredForm("t", "band", "f")))
    with pytest.raises(InputError, match="'f' does not say its unit; give --zero-point"):
        FileSource(files, [], light_curves=LightCurveOptions())
    with pytest.raises(InputError, match="'f' is a flux: there is nothing for --magnitudes"):
        FileSource(files, [], light_curves=LightCurveOptions(27.5, magnitudes=True))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions(27.5))
    assert batch.light_curves.zero_point == 27.5
    declared = DeclaredForm("t", "band", "f", zero_point=31.4)
    files = in_memory(table, names=Names(light_curves=declared))
    for told, zero_point in ((None, 31.4), (27.5, 27.5)):
        (batch,) = FileSource(files, [], light_curves=LightCurveOptions(told))
        assert batch.light_curves.zero_point == zero_point


def test_columns_that_were_given_names_are_found_by_the_files_own(tmp_path):
    table = layout("struct, row band", [7, 8], CURVES[:2]).append_column("ebv", [[0.1, 0.2]])
    renamed = {"star": "objectid", "fid": "filterid", "MWEBV": "ebv", "curve": "lightcurve"}
    files = open_files(in_file(tmp_path, table), names=Names(renamed, NESTED))
    assert (files.id_name, list(files.columns)) == ("star", ["star", "fid", "MWEBV", "curve"])
    source = FileSource(files, ["MWEBV"], light_curves=LightCurveOptions())
    (batch,) = source
    assert batch.features["MWEBV"].to_pylist() == [0.1, 0.2]
    plain = open_files(in_file(tmp_path, table), names=Names(light_curves=NESTED))
    assert read(files) == read(plain)
    lists = layout("lists", [7, 8], CURVES[:2])
    files = in_memory(lists, names=Names({"oid": "objectid", "when": "hmjd", "x": "flux"}, LISTS))
    assert read(files) == read(in_memory(lists, names=Names(light_curves=LISTS)))


def test_the_id_is_the_one_that_the_user_names_then_that_of_the_file_of_names(tmp_path):
    table = layout("lists", [7, 8], CURVES[:2]).append_column("oid", [["a", "b"]])
    path = in_file(tmp_path, table.append_column("other", [["c", "d"]]))
    names = Names(light_curves=LISTS)
    assert open_files(path, names=names).id_name == "objectid"
    assert open_files(path, "other", names=names).id_name == "other"
    pq.write_table(table.drop_columns(["objectid"]), tmp_path / "curves.parquet")
    assert open_files(path, names=names).id_name == "oid"


def test_only_the_fields_that_are_needed_are_read(tmp_path):
    path = in_file(tmp_path, layout("struct", [1], CURVES[:1]))
    for names, column in ((Names(), "lightcurve"), (Names({"curve": "lightcurve"}), "curve")):
        (part,) = open_files(path, "objectid", names=names).parts
        (batch,) = part.batches("objectid", [], 10, [f"{column}.flux", f"{column}.hmjd"])
        assert [one.name for one in batch.context[column].type] == ["hmjd", "flux"]


def test_files_may_have_different_forms_if_all_are_as_it_is_said(tmp_path):
    for number, kind in enumerate(("struct", "structs", "struct, row band")):
        table = layout(kind, [number], CURVES[number : number + 1])
        pq.write_table(table, tmp_path / f"{number}.parquet")
    found = read(open_files([str(tmp_path)], names=Names(light_curves=NESTED)))
    whole = read(in_memory(layout("lists", [0, 1, 2], CURVES[:3]), names=Names({}, LISTS)))
    assert found == whole


def test_names_are_the_same_after_json():
    for names in (Names({"a": "b"}), Names({}, NESTED), Names({}, MAGNITUDES)):
        assert Names.of(json.loads(json.dumps(asdict(names)))) == names


# The columns of the catalogues that presets are for, as SCALE has measured or seen them described.
RUBIN = {
    "band": pa.list_(pa.string()),
    "psfFlux": pa.list_(pa.float32()),
    "psfFluxErr": pa.list_(pa.float32()),
    "psfFlux_flag": pa.list_(pa.bool_()),
    "psfDiffFlux": pa.list_(pa.float32()),
    "psfDiffFluxErr": pa.list_(pa.float32()),
    "psfDiffFlux_flag": pa.list_(pa.bool_()),
    "midpointMjdTai": pa.list_(pa.float64()),
}
ZTF = {
    "hmjd": pa.list_(pa.float64()),
    "mag": pa.list_(pa.float32()),
    "magerr": pa.list_(pa.float32()),
    "clrcoeff": pa.list_(pa.float32()),
    "catflags": pa.list_(pa.int32()),
}
ZTF_ROW = {"objectid": pa.int64(), "filterid": pa.int8(), "objra": pa.float32()}
CATALOGUES = {
    "rubin-object": {"objectId": pa.int64(), "objectForcedSource": pa.struct(RUBIN)},
    "rubin-dia": {"diaObjectId": pa.int64(), "diaObjectForcedSource": pa.struct(RUBIN)},
    "ztf-dr22": ZTF_ROW | ZTF,
    "ztf-dr23": ZTF_ROW | {"lightcurve": pa.struct(ZTF)},
}


def catalogue(preset):
    """One object of such a catalogue with three observations, of which the second is flagged."""
    values = {
        "hmjd": [60001.0, 60002.0, 60003.0],
        "mag": [20.0, 21.0, 22.0],
        "band": ["g", "r", "y"],
    }
    values |= {"magerr": [0.1] * 3, "clrcoeff": [0.0] * 3, "catflags": [4, FLAGGED, 0]}
    values["midpointMjdTai"] = values["hmjd"]
    fluxes = ("psfFlux", "psfFluxErr", "psfDiffFlux", "psfDiffFluxErr")
    values |= {name: [n + 1.0, n + 2.0, n + 3.0] for n, name in enumerate(fluxes)}
    values |= {name: [False, True, None] for name in ("psfFlux_flag", "psfDiffFlux_flag")}
    row = {"objectid": 2**53 + 1, "objectId": 2**53 + 1, "diaObjectId": 2**53 + 1}
    row |= {"filterid": 3, "objra": 1.0}

    def value(name, kind):
        if pa.types.is_struct(kind):
            return {field.name: values[field.name] for field in kind}
        return row.get(name, values.get(name))

    columns = CATALOGUES[preset]
    return pa.table({name: pa.array([value(name, k)], k) for name, k in columns.items()})


@pytest.mark.parametrize("preset", CATALOGUES)
def test_a_preset_reads_its_catalogue(tmp_path, preset):
    files = open_files(in_file(tmp_path, catalogue(preset)), names=read_names(Path(preset)))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    curves = batch.light_curves
    assert batch.object_id.to_pylist() == [2**53 + 1]
    assert not batch.repairs
    assert curves.mjd.tolist() == [60001, 60003]
    assert curves.zero_point == 31.4
    if "ztf" in preset:
        assert curves.band.tolist() == [3, 3]
        np.testing.assert_allclose(curves.flux, [10**4.56, 10**3.76], rtol=1e-6)
        np.testing.assert_allclose(curves.flux_err / curves.flux, 0.0921034, rtol=1e-6)
        flag = "catflags & 32768"
    else:
        assert [BANDS[code] for code in curves.band] == ["g", "Y"]
        assert curves.flux.tolist() == ([3, 5] if preset == "rubin-dia" else [1, 3])
        assert curves.flux_err.tolist() == ([4, 6] if preset == "rubin-dia" else [2, 4])
        flag = "psfDiffFlux_flag & 1" if preset == "rubin-dia" else "psfFlux_flag & 1"
    assert files.light_curves.describe_filter() == f"observations with {flag} are left out"


def test_a_preset_gives_way_to_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_names(Path("ztf-dr22")).light_curves.band == "filterid"
    Path("ztf-dr22").write_text('[columns]\nrb = "quality"\n')
    assert read_names(Path("ztf-dr22")) == Names({"rb": "quality"})


def test_a_preset_that_is_not_there_is_told_with_those_that_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_names(Path("ztf-dr2"))
    assert str(error.value) == (
        "there is no file 'ztf-dr2', and no preset of that name: choose from rubin-dia, "
        "rubin-object, ztf-dr22, ztf-dr23"
    )


LEAST = {"mjd": "t", "band": "b", "flux": "f"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "n.toml: light_curves is 3; expected a table [light_curves]"),
        (
            LEAST | {"mag": "m", "time": "t"},
            "n.toml: [light_curves] knows no mag, time; expected id, inside, mjd, band, flux, "
            "flux_err, magnitude, magnitude_err, sign, survey, zero_point, bands, reject",
        ),
        (
            LEAST | {"mjd": 3},
            "n.toml: light_curves.mjd is 3; expected the name of a column in quotes",
        ),
        (
            {"mjd": "t"},
            "n.toml: [light_curves] takes mjd, band, and flux (flux_err) or magnitude "
            "(magnitude_err), not without band, flux",
        ),
        (
            LEAST | {"magnitude": "m"},
            "n.toml: [light_curves] takes mjd, band, and flux (flux_err) or magnitude "
            "(magnitude_err), not flux beside magnitude",
        ),
        (
            LEAST | {"magnitude_err": "m"},
            "n.toml: [light_curves] takes mjd, band, and flux (flux_err) or magnitude "
            "(magnitude_err), not magnitude_err beside flux",
        ),
        (
            LEAST | {"zero_point": "AB"},
            "n.toml: light_curves.zero_point is 'AB'; expected an AB magnitude within -100 and 100",
        ),
        (
            LEAST | {"zero_point": True},
            "n.toml: light_curves.zero_point is True; expected an AB magnitude within -100 and 100",
        ),
        (
            LEAST | {"zero_point": float("nan")},
            "n.toml: light_curves.zero_point is nan; expected an AB magnitude within -100 and 100",
        ),
        (
            LEAST | {"bands": "gri"},
            "n.toml: light_curves.bands is 'gri'; expected a table [light_curves.bands]",
        ),
        (
            LEAST | {"bands": {"1": "y"}},
            "n.toml: light_curves.bands.1 is 'y'; expected one of u, g, r, i, z, Y in quotes",
        ),
        (
            LEAST | {"bands": {"1": ["g"]}},
            "n.toml: light_curves.bands.1 is ['g']; expected one of u, g, r, i, z, Y in quotes",
        ),
        *(
            (
                LEAST | {"reject": {"flag": bits}},
                f"n.toml: light_curves.reject.flag is {bits!r}; expected the bits that leave an "
                "observation out, as a number of at least 1",
            )
            for bits in (True, 0, -1, 1.0, "1", 1 << 63)
        ),
    ],
)
def test_a_wrong_declaration_is_one_sentence(table, message):
    with pytest.raises(InputError) as error:
        read_form("n.toml", table)
    assert str(error.value) == message


FLOATS = pa.list_(pa.float64())
COLUMNS = {"t": FLOATS, "b": pa.list_(pa.string()), "f": FLOATS, "oid": pa.int64()}
STRUCT = pa.struct({"t": FLOATS, "f": FLOATS, "b": pa.float64()})


@pytest.mark.parametrize(
    ("more", "columns", "message"),
    [
        (
            {"flux": "g"},
            COLUMNS,
            "expected a list of numbers named 'g', as [light_curves] says of flux; there are t, b, "
            "f",
        ),
        (
            {"flux": "oid", "is_magnitude": True},
            {"oid": pa.int64()},
            "expected a list of bands, or a column of them, named 'b', as [light_curves] says of "
            "band; there is no list",
        ),
        (
            {"mjd": "b"},
            COLUMNS,
            "expected a list of numbers named 'b', as [light_curves] says of mjd; it holds string",
        ),
        (
            {"flux_err": "e", "is_magnitude": True},
            COLUMNS,
            "expected a list of numbers named 'e', as [light_curves] says of magnitude_err; there "
            "are t, b, f",
        ),
        (
            {"band": "c"},
            COLUMNS | {"c": pa.struct({"x": pa.int8()})},
            "column 'c' holds struct<x: int8>, not bands",
        ),
        (
            {"reject": {"f": 1}},
            COLUMNS,
            "expected a list of integers or booleans named 'f', as [light_curves] says of reject; "
            "it holds double",
        ),
        (
            {"inside": "lc"},
            COLUMNS,
            "expected a column of structs named 'lc', as [light_curves] says of inside; there is "
            "none",
        ),
        (
            {"inside": "f"},
            COLUMNS,
            "expected a column of structs named 'f', as [light_curves] says of inside; it holds "
            "list<item: double>",
        ),
        (
            {"inside": "lc", "band": "oid"},
            {"lc": pa.struct({"t": FLOATS, "f": pa.float64()}), "oid": pa.int64()},
            "expected a list of numbers named 'f' inside 'lc', as [light_curves] says of flux; "
            "there are t",
        ),
    ],
)
def test_columns_that_are_not_as_it_is_said_are_one_sentence(more, columns, message):
    form = replace(DeclaredForm("t", "b", "f", zero_point=31.4), **more)
    with pytest.raises(InputError) as error:
        form.on("f.parquet", columns, {})
    assert str(error.value) == f"f.parquet: {message}"


@pytest.mark.parametrize("column", ["magpsf", "psfMag", "mag_ap", "MAG", "dmag", "gMagPSF"])
def test_what_is_called_a_magnitude_is_never_a_flux(tmp_path, column):
    path = tmp_path / "n.toml"
    for text in (
        f'[light_curves]\nmjd = "t"\nband = "b"\nflux = "{column}"\nzero_point = 31.4\n',
        f'[columns]\npsfFlux = "{column}"\n',
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=f"'{column}', which is the name of magnitudes"):
            read_names(path)


@pytest.mark.parametrize(
    "column", ["mag_corr", "image", "magFlux", "flux_mag", "signal", "fluxmag0"]
)
def test_other_names_may_be_fluxes(tmp_path, column):
    path = tmp_path / "n.toml"
    path.write_text(f'[columns]\nflux = "{column}"\n')
    assert read_names(path).columns == {"flux": column}


@pytest.mark.parametrize(
    ("told", "known"), [("LSST", "lsst"), ("Rubin ", "lsst"), ("ELAsTiCC", "lsst"), ("ZTF", "ztf")]
)
def test_a_survey_is_known_in_any_spelling(told, known):
    table = {"mjd": "t", "band": "b", "flux": "f", "survey": told}
    assert read_form("n.toml", table).survey == known
    with pytest.raises(InputError, match=r"light_curves\.survey is ' '; expected the name of a su"):
        read_form("n.toml", table | {"survey": " "})


def test_codes_of_bands_may_be_written_as_they_come():
    form = DeclaredForm("t", "b", "f", zero_point=31.4, bands={"1.0": "g", "b'r '": "r"})
    table = pa.table({"oid": [1] * 3, "t": [1.0] * 3, "f": [1.0] * 3, "b": ["1.0", "1", "r"]})
    files = in_memory(table, names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert batch.light_curves.band.tolist() == [1, 1, 2]

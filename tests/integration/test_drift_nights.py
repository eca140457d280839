"""Nights of real objects, and the same ones after something went wrong with them."""

import csv
import logging

import numpy as np
import pyarrow as pa
import pytest

from lcclassify.batch import Batch
from lcclassify.convert import write_forest
from lcclassify.legacy import read_forest
from lcclassify.predictors import load_predictor
from lcclassify.ranges import of_matrix
from lcclassify.stream.guard import Guard
from lcclassify.stream.message import Work
from lcclassify.stream.report import Counts, Report
from lcclassify.stream.settings import Drift
from lcclassify.tally import Tallier

COLOURS = ["W1-W2", "W2-W3", "g-W2", "g-W3", "r-W2", "r-W3"]
CARD = {"name": "ztf", "version": "1", "licence": "none", "citation": "none"}
NIGHT, BATCH, WINDOW = 6000, 500, 2000


@pytest.fixture(scope="module")
def objects(shared):
    """Real ZTF objects. (221, 178) float64, and the names of their features"""
    with (shared / "data" / "ztf" / "features_221.csv").open() as file:
        header, *rows = csv.reader(file)
    names = [name for name in header if name not in ("oid", "")]
    columns = [header.index(name) for name in names]
    values = [[float(row[n]) if row[n] else np.nan for n in columns] for row in rows]
    return np.array(values), names


@pytest.fixture(scope="module")
def predictor(objects, golden, tmp_path_factory):
    """ALeRCE's forests, with a card made from every other one of the objects."""
    values, names = objects
    published = read_forest(golden / "ztf_hrf_1.1")
    known = of_matrix(values[::2][:, [names.index(name) for name in published.features]])

    def write(name, **card):
        path = tmp_path_factory.mktemp("nights") / name
        told = CARD | card
        bundle = write_forest(path, published.forest, published.features, told, known)
        return load_predictor(bundle, min_coverage=1.0)

    first = write("first")
    answers = Tallier(first.bundle)(answer(first, values[::2], names))
    shares = {name: answers.classes.get(name, 0) for name in first.bundle.taxonomy.classes}
    total = sum(shares.values())
    return write("second", class_shares={name: n / total for name, n in shares.items()})


def answer(predictor, values, names):
    table = pa.table(dict(zip(names, values.T, strict=True)))
    ids = pa.array([str(n) for n in range(len(values))])
    return predictor.predict(Batch(ids, "oid", table))


@pytest.fixture
def night(objects, predictor, caplog, monkeypatch):
    """Streams a night; what was told of drift, and after how many objects the first of it."""
    monkeypatch.setattr(logging.getLogger("lcclassify.stream"), "propagate", True)
    values, names = objects

    def stream(seed, of=values[1::2], change=lambda values: values, after=0):
        rows = of[np.random.default_rng(seed).integers(len(of), size=NIGHT)]
        rows[after:] = change(rows[after:].copy())
        guard, tallier = Guard(Drift(window=WINDOW)), Tallier(predictor.bundle)
        caplog.clear()
        first = None
        for start in range(0, NIGHT, BATCH):
            tally = tallier(answer(predictor, rows[start : start + BATCH], names))
            guard.delivered(Report([], Work(tally=tally), Counts(), {}, 0.0, {}))
            if first is None and caplog.records:
                first = start + BATCH
        guard.end()
        return [record.getMessage() for record in caplog.records], first

    return stream


def columns(objects, *wanted):
    return [objects[1].index(name) for name in wanted]


@pytest.mark.parametrize("seed", range(20))
def test_a_night_of_normal_input_raises_nothing(night, seed):
    """Of objects that the card has not seen."""
    assert night(seed) == ([], None)


@pytest.mark.parametrize("after", [0, 500, 1500, 2500])
def test_colours_that_go_missing_are_caught_within_one_window(night, objects, after):
    """The WISE incident: all colours null from some feature version on, for months."""

    def without_wise(values):
        values[:, columns(objects, *COLOURS)] = np.nan
        return values

    told, first = night(1, change=without_wise, after=after)
    assert after < first <= after + WINDOW
    for name in COLOURS:
        [line] = [line for line in told if line.startswith(f"drift: {name} is missing in ")]
        assert "in training (window" in line


def test_magnitudes_that_come_as_fluxes_are_caught(night, objects):
    names = columns(objects, "last_diffmaglim_before_fid_1", "last_diffmaglim_before_fid_2")

    def in_flux(values):
        values[:, names] = 10 ** (-0.4 * (values[:, names] - 23.9))
        return values

    told, first = night(2, change=in_flux, after=1000)
    assert 1000 < first <= 1000 + WINDOW
    assert [
        line for line in told if line.startswith("drift: last_diffmaglim_before_fid_1 is outside ")
    ]


def test_times_that_count_from_another_day_are_caught(night, objects):
    """A single feature in another unit: its period in hours."""

    def in_hours(values):
        values[:, columns(objects, "PPE")] *= 24
        return values

    told, first = night(3, change=in_hours, after=1000)
    assert 1000 < first <= 1000 + WINDOW
    assert all(line.startswith("drift: PPE is outside ") for line in told)


def test_answers_that_become_one_class_are_caught(night, objects, predictor):
    """Nothing is missing nor out of its range: all objects look like one of them."""
    values = objects[0]
    told, first = night(4, change=lambda rows: np.tile(values[0], (len(rows), 1)), after=1000)
    assert 1000 < first <= 1000 + WINDOW
    assert [line for line in told if "of the answers are of other classes than in" in line]

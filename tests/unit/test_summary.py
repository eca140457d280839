import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.remarks import Kind, Remark
from lcclassify.sources.ids import id_remarks
from lcclassify.status import Problem, Status
from lcclassify.summary import Summary, count_repeated
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

TREE = Taxonomy.from_children(["A", "B"], {})
INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.lists(st.one_of(st.integers(0, 9), INT64), max_size=50), min_size=1, max_size=9))
def test_repeats_are_counted_across_parts(parts):
    arrays = [np.sort(np.array(part, np.int64)) for part in parts]
    ids = [number for part in parts for number in part]
    assert count_repeated(arrays) == len(ids) - len(set(ids))


def test_many_parts_of_numbers_in_order():
    parts = [np.arange(n * 1000, n * 1000 + 1001) for n in range(40)]
    assert count_repeated(parts) == 39


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=20), st.integers(0, 20)
)
def test_parts_together_are_the_whole(rows, cut):
    def summary(rows):
        bad = {
            n: Problem(Status.INVALID_RECORD, "x") for n, (_, broken) in enumerate(rows) if broken
        }
        counted = Summary(
            left_out=Counter({"no answer": len(bad)}), unmatched=Counter({"t": len(rows)})
        )
        counted.add(make_prediction(TREE, [[0.2, 0.8]] * len(rows), bad, [i for i, _ in rows]))
        return counted

    whole, parts = summary(rows), [summary(rows[:cut]), summary(rows[cut:])]
    n_repeated = count_repeated([part.ids for part in parts])
    assert Summary.of([part.as_dict() for part in parts], n_repeated).as_dict() == whole.as_dict()


def test_an_id_has_the_same_hash_in_every_process():
    code = """
from lcclassify.summary import Summary
from lcclassify.testing import make_prediction
from lcclassify.taxonomy import Taxonomy
summary = Summary()
summary.add(make_prediction(Taxonomy.from_children(["A"], {}), [[1.0]], ids=["ZTF1"]))
print(summary.ids[0])
"""
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12)


@given(ROWS, st.integers(0, 12), st.integers(0, 12))
def test_rounded_ids_that_come_again_are_said_to_collide(rows, cut, other):
    def summary(rows):
        counted = Summary()
        plain = make_prediction(TREE, [[0.2, 0.8]] * len(rows), ids=[id_ for id_, _ in rows])
        rounded = np.array([is_rounded for _, is_rounded in rows], bool)
        batch = replace(plain.batch, rounded=rounded)
        counted.add(replace(plain, batch=replace(batch, remarks=id_remarks(batch))))
        return counted

    low, high = sorted((cut, other))
    parts = [summary(rows[start:stop]) for start, stop in ((0, low), (low, high), (high, None))]
    ids = [id_ for id_, is_rounded in rows if is_rounded]
    wanted = {Kind.ROUNDED_ID: len(ids), Kind.COLLIDING_ID: len(ids) - len(set(ids))}
    wanted = {Remark(kind, "oid"): count for kind, count in wanted.items() if count}
    assert summary(rows).remarks == wanted
    counts = (
        count_repeated([part.ids for part in parts]),
        count_repeated([part.rounded_ids for part in parts]),
    )
    together = Summary.of([part.as_dict() for part in parts], *counts, "oid")
    assert together.remarks == wanted
    assert together.as_dict() == summary(rows).as_dict()

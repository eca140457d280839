import pytest

from lcclassify.pipeline import run
from lcclassify.schemas.flat import flat_schema
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import ListSink, ListSource, make_batch, make_prediction

TREE = Taxonomy.from_children(["A", "B"], {})


class Constant:
    """Answers A for every object without a problem."""

    def predict(self, batch):
        rows = [[0.75, 0.25]] * len(batch)
        return make_prediction(TREE, rows, dict(batch.problems), batch.object_id.to_pylist())


def test_every_row_arrives_and_is_counted():
    problem = {0: Problem(Status.INVALID_RECORD, "broken")}
    source = ListSource([make_batch({"x": [1, 2]}), make_batch({"x": [3, 4, 5]}, problems=problem)])
    sink, seen = ListSink(), []
    summary = run(source, Constant(), flat_schema(), [sink], seen.append)
    assert [row["class"] for row in sink.rows] == ["A", "A", None, "A", "A"]
    assert summary.as_dict() == {
        "objects": 5,
        "observed": 0,
        "repeated_ids": 2,  # both batches have an a and a b
        "statuses": {"ok": 4, "invalid_record": 1},
        "classes": {"A": 4},
        "missing": {},
        "outside": {},
        "unmatched": {},
        "unmatched_examples": {},
        "left_out": {},
        "remarks": {},
    }
    assert seen == [2, 3]
    assert source.n_committed == 2


def test_nothing_is_committed_that_was_not_delivered():
    class Broken(ListSink):
        def flush(self):
            if self._pending and len(self.rows) >= 2:
                raise OSError("full")
            super().flush()

    source, sink = ListSource([make_batch({"x": [1, 2]})] * 3), Broken()
    with pytest.raises(OSError, match="full"):
        run(source, Constant(), flat_schema(), [sink])
    assert (source.n_yielded, source.n_committed, len(sink.rows)) == (2, 1, 2)


def test_all_sinks_get_all_rows():
    sinks = [ListSink(), ListSink()]
    run(ListSource([make_batch({"x": [1]})]), Constant(), flat_schema(top=1), sinks)
    assert sinks[0].rows == sinks[1].rows
    assert len(sinks[0].rows) == 1


def test_ids_that_are_null_are_not_repeats():
    source = ListSource([make_batch({"x": [1, 2]}, ids=[None, None])])
    assert run(source, Constant(), flat_schema(), []).n_repeated == 0

"""The table of metrics, and the documentation that is made from it."""

import re
from pathlib import Path

import pytest

from lcclassify.stream.operation.table import metrics

DOCS = Path(__file__).parents[4] / "docs" / "operation.md"
OF_THE_REFERENCE = ("consumed_messages", "processed_messages", "execution_time")


def test_the_references_names_are_summaries_without_labels():
    kept = [metrics()[name] for name in OF_THE_REFERENCE]
    assert [(metric.kind, metric.labels) for metric in kept] == [("summary", ())] * 3


@pytest.mark.parametrize("metric", metrics().values(), ids=lambda metric: metric.name)
def test_names_follow_the_rules_of_prometheus(metric):
    assert metric.name in OF_THE_REFERENCE or re.fullmatch("lcclassify(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert (metric.shared != "") == (metric.kind == "gauge")
    assert (metric.buckets != ()) == (metric.kind == "histogram")
    assert metric.buckets == tuple(sorted(metric.buckets))
    assert metric.help[-1] not in ".;"


def test_the_documentation_has_the_table():
    """As it is here: print it with this test when it fails."""
    lines = ["| metric | kind | labels | |", "|---|---|---|---|"]
    lines += [
        f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.help}. |" for m in metrics().values()
    ]
    assert "\n".join(lines) in DOCS.read_text("utf-8")

"""A bundle that contradicts itself is one line, or gives the right answers all the same."""

import pytest
from watched import run_watched, tell

BUDGETS_S = pytest.mark.parametrize("budget_s", [6, pytest.param(240, marks=pytest.mark.long)])


@BUDGETS_S
@pytest.mark.parametrize("family", ["forest", "beside", "in front", "none"])
def test_bundles_that_contradict_themselves(tmp_path, family, budget_s, record_property, capsys):
    counts = run_watched("bundle_mutants.py", family, budget_s=budget_s, folder=tmp_path)
    tell(counts, f"bundles, {family}", record_property, capsys)
    assert {"refused", "answered"} <= counts.keys()

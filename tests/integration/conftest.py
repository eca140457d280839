from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of golden files and real data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder of golden files (shared, beside the checkout) is not there")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared):
    return shared / "golden" / "forests"

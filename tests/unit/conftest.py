import pytest

from lcclassify.convert import write_forest
from lcclassify.testing import TOY_CLASSES as CHILDREN
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_forest

CARD = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}


@pytest.fixture(scope="session")
def forest():
    return make_forest(FEATURES, CHILDREN)


@pytest.fixture(scope="session")
def make_model(forest):
    """Writes a small bundle: make_model(path, name=..., version=..., features=...)."""

    def make(path, features=FEATURES, **card):
        made = forest if features == FEATURES else make_forest(features, CHILDREN)
        return write_forest(path, made, features, CARD | card)

    return make


@pytest.fixture
def model(tmp_path, make_model):
    return make_model(tmp_path / "toy")

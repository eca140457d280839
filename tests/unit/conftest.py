import pytest

from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.testing import make_transformer


@pytest.fixture(scope="module")
def forest_path(tmp_path_factory, make_model):
    """A small forest of features."""
    return str(make_model(tmp_path_factory.mktemp("models") / "toy").path)


@pytest.fixture(scope="module")
def network_path(tmp_path_factory):
    """A small network of light curves alone."""
    card = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
    network = make_transformer((), network_classes(19), table="none")
    return str(write_transformer(tmp_path_factory.mktemp("models") / "net", network, card).path)

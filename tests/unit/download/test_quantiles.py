"""A network that is one file, with its quantiles named apart, as the environment does."""

import shutil

import pytest

from lcclassify.commands.options import quantile_places
from lcclassify.download.catalogue import read_catalogue
from lcclassify.download.wanted import want_url
from lcclassify.errors import ModelError
from lcclassify.resolve import resolve_model
from lcclassify.store import _side_by_side


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a" / "qt").mkdir(parents=True)
    for name in ("EncoderFeat.pt", "qt/norm_MWEBV.joblib", "md_fold_0.joblib"):
        (tmp_path / "a" / name).write_text(name)
    return tmp_path / "a"


def test_a_network_and_its_quantiles_are_put_side_by_side(files):
    places = quantile_places(str(files / "qt"), str(files / "qt"))
    with _side_by_side(files / "EncoderFeat.pt", places) as folder:
        there = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        shutil.copytree(folder, files / "copy")
    assert there == ["EncoderFeat.pt", "FeatNorm1QT", "HeaderNorm1QT"]
    assert (files / "copy" / "FeatNorm1QT" / "norm_MWEBV.joblib").is_file()


def test_quantiles_in_one_file_keep_its_name(files):
    places = quantile_places(str(files / "md_fold_0.joblib"), None)
    with _side_by_side(files / "EncoderFeat.pt", places) as folder:
        assert sorted(path.name for path in folder.iterdir()) == [
            "EncoderFeat.pt",
            "md_fold_0.joblib",
        ]


def test_quantiles_that_are_not_there_are_one_sentence(files):
    with pytest.raises(ModelError) as error:
        resolve_model(str(files / "EncoderFeat.pt"), quantiles={"HeaderNorm1QT": "nowhere"})
    assert str(error.value) == "nowhere has no quantiles: there is no such file or folder"


def test_quantiles_of_a_forest_are_not_looked_at(model):
    assert resolve_model(str(model.path), quantiles={"HeaderNorm1QT": "nowhere"}).name == "toy"


def test_quantiles_at_a_url_concern_models_of_one_file_alone(model):
    for name in (str(model.path), "plasticc"):
        there = resolve_model(name, quantiles={"HeaderNorm1QT": "https://h/q/"}, offline=True)
        assert there.name == ("plasticc" if name == "plasticc" else "toy")


def test_urls_of_a_network_and_its_quantiles_are_one_model():
    places = quantile_places("https://h/q/HeaderNorm1QT/", "https://h/q/FeatNorm1QT/")
    wanted = want_url(read_catalogue(), "https://h/m/EncoderFeat.pt", places)
    assert wanted.asked == (
        "https://h/m/EncoderFeat.pt https://h/q/HeaderNorm1QT/ https://h/q/FeatNorm1QT/"
    )
    assert [part.folder for part in wanted.parts] == ["", "HeaderNorm1QT/", "FeatNorm1QT/"]
    assert [len(part.addresses[0].files) for part in wanted.parts] == [1, 64, 429]

import shutil

import pytest

from lcclassify.bundle import open_bundle
from lcclassify.errors import InputError, ModelError
from lcclassify.guess import guess_model
from lcclassify.resolve import resolve_model
from lcclassify.store import install, list_models
from lcclassify.testing import TOY_FEATURES as FEATURES


def labels():
    return [(model.bundle.label, model.origin) for model in list_models()[0]]


def test_the_embedded_model_is_at_hand():
    assert ("plasticc@1.0.0", "embedded") in labels()
    assert resolve_model("plasticc").label == "plasticc@1.0.0"


def test_an_installed_model_is_found_by_name_and_version(model):
    installed = install(model.path)
    shutil.rmtree(model.path)
    assert ("toy@1.0", "installed") in labels()
    assert resolve_model("toy").digest == resolve_model("toy@1.0").digest == installed.digest


def test_installing_twice_is_installing_once(model):
    assert install(model.path).path == install(model.path).path


def test_another_model_of_the_same_name_and_version_is_refused(model, make_model, tmp_path):
    install(model.path)
    other = make_model(tmp_path / "other", description="another")
    with pytest.raises(ModelError, match="another toy@1.0 is installed: "):
        install(other.path)


def test_a_name_with_two_versions_is_ambiguous(model, make_model, tmp_path):
    install(model.path)
    install(make_model(tmp_path / "newer", version="1.1").path)
    with pytest.raises(ModelError) as error:
        resolve_model("toy")
    assert str(error.value) == "'toy' is ambiguous; name one of toy@1.0, toy@1.1"
    assert resolve_model("toy@1.1").version == "1.1"


def test_an_unknown_name_lists_what_is_there():
    with pytest.raises(ModelError) as error:
        resolve_model("balto")
    assert str(error.value) == (
        "there is no model 'balto': no installed or embedded model has that name (there are: "
        "plasticc@1.0.0) and no file or folder either; to fetch it: lcclassify download-model balto"
    )
    with pytest.raises(ModelError, match="no file or folder either$"):
        resolve_model("bolto")


def test_a_path_is_a_model_too(model):
    assert resolve_model(str(model.path)).digest == model.digest


def test_a_damaged_installed_model_hides_no_other(model, make_model, tmp_path):
    installed = install(model.path)
    (installed.path / "manifest.toml").write_text("")
    found, broken = list_models()
    assert [entry.bundle.label for entry in found] == ["plasticc@1.0.0"]
    assert len(broken) == 1
    assert "manifest.toml was changed or damaged" in broken[0]
    with pytest.raises(ModelError, match="was changed or damaged"):
        resolve_model("toy")


def test_the_most_demanding_model_that_fits_is_guessed(model, make_model, tmp_path):
    install(model.path)
    install(make_model(tmp_path / "small", ("Amplitude_1", "rb"), name="small").path)
    columns = ["oid", "Amplitude_1", "PPE_12", "W1_W2", "rb", "other"]
    assert guess_model(columns).name == "toy"
    assert guess_model([*columns[:2], "rb"]).name == "small"


def test_a_tie_is_an_error_that_names_both(model, make_model, tmp_path):
    install(model.path)
    install(make_model(tmp_path / "twin", name="twin").path)
    with pytest.raises(InputError) as error:
        guess_model(FEATURES)
    assert str(error.value) == (
        "these models fit the input equally well: toy@1.0, twin@1.0; name one by --model"
    )


def test_no_model_that_fits_is_an_error_with_every_coverage(model):
    install(model.path)
    with pytest.raises(InputError) as error:
        guess_model(["oid", "rb"])
    assert str(error.value).startswith(
        "no model at hand has all its features in the input: toy@1.0 (1 of 4 features), "
        "plasticc@1.0.0 (0 of "
    )


def test_an_installed_model_is_a_copy(model):
    installed = install(model.path)
    assert installed.path != model.path
    assert open_bundle(installed.path).digest == model.digest

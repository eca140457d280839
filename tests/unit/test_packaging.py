"""What the project says of itself in several places agrees."""

import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import metadata, requires
from importlib.resources import files
from pathlib import Path

import lcclassify

ROOT = Path(__file__).parents[2]
EXTRAS = {"torch", "kafka", "pandas", "sql", "astro", "dask", "spark", "train", "all", "dev"} | {
    *("ztf", "toretto", "barney", "balto", "messi", "elasticc")
}


def pins(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_extras_are_those_of_the_documentation():
    assert set(metadata("lcclassify").get_all("Provides-Extra")) == EXTRAS


def test_every_dependency_has_a_range_with_both_ends():
    for requirement in requires("lcclassify"):
        name, _, _ = requirement.partition(";")
        if "lcclassify[" not in name:
            assert ">=" in name or "==" in name, requirement
            assert "<" in name or "==" in name, requirement


def test_the_pinned_exports_hold_the_base_install_and_agree_with_the_constraints():
    base = [line for line in requires("lcclassify") if "extra ==" not in line]
    base_names = {normal(re.match(r"[\w.-]+", line)[0]) for line in base}
    constraints = {normal(name): version for name, version in pins("constraints.txt").items()}
    assert constraints["torch"] == "2.13.0"
    for name in ("requirements_ztf.txt", "requirements_elasticc.txt"):
        pinned = pins(name)
        assert base_names <= set(pinned), name
        both = pinned.keys() & constraints.keys()
        assert {key: pinned[key] for key in both} == {key: constraints[key] for key in both}
        assert "confluent-kafka" in pinned, name
    assert "torch" in pins("requirements_elasticc.txt")


def test_the_pins_for_spark_are_the_constraints_but_for_pandas():
    pinned, constraints = pins("tests/environments/spark.txt"), pins("constraints.txt")
    both = pinned.keys() & constraints.keys()
    assert {name for name in both if pinned[name] != constraints[name]} == {"pandas"}
    assert pinned["pandas"] < "3" <= constraints["pandas"]
    assert {"pyspark", "pyarrow", "numpy", "torch"} <= pinned.keys()


def test_all_extras_together_need_no_two_versions_of_pandas():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert not [line for line in (*extras["all"], *extras["dev"]) if "spark" in line]


def test_the_changelog_knows_this_version():
    assert f"## {lcclassify.__version__} " in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_package_carries_its_data():
    package = files("lcclassify")
    catalogue = ("aliases.csv", "header.csv", "messi_features.csv", "models.toml")
    config = ("settings.toml", "classes.csv")
    for name in (
        "py.typed",
        "legacy/classes.csv",
        "stream/operation/metrics.csv",
        *(f"stream/config/{name}" for name in config),
        *(f"catalogue/{name}" for name in catalogue),
    ):
        assert (package / name).is_file(), name


def test_a_source_distribution_has_what_its_tests_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    texts = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = {name for text in texts for name in re.findall(r'ROOT / "([\w.-]+)', text)}
    named |= {".ci", ".github", "Makefile"}  # which what is named goes on to
    alone = {"pyproject.toml"}  # comes by itself
    missing = {n for n in named - alone if not any(fnmatch(f"/{n}", one) for one in included)}
    assert "docker-compose.yml" in named
    assert missing == set()


def test_the_embedded_model_is_small_and_scores_what_was_asked():
    folder = Path(str(files("lcclassify") / "models" / "plasticc"))
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    card = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    assert card["scores"]["cross_validation"]["macro_f1"] >= 0.66
    assert len(card["scores"]["cross_validation"]["per_class"]) == 13

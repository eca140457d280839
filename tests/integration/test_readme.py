"""README and docs are true: their commands are run, in the order in which they stand."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fastavro
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = (
    "README",
    "docs/models",
    "docs/files",
    "docs/light-curves",
    "docs/scale",
    "docs/schemas",
    "docs/stream",
    "docs/settings",
    "docs/dead-letters",
    "docs/operation",
    "docs/speed",
    "docs/deploy",
)
DOCUMENTS = {page: (ROOT / f"{page}.md").read_text("utf-8") for page in PAGES}
ALL = "\n".join(DOCUMENTS.values())
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PUBLISHED = {
    "hierarchical_level_RF_model.pkl": ["Periodic", "Stochastic", "Transient"],
    "periodic_level_RF_model.pkl": ["CEP", "DSCT", "E", "LPV", "Periodic-Other", "RRL"],
    "stochastic_level_RF_model.pkl": ["AGN", "Blazar", "CV/Nova", "QSO", "YSO"],
    "transient_level_RF_model.pkl": ["SLSN", "SNII", "SNIa", "SNIbc"],
}
CODES = {"$": 0, "1$": 1, "3$": 3, "4$": 4, "5$": 5, "8$": 8}  # "3$" in the README: it ends with 3


def write_published_forest(folder):
    """A small forest in the files that the ZTF model 1.0.1 is published as."""
    folder.mkdir()
    (folder / "features_RF_model.pkl").write_bytes(pickle.dumps(["Amplitude_1", "rb"]))
    for name, classes in PUBLISHED.items():
        values = np.random.default_rng(0).normal(size=(10 * len(classes), 2))
        forest = RandomForestClassifier(3, random_state=0).fit(values, classes * 10)
        (folder / name).write_bytes(pickle.dumps(forest))


def write_messages(path):
    """Two messages of the feature step, with the features of that forest."""
    features = {"type": "map", "values": ["double", "null"]}
    fields = [("oid", "string"), ("features", ["null", features])]
    fields = [{"name": name, "type": kind} for name, kind in fields]
    schema = fastavro.parse_schema({"type": "record", "name": "message", "fields": fields})
    records = [{"oid": oid, "features": {"Amplitude_1": 0.5, "rb": None}} for oid in ("a", "b")]
    with path.open("wb") as file:
        fastavro.writer(file, schema, records)


def commands(text):
    for block in CONSOLE.findall(text):
        for line in block.splitlines():
            prompt, _, command = line.partition(" ")
            if prompt in CODES:
                yield CODES[prompt], command


def test_there_are_commands_of_every_kind():
    run = {command.split()[1] for _, command in commands(ALL) if command.startswith("lcclass")}
    assert {"classify-file", "validate-schema", "convert-model", "models"} <= run


def test_every_command_ends_as_it_says(tmp_path, make_network):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    write_published_forest(tmp_path / "hierarchical_rf_1.0.1")
    write_messages(tmp_path / "messages.avro")
    make_network(name="balto_published")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for code, command in commands(ALL):
        if command.startswith(("make ", "pip ", "git ", "cd ")):
            continue  # a fresh clone and a network: what set-up and CI do
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True
        )
        assert done.returncode == code, f"{command}\n{done.stderr.decode()}"


def test_the_set_up_commands_are_targets_of_the_makefile():
    targets = re.findall(r"^(\S+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = [command.split()[1] for _, command in commands(README) if command.startswith("make ")]
    assert named
    assert set(named) <= set(targets)


def test_the_table_of_exit_codes_is_the_code(tmp_path):
    from lcclassify import errors

    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert {0, 1, 2, 130, 141, 143} <= codes
    ours = [error for error in vars(errors).values() if isinstance(error, type)]
    assert {error.exit_code for error in ours} <= codes


def test_every_page_is_named_in_the_readme_and_is_here():
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages == set(re.findall(r"\]\((docs/[\w-]+\.md)\)", README))
    assert pages == {f"{page}.md" for page in PAGES if page.startswith("docs/")}


@pytest.mark.parametrize(
    "name", [*(f"{page}.md" for page in PAGES), "CONTRIBUTING.md", "CHANGELOG.md", "DECISIONS.md"]
)
def test_documents_name_files_that_exist(name):
    text = (ROOT / name).read_text("utf-8")
    paths = re.findall(r"`((?:lcclassify|tests|training|benchmarks|examples)/[\w./-]+)`", text)
    missing = [path for path in paths if path.isupper() is False and not (ROOT / path).exists()]
    assert [path for path in missing if not re.search(r"[A-Z]{4,}", path)] == []


def test_the_python_of_the_readme_runs(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True, capture_output=True)


APART = {
    "stream.py",  # needs a broker: tests/integration/stream/test_example.py runs it
    "slurm_jobqueue.py",  # needs SLURM; docs/scale.md says what was tried
}
EXAMPLES = {path.name for path in (ROOT / "examples").glob("*.py")} - APART


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_run(name, tmp_path):
    arguments = []
    if name == "compare_with_truth.py":
        result = str(tmp_path / "classes.csv")
        argv = [sys.executable, "-m", "lcclassify", "classify-file", "--quiet", "--to", result]
        subprocess.run([*argv, str(ROOT / "examples" / "plasticc_features.parquet")], check=True)
        arguments = [result, str(ROOT / "examples" / "plasticc_truth.csv")]
    argv = [sys.executable, str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout


def anchors(text):
    """Of the headings of a page, as they are linked to."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    n_links = 0
    for page in pages:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), (page.name, link)
            assert not anchor or anchor in anchors(target.read_text()), (page.name, link)
            n_links += 1
    assert n_links > 25

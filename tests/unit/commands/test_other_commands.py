import json
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.main

import lcclassify
from lcclassify.bundle import Range
from lcclassify.cli import app, main
from lcclassify.convert import write_forest
from lcclassify.ranges import NOTHING, Known
from lcclassify.resolve import resolve_model
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES

DOUBLE = {"type": "double"}


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in argv])
    return stop.value.code


@pytest.fixture
def features(tmp_path):
    path = tmp_path / "features.parquet"
    table = pa.table(
        {
            "oid": ["a"],
            "Amplitude_1": [1.5],
            "PPE_12": [1],
            "W1-W2": ["text"],
            "when": pa.array([0], pa.timestamp("ms")),
        }
    )
    pq.write_table(table, path)
    return path


def test_validate_schema_says_column_by_column_what_is_there(features, model, capsys):
    assert run("validate-schema", features, "--model", model.path, "--json") == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "model": "toy@1.0",
        "satisfied": False,
        "id": "oid",
        "columns": [
            {
                "feature": "Amplitude_1",
                "state": "present",
                "column": "Amplitude_1",
                "type": "double",
            },
            {"feature": "PPE", "state": "alias", "column": "PPE_12", "type": "int64"},
            {"feature": "W1-W2", "state": "wrong type", "column": "W1-W2", "type": "string"},
            {"feature": "rb", "state": "missing", "column": None, "type": None},
            {"feature": None, "state": "extra", "column": "when", "type": "timestamp[ms]"},
        ],
        "schemas": [
            {
                "files": [str(features)],
                "schema": None,
                "fit": "none",
                "effect": "none",
                "differences": [],
            }
        ],
    }


def test_validate_schema_for_people(features, model, capsys):
    assert run("validate-schema", features, "--model", model.path) == 1
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()][1:3] == [
        ["Amplitude_1", "present", "Amplitude_1", "double"],
        ["PPE", "alias", "PPE_12", "int64"],
    ]
    assert err == (
        "toy@1.0: NOT satisfied (1 present, 1 alias, 1 wrong type, 1 missing, 1 extra); "
        "object id: oid\n"
    )


def test_a_satisfied_schema_ends_with_zero(model, tmp_path, capsys):
    table = pa.table({"oid": ["a"]} | {feature.name: [0.5] for feature in model.features})
    pq.write_table(table, tmp_path / "f.parquet")
    assert run("validate-schema", tmp_path / "f.parquet", "--model", model.path) == 0
    assert capsys.readouterr().err == "toy@1.0: satisfied (4 present); object id: oid\n"


def test_models_lists_what_is_at_hand(model, capsys):
    install(model.path)
    assert run("models", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["origin"]) for row in rows] == [
        ("plasticc", "embedded"),
        ("toy", "installed"),
    ]
    assert rows[1]["digest"] == model.digest
    assert rows[1]["features"] == ["Amplitude_1", "PPE", "W1-W2", "rb"]
    assert run("models") == 0
    assert "toy@1.0" in capsys.readouterr().out


def test_models_names_a_damaged_one_and_lists_the_others(model, capsys):
    installed = install(model.path)
    (installed.path / "forest0_nodes.npy").write_bytes(b"")
    assert run("models") == 0
    out, err = capsys.readouterr()
    assert "plasticc@1.0.0" in out
    assert "toy" not in out
    assert "forest0_nodes.npy was changed or damaged" in err


def test_models_show_prints_the_card(model, capsys):
    assert run("models", "show", model.path) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"toy@1.0 {model.digest}\n")
    assert "licence: MIT" in out
    assert re.search(r"PPE +Period_fit, PPE_12", out)
    assert run("models", "show", model.path, "--json") == 0
    card = json.loads(capsys.readouterr().out)
    assert card["licence"] == "MIT"
    assert card["classes"] == ["SNIa", "SNII", "CEP", "RRL", "EB"]


def test_models_show_prints_what_is_known_of_the_values(tmp_path, forest, capsys):
    card = {"name": "toy", "version": "1"}
    known = [Known(0.25, Range(-1.5, 2.0, 0.002)), Known(None, Range(0.0, 0.1)), NOTHING, NOTHING]
    write_forest(tmp_path / "toy", forest, TOY_FEATURES, card, known)
    assert run("models", "show", tmp_path / "toy") == 0
    out = capsys.readouterr().out
    assert re.search(r"Amplitude_1 .*25\.0 % +-1\.5 to 2 *\n", out)
    assert re.search(r"PPE +Period_fit, PPE_12 +0 to 0\.1 *\n", out)


def test_models_verify(model, capsys):
    assert run("models", "verify", model.path) == 0
    assert capsys.readouterr().out.startswith("toy@1.0 (")
    (model.path / "forest0_nodes.npy").write_bytes(b"")
    assert run("models", "verify", model.path) == 4
    assert "forest0_nodes.npy was changed or damaged" in capsys.readouterr().err


def test_models_install(model, capsys):
    assert run("models", "install", model.path) == 0
    assert run("models", "show", "toy") == 0
    assert run("models", "install", "nowhere") == 4


def test_convert_model_refuses_what_is_none(tmp_path, capsys):
    assert run("convert-model", tmp_path, tmp_path / "out") == 4
    assert capsys.readouterr().err.startswith("lcclassify: ")
    assert list(tmp_path.iterdir()) == []


def test_convert_model_takes_networks_with_options(make_network, tmp_path, capsys):
    source = make_network()
    quantiles = source / "HeaderNorm1QT"
    moved = quantiles.rename(tmp_path / "quantiles")
    assert run("convert-model", source / "state.pth", tmp_path / "bundle") == 4
    assert "name their file or folders with --quantiles" in capsys.readouterr().err
    options = ["--quantiles", moved, "--heads", 2, "--t-max", 900, "--zero-point", 27.5]
    assert run("convert-model", source / "state.pth", tmp_path / "bundle", *options) == 0
    assert run("models", "install", tmp_path / "bundle") == 0
    capsys.readouterr()
    assert run("models", "show", "balto") == 0
    card = capsys.readouterr().out
    assert "network.heads: 2\n" in card
    assert "network.t_max: 900.0\n" in card
    assert "light_curve.zero_point: 27.5\n" in card
    assert "provenance.assumed: ['table_heads']\n" in card
    assert "head.norm" not in card


def commands(group, prefix=()):
    for name, command in group.commands.items():
        yield (*prefix, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))


@pytest.mark.parametrize(
    ("path", "command"), list(commands(typer.main.get_command(app))), ids=lambda x: str(x)[:40]
)
def test_every_command_has_help_an_example_and_a_word_for_each_option(path, command, capsys):
    assert run(*path, "--help") == 0
    assert capsys.readouterr().out
    assert f"Example: lcclassify {' '.join(path)}" in " ".join(command.help.split())
    assert [param.name for param in command.params if not getattr(param, "help", "")] == []


def test_the_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"lcclassify {lcclassify.__version__}\n"


def test_help_loads_none_of_the_heavy_packages():
    code = (
        "import sys; from lcclassify.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('numpy', 'pyarrow', 'numba', 'pandas', 'torch', 'httpx')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_lcclassify_is_the_command():
    argv = [sys.executable, "-m", "lcclassify", "--version"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout.startswith(b"lcclassify ")


def test_nothing_in_a_file_or_a_card_is_taken_for_markup(make_model, tmp_path, capsys):
    features = ("flux[g]", "[/x]")
    model = make_model(tmp_path / "odd", features=features, description="[b]:smile:[/c]")
    pq.write_table(pa.table({"oid": ["a"], "flux[g]": [0.5], "[/y]": [1]}), tmp_path / "f.parquet")
    assert run("validate-schema", tmp_path / "f.parquet", "--model", model.path) == 1
    out = capsys.readouterr().out
    assert all(name in out for name in ("flux[g]", "[/x]", "[/y]"))
    install(model.path)
    for command in (["models"], ["models", "show", "toy"]):
        assert run(*command) == 0
        assert "[b]:smile:[/c]" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("argv", [["models"], ["models", "--json"], ["models", "show", "plasticc"]])
def test_a_reader_that_goes_away_is_code_141_for_any_command(argv):
    command = " ".join([sys.executable, "-m", "lcclassify", *argv])
    script = f"{command} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", f"sleep 0; {script}"], capture_output=True, text=True)
    assert done.stdout.split() in (["141"], ["0"])  # 0: it was done before the reader went
    assert done.stderr == ""


def test_the_embedded_model_can_be_installed_too(capsys):
    assert run("models", "install", resolve_model("plasticc").path) == 0
    assert run("models", "verify", "plasticc") == 0
    assert "is sound: 15 files" in capsys.readouterr().out


def test_a_damaged_installed_model_can_be_installed_again(model):
    installed = install(model.path)
    (installed.path / "forest0_nodes.npy").write_bytes(b"")
    assert run("models", "install", model.path) == 0
    assert run("models", "verify", "toy") == 0


def test_a_cache_that_cannot_be_read_hides_no_embedded_model(model, monkeypatch, capsys):
    monkeypatch.setenv("LCCLASSIFY_CACHE", str(model.path / "manifest.toml" / ("x" * 300)))
    assert run("models", "verify", "plasticc") == 0


@pytest.mark.parametrize("name", ["x" * 300, "", "no/such/model"])
def test_a_model_that_no_path_can_name_is_one_line(name, capsys):
    assert run("models", "show", name) == 4
    assert capsys.readouterr().err.count("\n") == 1

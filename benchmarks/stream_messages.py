"""Messages of ALeRCE's feature step, and a forest of the size of ALeRCE's, made of noise."""

import io
import random
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
from forest import fit

from lcclassify.bundle import ModelBundle
from lcclassify.convert import write_forest
from lcclassify.forest import Forest, HierarchicalForest, Tree

SCHEMAS = files("lcclassify") / "schemas" / "feature_step"
CHILDREN = {
    "Periodic": ("CEP", "DSCT", "E", "LPV", "Periodic-Other", "RRL"),
    "Stochastic": ("AGN", "Blazar", "CV/Nova", "QSO", "YSO"),
    "Transient": ("SLSN", "SNII", "SNIa", "SNIbc"),
}
N_DETECTIONS = 60
CARD = {"name": "noise", "version": "1.0", "licence": "none", "citation": "none"}


def message_schema() -> Any:
    """The writer's schema, with a record of the 178 features that the output has too."""
    schema = fastavro.schema.load_schema(str(SCHEMAS / "feature-step-ztf-178.avsc"))
    for field in features_record(schema)["fields"]:
        if field["name"] == "PPE":  # as the output calls it
            field["name"] = "Period_fit"
    return schema


def features_record(schema: Any) -> Any:
    [features] = (field for field in schema["fields"] if field["name"] == "features")
    [record] = (branch for branch in features["type"] if branch != "null")
    return record


def feature_names(schema: Any) -> list[str]:
    return [field["name"] for field in features_record(schema)["fields"]]


def make_messages(n: int, n_detections: int = N_DETECTIONS, seed: int = 1) -> list[bytes]:
    """Containers of one message each."""
    rng, schema = random.Random(seed), message_schema()
    names = feature_names(schema)
    oids = [f"ZTF18{number:07d}" for number in range(n)]
    return [_container(schema, _message(rng, oid, names, n_detections)) for oid in oids]


def make_bundle(path: Path, n_trees: int) -> ModelBundle:
    """A hierarchy of forests, fitted to noise."""
    names = feature_names(message_schema())
    below = {node: _forest(names, leaves, n_trees) for node, leaves in CHILDREN.items()}
    forest = HierarchicalForest(_forest(names, sorted(CHILDREN), n_trees), below)
    return write_forest(path, forest, names, CARD)


def _forest(names: list[str], classes: Any, n_trees: int) -> Forest:
    trees = (each.tree_ for each in fit(len(classes), n_trees).estimators_)
    arrays = (
        (t.children_left, t.children_right, t.feature, t.threshold, t.value[:, 0]) for t in trees
    )
    return Forest(tuple(classes), tuple(names), [Tree(*parts) for parts in arrays])


def _container(schema: Any, message: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, [message])
    return buffer.getvalue()


def _message(rng: random.Random, oid: str, names: list[str], n_detections: int) -> dict[str, Any]:
    return {
        "oid": oid,
        "candid": [str(rng.getrandbits(60))],
        "detections": [_detection(rng, oid) for _ in range(n_detections)],
        "non_detections": [_non_detection(rng, oid) for _ in range(10)],
        "xmatches": {"allwise": {"W1": 14.1, "W2": 13.9, "name": "J0"}},
        "features": {name: None if rng.random() < 0.1 else rng.gauss(0, 1) for name in names},
    }


def _detection(rng: random.Random, oid: str) -> dict[str, Any]:
    extra: dict[str, Any] = {f"number_{n}": rng.gauss(0, 1) for n in range(12)}
    extra |= {"rbversion": "t17_f5_c3", "nid": 2832, "field": 439, "targetframe": False}
    extra |= {"pdiffimfilename": None, "magtype": "psf", "fid": 1, "tblid": 7}
    return {
        "candid": str(rng.getrandbits(60)),
        "tid": "ztf",
        "aid": None,
        "oid": oid,
        "mjd": rng.uniform(58000, 60000),
        "sid": "ZTF",
        "fid": rng.choice("gri"),
        "pid": rng.getrandbits(40),
        "ra": 129.98,
        "e_ra": 0.07,
        "dec": 55.46,
        "e_dec": 0.06,
        "mag": 100.0 if rng.random() < 0.05 else rng.gauss(19, 1),
        "e_mag": rng.uniform(0.01, 0.2),
        "mag_corr": rng.gauss(19, 1),
        "e_mag_corr": rng.uniform(0.01, 0.2),
        "e_mag_corr_ext": rng.uniform(0.01, 0.2),
        "isdiffpos": rng.choice((-1, 1)),
        "corrected": True,
        "dubious": False,
        "has_stamp": rng.random() < 0.5,
        "stellar": False,
        "forced": rng.random() < 0.5,
        "new": rng.random() < 0.1,
        "parent_candid": None,
        "extra_fields": extra,
    }


def _non_detection(rng: random.Random, oid: str) -> dict[str, Any]:
    return {
        "aid": None,
        "tid": "ztf",
        "sid": "ZTF",
        "oid": oid,
        "mjd": rng.uniform(58000, 60000),
        "fid": rng.choice("gri"),
        "diffmaglim": rng.gauss(20, 0.5),
    }

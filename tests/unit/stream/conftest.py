import io
from importlib.resources import files

import fastavro
import fastavro.schema
import pytest

from lcclassify.convert import write_forest
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, Input, Model, Settings, Side
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output
from lcclassify.testing import TOY_FEATURES, make_forest

CLIENT = Client("nowhere:9092")
SCHEMAS = files("lcclassify") / "schemas" / "feature_step"
ELASTICC = {"Transient": ("Ia", "II"), "Periodic": ("Cepheid", "RR Lyrae", "EB")}


@pytest.fixture(scope="session")
def schema():
    """The writer's schema of messages whose features are a map."""
    return fastavro.schema.load_schema(str(SCHEMAS / "feature-step-map.avsc"))


@pytest.fixture(scope="session")
def make_record():
    """A message as a dict: make_record(oid, features, n_detections)."""

    def make(oid="ZTF1", features=None, n_detections=2, **extra):
        return {
            "oid": oid,
            "candid": ["11"],
            "detections": [_detection(n, oid, extra) for n in range(n_detections)],
            "non_detections": [],
            "xmatches": None,
            "features": dict.fromkeys(TOY_FEATURES, 0.5) if features is None else features,
        }

    return make


def _detection(number, oid, extra):
    numbers = {"mjd": 60000.5 + number, "mag": 19.0, "e_mag": 0.1, "ra": 1.0, "dec": 2.0}
    return numbers | {
        "candid": str(10 + number),
        "tid": "ztf",
        "aid": None,
        "oid": oid,
        "sid": "ZTF",
        "fid": "g",
        "pid": 1,
        "e_ra": 0.1,
        "e_dec": 0.1,
        "mag_corr": None,
        "e_mag_corr": None,
        "e_mag_corr_ext": None,
        "isdiffpos": 1,
        "corrected": False,
        "dubious": False,
        "has_stamp": True,
        "stellar": False,
        "forced": number > 1,
        "new": number == 0,
        "parent_candid": None,
        "extra_fields": extra,
    }


@pytest.fixture(scope="session")
def contain(schema):
    """A message as a container."""

    def write(record, codec="null"):
        buffer = io.BytesIO()
        fastavro.writer(buffer, schema, [record], codec=codec)
        return buffer.getvalue()

    return write


@pytest.fixture(scope="session")
def messages():
    """Values as messages of one partition."""

    def make(values):
        return [Message("in", 0, offset, value) for offset, value in enumerate(values)]

    return make


@pytest.fixture(scope="session")
def toy(tmp_path_factory, make_model):
    return make_model(tmp_path_factory.mktemp("stream") / "toy").path


@pytest.fixture(scope="session")
def toy_elasticc(tmp_path_factory):
    card = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}
    path = tmp_path_factory.mktemp("stream") / "toy"
    return write_forest(path, make_forest(TOY_FEATURES, ELASTICC), TOY_FEATURES, card).path


@pytest.fixture(scope="session")
def make_settings():
    """Settings of a step that answers with a model in a schema."""

    def make(model, schema="alerce", *, to="kafka", scribe="scribe", **rest):
        of_model = {k: rest.pop(k) for k in ("min_coverage", "min_detections") if k in rest}
        of_input = {k: rest.pop(k) for k in ("form", "schema_path", "registry") if k in rest}
        if "schema_path" in of_input:
            of_input["schema"] = of_input.pop("schema_path")
        return Settings(
            input=Input(CLIENT, "g", ("in",), **of_input),
            model=Model(str(model), **of_model),
            output=rest.pop("output", Output(schema=schema)),
            to=to,
            results=CLIENT,
            topics=OneTopic("out"),
            scribe=Side(CLIENT, "commands") if scribe else None,
            scribe_form=scribe or "scribe",
            **rest,
        )

    return make

"""Which model answers, for which survey, and under which name: from options and class names."""

from dataclasses import dataclass

from lcclassify.stream.config.classes import last_part, survey_of
from lcclassify.stream.config.findings import Findings
from lcclassify.stream.config.gather import COMMAND_LINE, ENVIRONMENT, yaml_source
from lcclassify.stream.config.options import table
from lcclassify.stream.config.told import Choice

CLASSES = {  # option -> kinds of classes that it takes
    "model.class": ("model", "predictor"),
    "model.predictor_class": ("predictor", "model"),
    "model.predictor_parser_class": ("predictor parser",),
    "model.mapper_class": ("mapper",),
}
ZTF = "ztf"
SCHEMAS = {ZTF: "alerce", "elasticc": "elasticc-v0_9"}  # of results
ZTF_NAME = "lc_classifier"  # what the reference calls its ZTF forest in results


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What follows from the settings of the model."""

    name: str
    expected: str | None  # the model that classes stand for
    survey: str | None  # None: that of the model, once it is open
    classifier_name: str | None  # None: the model's own
    classifier_version: str | None


def choose_model(choice: Choice, findings: Findings) -> ChosenModel:
    """The model, by --model, or by class, or ztf. What is wrong goes to the findings."""
    classes = [name for name in CLASSES if choice[name]]
    if wins := _option_wins(choice, classes):
        findings.notes += [f"{_ways(name)}: not used, as --model is given" for name in classes]
        classes = []
    expected = _meant(choice, classes, findings)
    name, survey = choice["model.name"], _survey(choice, expected, findings)
    known = name.partition("@")[0] if survey_of(name) else None
    if expected and known and known != expected:
        findings.problems.append(f"{_ways('model.name')}: is {name}, and the class is {expected}'s")
    if not name and not classes and survey != ZTF:
        findings.miss("model.name", "model.class", "model.predictor_class")
    by_reference = choice.source("model.name") in ("", ENVIRONMENT)
    if by_reference and not expected and known in (None, ZTF) and survey == ZTF:
        expected = ZTF if choice["model.stream"] or not name else None
    label = choice["output.classifier_name"]
    if wins and choice.source("output.classifier_name") == yaml_source(choice):
        label = None  # of the class that is not used
    return ChosenModel(
        name=name or expected or ZTF,
        expected=expected,
        survey=survey,
        classifier_name=label or _class_name(choice, classes, expected),
        classifier_version=choice["output.classifier_version"]
        or _version(choice, expected, findings),
    )


def _option_wins(choice: Choice, classes: list[str]) -> bool:
    """Whether --model is given, and no class beside it."""
    return choice.source("model.name") == COMMAND_LINE and all(
        choice.source(name) != COMMAND_LINE for name in classes
    )


def _survey(choice: Choice, expected: str | None, findings: Findings) -> str | None:
    """The survey that is told, or that the model or the parser of results implies.

    A MODEL_PATH alone may be any model, as for the other commands; without one it is ztf.
    """
    stream, name = choice["model.stream"], choice["model.name"]
    implied = survey_of(expected) or survey_of(name)
    survey: str | None = stream or implied or _parsed(choice, findings) or (None if name else ZTF)
    if implied and survey != implied:
        findings.problems.append(
            f"{_ways('model.stream')}: is {stream}, and {expected or name} is a model of {implied}"
        )
    return survey


def choose_schema(choice: Choice, survey: str | None, findings: Findings) -> str | None:
    """The published schema of results; None where the model has to tell."""
    if choice["output.schema"]:
        return str(choice["output.schema"])
    parsed = _parsed(choice, findings)
    if parsed and survey != parsed:
        findings.problems.append(
            f"{_ways('output.step_parser_class')}: {choice['output.step_parser_class']} writes "
            f"for {parsed}, and the stream is {survey}"
        )
    parser = findings.meaning(choice, "output.step_parser_class", ("step parser",))
    return parser or (None if survey is None else SCHEMAS[survey])


def _parsed(choice: Choice, findings: Findings) -> str | None:
    """The survey that the parser of results writes for."""
    schema = findings.meaning(choice, "output.step_parser_class", ("step parser",))
    return schema and ("elasticc" if schema.startswith("elasticc") else ZTF)


def _ways(name: str) -> str:
    return table().options[name].ways


def _meant(choice: Choice, told: list[str], findings: Findings) -> str | None:
    """The one model that all classes stand for."""
    meant = {name: findings.meaning(choice, name, CLASSES[name]) for name in told}
    models = {name: model for name, model in meant.items() if model is not None}
    if len(set(models.values())) > 1:
        listed = ", ".join(f"{_ways(name)} means {model}" for name, model in models.items())
        findings.problems.append(f"the classes stand for several models: {listed}")
    return next(iter(models.values()), None)


def _class_name(choice: Choice, classes: list[str], expected: str | None) -> str | None:
    if expected == ZTF:
        return ZTF_NAME
    return last_part(choice["model.class"]) if "model.class" in classes else None


def _version(choice: Choice, expected: str | None, findings: Findings) -> str | None:
    version: str | None = choice["model.version"]
    if version and expected != ZTF:
        findings.notes.append(
            f"{_ways('model.version')}: not used, as it is the version of the ZTF forest alone; "
            "see --classifier-version"
        )
        return None
    return version

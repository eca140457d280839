"""A network that was pickled whole: its tensors by name, and what its objects say of themselves."""

from collections.abc import Iterator, Mapping

from lcclassify.legacy.arrays import to_integer, to_scalar
from lcclassify.legacy.records import Record, RefusedError, attribute, attributes, brief

_MAX_MODULES = 10_000
_MAX_DEPTH = 16
_MAX_NUMBER = 1e9

_CLASSES = {
    "layers.encoder_ellastic": (
        *("Encoder", "Transformer", "PreNorm", "FeedForward"),
        *("TokenClassifier", "ClassifierFeedForward"),
    ),
    "layers.mha": ("MultiheadAttentionHandler", "MultiheadAttention"),
    "layers.time_modulator": ("EncTimeModulatorHandler", "TimeModulator"),
    "torch.nn.modules.activation": ("ReLU", "GELU", "LogSoftmax"),
    "torch.nn.modules.container": ("ModuleList", "Sequential"),
    "torch.nn.modules.dropout": ("Dropout",),
    "torch.nn.modules.linear": ("Linear",),
    "torch.nn.modules.normalization": ("LayerNorm",),
    # Named as plain attributes only.
    "torch.nn.modules.batchnorm": ("BatchNorm2d",),
    "torch.nn.modules.sparse": ("Embedding",),
}
_MODULE = "module "
MODULE_NAMES = {
    (package, name): _MODULE + name for package, names in _CLASSES.items() for name in names
} | {("__builtin__", "set"): "set", ("builtins", "set"): "set"}

# What the classes can be told to do that changes the answer, and what is read here.
_EXPECTED: dict[str, dict[str, object]] = {
    "Encoder": {
        "emb_to_classifier": "token",
        "use_detection_token": False,
        "tab_output_dim": 0,
        "which_encoder": "mha",
        "dataset_channel": 6,
    },
    "GELU": {"approximate": "none"},
    "LayerNorm": {"eps": 1e-5},
}


class Module:
    """A pickled module and all below it, none of them ever made."""

    def __init__(self, root: object) -> None:
        """Walk down from a recorded object. RefusedError if it is no module, or an odd one."""
        self.parts = dict(_walk(root))

    def tensors(self) -> dict[str, object]:
        """Name in a state dict -> recorded tensor."""
        found: dict[str, object] = {}
        for path, part in self.parts.items():
            for place in ("_parameters", "_buffers"):
                held = to_items(attribute(part, place)).items()
                found |= {path + _text(name): value for name, value in held if value is not None}
        return found

    def kinds(self) -> dict[str, str]:
        """Name of a part, with a dot behind it -> name of its class."""
        return {path: part.kind.removeprefix(_MODULE) for path, part in self.parts.items()}

    def number(self, kind: str, below: str, name: str) -> float | None:
        """An attribute that all parts of a class below a name agree on; None if there are none."""
        values = {
            to_number(attribute(part, name), f"{path}{name}")
            for path, part in self.parts.items()
            if part.kind == _MODULE + kind and path.startswith(below)
        }
        if len(values) > 1:
            raise RefusedError(f"{name} below {below}: {sorted(values)}, where one is expected")
        return values.pop() if values else None


def is_module(value: object) -> bool:
    """Whether a value is a recorded module."""
    return isinstance(value, Record) and value.kind.startswith(_MODULE)


def to_items(value: object) -> Mapping[object, object]:
    """The items of a dict, plain or ordered."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Record) and value.kind == "ordered dict" and value.args == ():
        return value.items or {}
    raise RefusedError(f"{brief(value)} where a dict is expected")


def _walk(root: object) -> Iterator[tuple[str, Record]]:
    todo: list[tuple[str, int, object]] = [("", 0, root)]
    for _ in range(_MAX_MODULES):
        if not todo:
            return
        path, depth, value = todo.pop()
        if depth > _MAX_DEPTH:
            raise RefusedError(f"parts of a network more than {_MAX_DEPTH} deep in each other")
        if not isinstance(value, Record) or not is_module(value):
            raise RefusedError(f"{brief(value)} where a part of a network is expected")
        _check(path, value)
        yield path, value
        below = list(to_items(attribute(value, "_modules")).items())
        todo += [(f"{path}{_text(name)}.", depth + 1, part) for name, part in below[::-1]]
    raise RefusedError(f"a network of more than {_MAX_MODULES} parts")


def _check(path: str, part: Record) -> None:
    held = attributes(part)
    for name, expected in _EXPECTED.get(part.kind.removeprefix(_MODULE), {}).items():
        # Older versions lack some of these attributes and behave as if they had the usual value.
        if name in held and to_scalar(held[name]) != expected:
            raise RefusedError(f"{path}{name} is {brief(held[name])}, expected {brief(expected)}")
    for key, value in held.items():
        if isinstance(key, str) and key.endswith("_hooks") and to_items(value):
            raise RefusedError(f"{path}{key[:40]} is not empty: the network runs other code too")


def to_number(value: object, what: str) -> float:
    """A number of ordinary size, plain or numpy's; ``what`` names it if it is none."""
    number = to_scalar(value)
    if not isinstance(number, float):
        number = to_integer(number, what)
    if not abs(number) < _MAX_NUMBER:
        raise RefusedError(f"{what} is {brief(number)}")
    return float(number)


def _text(name: object) -> str:
    if not isinstance(name, str) or "." in name or len(name) > 80:
        raise RefusedError(f"{brief(name)} where the name of a layer is expected")
    return name

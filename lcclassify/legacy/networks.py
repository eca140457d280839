"""read_network: a file that torch.save wrote in, the tensors of a Transformer out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from lcclassify.batch import BANDS
from lcclassify.legacy.modules import MODULE_NAMES, Module, is_module, to_items, to_number
from lcclassify.legacy.records import RefusedError, brief
from lcclassify.legacy.torch_files import read_torch, to_tensor
from lcclassify.shapes import (
    ShapeError,
    Sizes,
    check_finite,
    check_present,
    count_layers,
    read_rows,
    spread,
)
from lcclassify.transformer import Generation, Table

# A key of each generation, and a name below which the layers of each transformer are counted.
_SIGNS: dict[Generation, str] = {
    "A": "time_modulator.to_emb.weight",
    "B": "time_encoder.time_encoders.0.linear_proj.0.weight",
}
_LAYERS: dict[Generation, tuple[str, str]] = {
    "A": ("transformer.layers.{i}", "tab_transformer.layers.{i}"),
    "B": ("transformer_lc.stacked_transformers.{i}", "transformer_ft.stacked_transformers.{i}"),
}
_BLOCK = ["Linear", "GELU", "Dropout"]
_SEQUENCES = ([*_BLOCK, "Linear", "Dropout"], [*_BLOCK, *_BLOCK, "Linear"])  # what a module holds
_BESIDE = ("tab_token", "tab_transformer.", "mix_classifier.", "tab_classifier.")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file says beside its tensors; None where it says nothing."""

    heads: int | None = None
    table_heads: int | None = None
    t_max: float | None = None  # d


@dataclass(frozen=True, slots=True)
class Network:
    """The network in a file."""

    generation: Generation
    table: Table
    tensors: Mapping[str, np.ndarray]  # by the names of ``lcclassify.transformer``
    stated: Stated


def read_network(data: bytes) -> Network:
    """Read a whole module, a state dict or a training checkpoint. Nothing is run. RefusedError"""
    value = read_torch(data, MODULE_NAMES)
    stated, module = Stated(), None
    if is_module(value):
        module = Module(value)
        recorded = module.tensors()
    else:
        recorded, stated = _state_dict(value)
    generation, recorded = _generation(recorded)
    tensors = {name: to_tensor(tensor) for name, tensor in recorded.items()}
    # Tensors may share numbers; so few bytes could ask for much memory below.
    if (total := sum(tensor.nbytes for tensor in tensors.values())) > len(data):
        raise RefusedError(f"its tensors take {total} bytes, the file {len(data)}")
    table = _table(generation, tensors)
    if module is not None:
        _check_activations(module.kinds())
        stated = _stated_by_module(module)
    try:
        return Network(generation, table, _canonical(generation, table, tensors), stated)
    except ShapeError as error:
        raise RefusedError(str(error)) from None


def _state_dict(value: object) -> tuple[dict[str, object], Stated]:
    """The tensors of a state dict or of a checkpoint that holds one."""
    items, stated = to_items(value), Stated()
    if "state_dict" in items:
        stated = _stated_by_checkpoint(items.get("hyper_parameters"))
        items = to_items(items["state_dict"])
    tensors: dict[str, object] = {}
    for name, tensor in items.items():
        if not isinstance(name, str) or len(name) > 200:
            raise RefusedError(f"{brief(name)} where the name of a tensor is expected")
        tensors[name] = tensor
    return tensors, stated


def _generation(tensors: Mapping[str, object]) -> tuple[Generation, dict[str, object]]:
    """Which network it is, and its tensors under their names without a common prefix."""
    for generation, sign in _SIGNS.items():
        for name in tensors:
            if name == sign or name.endswith(f".{sign}"):
                prefix = name.removesuffix(sign)
                short = {key.removeprefix(prefix): item for key, item in tensors.items()}
                if len(short) != len(tensors):
                    raise RefusedError(f"tensors have the same name with and without {prefix!a}")
                return generation, short
    names = ", ".join(brief(name) for name in list(tensors)[:4]) or "nothing"
    raise RefusedError(f"no network of ALeRCE's: none of {' or '.join(_SIGNS.values())} in {names}")


def _table(generation: Generation, names: Iterable[str]) -> Table:
    names = list(names)
    if generation == "B" or any(name.startswith(_BESIDE) for name in names):
        return "beside"
    return "in front" if any(name.startswith("tab_") for name in names) else "none"


def _stated_by_module(module: Module) -> Stated:
    return Stated(
        heads=_whole(module.number("MultiheadAttention", "transformer.", "num_heads")),
        table_heads=_whole(module.number("MultiheadAttention", "tab_transformer.", "num_heads")),
        t_max=module.number("TimeModulator", "time_modulator.", "T_max"),
    )


def _stated_by_checkpoint(value: object) -> Stated:
    if not isinstance(value, dict):
        return Stated()
    heads, table_heads, t_max = (
        to_number(value[name], name) if name in value else None
        for name in ("num_heads", "tab_num_heads", "T_max")
    )
    return Stated(_whole(heads), _whole(table_heads), t_max)


def _whole(number: float | None) -> int | None:
    if number is not None and not number.is_integer():
        raise RefusedError(f"{number} attention heads")
    return None if number is None else int(number)


def _check_activations(kinds: Mapping[str, str]) -> None:
    """Refuse a module between whose layers stands something else than GELU."""
    for path, kind in kinds.items():
        if kind == "Sequential":
            inner = [name for part, name in kinds.items() if _is_child(part, path)]
            if inner not in _SEQUENCES:
                raise RefusedError(f"{path} is made of {', '.join(inner[:8])}")


def _is_child(part: str, path: str) -> bool:
    return part.startswith(path) and part[len(path) :].count(".") == 1


def _canonical(
    generation: Generation, table: Table, tensors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    rows = [
        row
        for row in read_rows(files("lcclassify.legacy") / "networks.csv")
        if row["generation"] == generation and table in row["tables"].split("|")
    ]
    layers = dict(zip(("light_curve", "table"), _LAYERS[generation], strict=True))
    counts = {part: count_layers(tensors, template) for part, template in layers.items()}
    sizes, names = Sizes(), {}
    for row in rows:
        open_numbers = {"b": len(BANDS), "i": counts.get(row["tensor"].partition(".")[0], 0)}
        names[row["published"]] = list(spread(row["published"], open_numbers))
    check_present(tensors, [name for group in names.values() for name in group])
    pieces: dict[str, list[np.ndarray]] = {}
    for row in rows:
        for number, name in enumerate(names[row["published"]]):
            tensor = tensors[name]
            sizes.check(name, tensor.shape, row["shape"])
            if row["tensor"]:
                check_finite(name, tensor)
                target = row["tensor"].replace("{i}", str(number))
                pieces.setdefault(target, []).append(tensor)
            elif name.endswith(".ar") and not np.array_equal(tensor.ravel(), range(tensor.size)):
                raise ShapeError(f"tensor {name} does not count from 0, as harmonics do")
    return {name: _join(name, parts) for name, parts in pieces.items()}


def _join(name: str, parts: list[np.ndarray]) -> np.ndarray:
    """One tensor of the published ones that it is made of, see ``lcclassify.transformer``."""
    if name.startswith("modulator."):
        if name == "modulator.value.weight":
            parts = [part.T for part in parts]
        if name.startswith("modulator.value") and len(parts) == 1:  # shared by the bands
            parts = parts * len(BANDS)
        if name in ("modulator.alpha", "modulator.beta"):  # sines of all bands, then cosines
            sines, cosines = parts[: len(BANDS)], parts[len(BANDS) :]
            parts = [np.concatenate(pair) for pair in zip(sines, cosines, strict=True)]
        return np.stack(parts)
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
    n_dimensions = 1 if name.endswith((".token", ".bias")) and name != "table.bias" else 2
    if "norm" in name:
        n_dimensions = 1
    return np.ascontiguousarray(joined.reshape(joined.shape[-n_dimensions:]))

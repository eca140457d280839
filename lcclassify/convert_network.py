"""From published networks to bundles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from lcclassify import __version__
from lcclassify.bundle import ModelBundle
from lcclassify.errors import ModelError, os_reason
from lcclassify.legacy.border import concerning
from lcclassify.legacy.network_files import (
    NetworkFiles,
    files_digests,
    find_network,
    network_digest,
    read_inputs,
)
from lcclassify.legacy.networks import Network, read_network
from lcclassify.legacy.records import RefusedError
from lcclassify.legacy.torch_files import MAX_TORCH_BYTES
from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.transformer import Settings, Transformer

ATAT_CARD = {
    "licence": "weights as published by ALeRCE, without a licence statement: ask its authors",
    "citation": "Cabrera-Vives et al. 2024, A&A 689, A289, doi:10.1051/0004-6361/202449475",
}
# What ALeRCE's networks were trained with, for files that do not say.
_HEADS = 4
_T_MAX = 1500.0  # d
_NAMES = {64: "balto", 493: "messi"}  # by number of tabular inputs

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """What is said beside the files of a network; None where they or the usual values decide."""

    quantiles: Sequence[Path] = ()  # joblib files and folders of them; none: those beside it
    heads: int | None = None  # of the light-curve transformer
    table_heads: int | None = None  # of the tabular one
    t_max: float | None = None  # d
    zero_point: float = 31.4  # AB magnitude of flux 1 in what the network is given: nJy

    @property
    def given(self) -> list[str]:
        """The options of convert-model that say something."""
        usual = NetworkOptions()
        return [
            f"--{field.name.replace('_', '-')}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(usual, field.name)
        ]


def convert_network(
    source: Path,
    dest: Path,
    options: NetworkOptions,
    *,
    name: str | None = None,
    version: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> ModelBundle:
    """Turn a published network with its quantiles into a bundle at ``dest``; nothing is executed.

    ``about`` is what else the card says, and what it says otherwise. ModelError if
    the files are not those of one whole, sound network.
    """
    with concerning(source):
        found = find_network(source, options.quantiles)
        digests, digest = files_digests(found), network_digest(found)
    network = _read(found)
    tensors = network.tensors
    n_inputs = len(tensors["table.weight"]) if "table.weight" in tensors else 0
    with concerning(source):
        inputs, quantiles, versions = read_inputs(found, n_inputs)
    with concerning(found.model):
        settings, assumed = _settings(network, options)
        last = f"head.{2 if settings.table == 'beside' else 0}.bias"
        classes = network_classes(len(tensors[last]))
        transformer = Transformer(settings, classes, tensors, inputs, quantiles)
        card = {
            "name": name or _NAMES.get(n_inputs, "atat"),
            "version": version or f"sha256-{digest[:12]}",
            "description": f"ALeRCE's light-curve transformer, generation {network.generation}",
            **ATAT_CARD,
            **(about or {}),
            "provenance": {
                "source": source.name.encode("utf-8", "replace").decode(),
                "source_digest": digest,
                "converted_by": f"lcclassify {__version__}",
                "saved_with": {"scikit-learn": ", ".join(sorted(versions))} if versions else {},
                "assumed": assumed,
                "files": digests,
            },
        }
        return write_transformer(dest, transformer, card)


def _read(found: NetworkFiles) -> Network:
    with concerning(found.model):
        try:
            if found.model.stat().st_size > MAX_TORCH_BYTES:
                raise RefusedError(f"it is larger than {MAX_TORCH_BYTES} bytes")
            return read_network(found.model.read_bytes())
        except OSError as error:
            raise RefusedError(f"cannot be read: {os_reason(error)}") from None


def _settings(network: Network, options: NetworkOptions) -> tuple[Settings, list[str]]:
    """The settings, and the names of those that neither the file nor an option says."""
    assumed: list[str] = []

    def choose(what: str, stated: Value | None, option: Value | None, usual: Value) -> Value:
        if stated is not None and option is not None and stated != option:
            raise ModelError(f"the file says {what} {stated}, the option {option}")
        chosen = option if stated is None else stated
        if chosen is None:
            assumed.append(what)
            return usual
        return chosen

    stated = network.stated
    settings = Settings(
        generation=network.generation,
        table=network.table,
        heads=choose("heads", stated.heads, options.heads, _HEADS),
        table_heads=choose("table_heads", stated.table_heads, options.table_heads, _HEADS)
        if network.table == "beside"
        else 0,
        t_max=choose("t_max", stated.t_max, options.t_max, _T_MAX),
        zero_point=options.zero_point,
    )
    return settings, assumed

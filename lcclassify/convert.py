"""From published models to bundles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lcclassify import __version__
from lcclassify.bundle import Feature, ModelBundle, write_bundle
from lcclassify.convert_network import NetworkOptions, convert_network
from lcclassify.errors import ModelError
from lcclassify.features import accepted_names, is_header
from lcclassify.forest import Forest, HierarchicalForest
from lcclassify.legacy import LegacyForest, read_forest, source_digest
from lcclassify.legacy.network_files import is_network
from lcclassify.predictors.packed import pack
from lcclassify.ranges import NOTHING, Known
from lcclassify.selftest import golden_rows
from lcclassify.taxonomy import Taxonomy

ALERCE_CARD = {
    "licence": "as published by ALeRCE; lc_classifier, which made it, is MIT",
    "citation": "Sánchez-Sáez et al. 2021, AJ 161, 141, doi:10.3847/1538-3881/abd5c1",
}


def convert(
    source: Path,
    dest: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    options: NetworkOptions | None = None,
    about: Mapping[str, Any] | None = None,
) -> ModelBundle:
    """Turn a published model into a bundle at ``dest``; nothing is executed.

    ``source`` is a folder, an archive, one pickle or a network of torch. ``name`` defaults to the
    kind of model that the files are, ``version`` to the start of their digest, since the files do
    not say. ``options`` are for networks alone; ``about`` is what else the card says, and what it
    says otherwise. ModelError if they are not a whole, sound model.
    """
    options = options or NetworkOptions()
    if is_network(source):
        return convert_network(source, dest, options, name=name, version=version, about=about)
    if options != NetworkOptions():
        raise ModelError(
            f"{source}: a forest takes no {', '.join(options.given)}; these are for networks"
        )
    legacy = read_forest(source)
    digest = source_digest(source)
    card = {
        "name": name or _kind(legacy),
        "version": version or f"sha256-{digest[:12]}",
        "description": f"ALeRCE's forest, read from the {legacy.layout} layout",
        **ALERCE_CARD,
        **(about or {}),
        "provenance": {
            "source": source.name.encode("utf-8", "replace").decode(),
            "source_digest": digest,
            "converted_by": f"lcclassify {__version__}",
            "saved_with": dict(legacy.saved_with),
            "files": dict(legacy.files),
        },
    }
    zero_above = legacy.zero_above
    return write_forest(dest, legacy.forest, legacy.features, card, zero_above=zero_above)


def _kind(legacy: LegacyForest) -> str:
    if legacy.layout == "elasticc":
        return "barney" if any(map(is_header, legacy.features)) else "toretto"
    return {"ztf-baseline": "ztf_baseline", "ztf-2": "squidward"}.get(legacy.layout, "ztf")


def write_forest(
    dest: Path,
    forest: HierarchicalForest,
    features: Sequence[str],
    card: Mapping[str, Any],
    known: Sequence[Known] | None = None,
    *,
    zero_above: float | None = 1e32,
) -> ModelBundle:
    """Write a bundle of family "forest".

    ``features`` are the columns of the matrix that all its forests share, ``known`` is what is
    known of each in training. ``card`` holds at least name, version, licence, citation.
    Values above ``zero_above`` count as 0, if it is a number.
    """
    taxonomy = _taxonomy(forest)
    column = {name: index for index, name in enumerate(features)}
    parts: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, (node, part) in enumerate([("", forest.root), *forest.children.items()]):
        packed = pack(part, [column[name] for name in part.features])
        arrays |= {
            f"forest{number}_nodes": packed.nodes,
            f"forest{number}_trees": packed.trees,
            f"forest{number}_leaves": packed.leaves,
        }
        parts.append(_part(node, part))
    arrays["golden_rows"], arrays["golden_answers"] = golden_rows(
        forest, tuple(features), taxonomy, zero_above
    )
    manifest = {
        **card,
        "family": "forest",
        "missing": {"value": -999.0}
        | ({} if zero_above is None else {"above": zero_above, "above_becomes": 0.0}),
        "taxonomy": {
            "nodes": taxonomy.nodes,
            "parents": [
                taxonomy.nodes[parent] if parent >= 0 else "" for parent in taxonomy.parent
            ],
        },
        "forests": parts,
        "features": [
            Feature(name, accepted_names(name), *of_training).entry
            for name, of_training in zip(features, known or [NOTHING] * len(features), strict=True)
        ],
    }
    return write_bundle(dest, manifest, arrays)


def _taxonomy(forest: HierarchicalForest) -> Taxonomy:
    children = {name: part.classes for name, part in forest.children.items()}
    tree = Taxonomy.from_children(forest.root.classes, children)
    if forest.leaves is None:
        return tree
    if sorted(forest.leaves) != sorted(tree.classes):
        raise ModelError("the output columns are not the classes of the forests, each once")
    nodes = (*forest.root.classes, *forest.leaves)
    return Taxonomy(nodes, tuple(tree.parent[tree.nodes.index(name)] for name in nodes))


def _part(node: str, forest: Forest) -> dict[str, Any]:
    return {
        "node": node,
        "classes": forest.classes,
        "n_trees": len(forest.trees),
        "n_nodes": sum(len(tree.left) for tree in forest.trees),
        "n_features": len(forest.features),
    }

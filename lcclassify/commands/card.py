"""A model's card for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from lcclassify.bundle import ModelBundle

STRUCTURE = {"format", "taxonomy", "forests", "features", "missing"}


def print_card(bundle: ModelBundle) -> None:
    """Print what a model is, its class tree, what it reads and what is known of it."""
    console = Console()
    console.print(f"[bold]{bundle.label}[/bold] {bundle.digest}", highlight=False)
    for key, value in _lines(bundle.manifest):
        console.print(f"{key}: {value}", highlight=False, markup=False)
    console.print(_class_tree(bundle))
    table = Table("feature", "also read from", "missing in training", box=None, pad_edge=False)
    for feature in bundle.features:
        others = ", ".join(name for name in feature.accepts if name != feature.name)
        share = "" if feature.missing_share is None else f"{100 * feature.missing_share:.1f} %"
        table.add_row(feature.name, others, share)
    console.print(table)


def _lines(manifest: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in manifest.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{prefix}{key}.")
        elif prefix or key not in STRUCTURE:
            yield prefix + key, value


def _class_tree(bundle: ModelBundle) -> Tree:
    tree = bundle.taxonomy
    root = Tree("classes")
    branches = {-1: root}
    for node, parent in enumerate(tree.parent):
        branches[node] = branches[parent].add(tree.nodes[node])
    return root

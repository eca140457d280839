"""A model's card for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Column, Table
from rich.tree import Tree

from lcclassify.bundle import ModelBundle
from lcclassify.output import show

STRUCTURE = {
    *("format", "taxonomy", "forests", "features", "missing", "class_shares", "network.tensors"),
}


def print_card(bundle: ModelBundle) -> None:
    """Print what a model is, its class tree, what it reads and what is known of it."""
    lines: list[RenderableType] = [f"{bundle.label} {bundle.digest}"]
    for key, value in _lines(bundle.manifest):
        if _is_table(value):
            lines += [f"{key}:", _rows(value)]
        else:
            lines.append(f"{key}: {value}")
    table = Table(Column("feature", no_wrap=True), "also read from", box=None, pad_edge=False)
    table.add_column("missing in training")
    table.add_column("range in training")
    for feature in bundle.features:
        others = ", ".join(name for name in feature.accepts if name != feature.name)
        share = "" if feature.missing_share is None else f"{100 * feature.missing_share:.1f} %"
        limits = "" if feature.range is None else "{:.4g} to {:.4g}".format(*feature.range)
        table.add_row(feature.name, others, share, limits)
    show(*lines, _class_tree(bundle), table)


def _is_table(value: Any) -> bool:
    """Whether a value is a list of records, or of lists, and of nothing else."""
    if not isinstance(value, list) or not value:
        return False
    return any(all(isinstance(row, kind) for row in value) for kind in (dict, list))


def _lines(manifest: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in manifest.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{prefix}{key}.")
        elif prefix + key not in STRUCTURE:
            yield prefix + key, value


def _rows(values: Sequence[Mapping[str, Any] | Sequence[Any]]) -> Table:
    """Lists of records, with the names of the first as titles, or of lists."""
    table = Table(box=None, pad_edge=False, show_header=isinstance(values[0], Mapping))
    for title in values[0] if isinstance(values[0], Mapping) else [""] * len(values[0]):
        table.add_column(title)
    for row in values:
        table.add_row(*map(str, row.values() if isinstance(row, Mapping) else row))
    return table


def _class_tree(bundle: ModelBundle) -> Tree:
    tree = bundle.taxonomy
    root = Tree("classes")
    branches = {-1: root}
    shares = bundle.class_shares or {}
    for node, parent in enumerate(tree.parent):
        name = tree.nodes[node]
        share = f"  {100 * shares[name]:.1f} % of the answers" if name in shares else ""
        branches[node] = branches[parent].add(name + share)
    return root

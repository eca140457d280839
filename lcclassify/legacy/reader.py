"""read_forest: a folder, an archive or a file of pickles in, a checked HierarchicalForest out."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lcclassify.errors import ModelError
from lcclassify.forest import Forest, HierarchicalForest
from lcclassify.legacy.border import concerning
from lcclassify.legacy.classes import check_children, check_leaves, check_top
from lcclassify.legacy.forests import FOREST_NAMES, to_forest
from lcclassify.legacy.layouts import Layout, choose_layout
from lcclassify.legacy.names import NAME_LIST_NAMES, to_names
from lcclassify.legacy.network_files import find_network, is_network, network_digest
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import RefusedError, brief
from lcclassify.legacy.sources import Source, describe_files, open_source, source_files_digest
from lcclassify.legacy.whole import WHOLE_NAMES, Whole, to_whole

Value = TypeVar("Value")
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LegacyForest:
    """A published forest, and where its parts came from."""

    layout: str  # "ztf-1.0", "ztf-1.1", "elasticc", "ztf-baseline" or "ztf-2"
    forest: HierarchicalForest
    features: Names  # those of the top forest, then what each child adds: stochastic, periodic, ...
    files: Mapping[str, str]  # file name -> SHA-256 of its bytes, in hexadecimal
    saved_with: Mapping[str, str]  # package -> version, as far as the files say
    zero_above: float | None  # its values above this were 0 to the model; None: it took them all


def read_forest(source: Path) -> LegacyForest:
    """Read a published model: a folder or, by its content, a tar archive or one pickle.

    Nothing in the files is run and nothing is written to disk. ModelError if they are not whole
    and sound, with the file, the tree and the node concerned. The trees stay in the bytes of the
    files, which are held in memory, and become arrays only when they are asked for.
    """
    with concerning(source):
        opened = open_source(source)
    files = _Files(source, opened)
    layout = files.layout()
    if layout.is_one_file:
        whole = files.read(layout.top, WHOLE_NAMES, lambda value, n: to_whole(value, n, layout))
        return _legacy(layout, files, whole)
    lists = files.read(layout.feature_list, NAME_LIST_NAMES, lambda value, _: _lists(value, layout))
    versions: set[str] = set()

    def read(node: str, name: str) -> Forest:
        def interpret(value: object, n_bytes: int) -> Forest:
            saved = to_forest(value, n_bytes)
            _check_classes(layout, node, saved.classes)
            versions.update(saved.versions)
            return saved.with_features(lists[node])

        return files.read(name, FOREST_NAMES, interpret)

    root = read("", layout.top)
    children = {node: read(node, name) for node, name in layout.children.items()}
    with concerning(source):
        check_leaves(layout.survey, [part.classes for part in (children or {"": root}).values()])
    features = tuple(dict.fromkeys(name for names in lists.values() for name in names))
    forest = HierarchicalForest(root, children)
    return _legacy(layout, files, Whole(forest, features, frozenset(versions)))


def _legacy(layout: Layout, files: "_Files", whole: Whole) -> LegacyForest:
    return LegacyForest(
        layout=layout.name,
        forest=whole.forest,
        features=whole.features,
        files=files.digests,
        saved_with={"scikit-learn": ", ".join(sorted(whole.versions))},
        zero_above=layout.zero_above,
    )


def source_digest(source: Path) -> str:
    """SHA-256 that identifies a source's bytes, found without parsing any. ModelError if unfit."""
    with concerning(source):
        if is_network(source):
            return network_digest(find_network(source))
        return source_files_digest(source)


@dataclass(frozen=True, slots=True)
class _Files:
    """The pickles of one source, and the digests of those read so far."""

    source: Path
    opened: Source
    digests: dict[str, str] = field(default_factory=dict)

    def layout(self) -> Layout:
        """The kind of model that the files are; if they are none, what they are instead."""
        try:
            return choose_layout(self.opened.names)
        except RefusedError as refusal:
            found = describe_files(self.opened) or "there are no .pkl files"
            raise ModelError(f"{self.source}: {refusal}. Found: {found}") from None

    def read(
        self,
        name: str,
        allowed: Mapping[tuple[str, str], str],
        interpret: Callable[[object, int], Value],
    ) -> Value:
        """What ``interpret`` makes of one pickle and its size in bytes."""
        place = self.opened.place(name)
        with concerning(place):
            data = self.opened.read(name)
            self.digests[place.name] = hashlib.sha256(data).hexdigest()
            return interpret(read_pickle(data, allowed), len(data))


def _lists(value: object, layout: Layout) -> dict[str, Names]:
    """Node -> names of the features of its forest; the root, first, is the empty name."""
    if not layout.list_per_node:
        names = to_names(value, "the feature list")
        return dict.fromkeys(["", *layout.children], names)
    if not isinstance(value, dict):
        raise RefusedError(f"{brief(value)} where a dict of feature lists is expected")
    nodes = {"": "top"} | {node: node.lower() for node in layout.children}
    if missing := [key for key in nodes.values() if key not in value]:
        raise RefusedError(f"there is no feature list for {', '.join(missing)}")
    return {
        node: to_names(value[key], f"the feature list for {key}") for node, key in nodes.items()
    }


def _check_classes(layout: Layout, node: str, classes: Names) -> None:
    if node:
        check_children(layout.survey, node, classes)
    elif layout.children:
        check_top(classes, layout.children)

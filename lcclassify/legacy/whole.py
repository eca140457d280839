"""The newest form of ALeRCE's ZTF forest: one dict with the names, the class tree, four forests.

``feature_list`` and ``list_of_classes`` hold names, the latter in the order of the output columns.
``model`` maps "top", "stochastic", "periodic" and "transient" to forests. ``class_hierarchy``, if
it is there, maps each of the last three to its classes; otherwise they are those of classes.csv.
Upper or lower case makes no difference to these keys and to the classes of the top forest, which
are the three nodes; the model keeps the spelling of the latter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lcclassify.forest import Forest, HierarchicalForest
from lcclassify.legacy.classes import check_children, check_leaves, check_top, listed_names
from lcclassify.legacy.forests import FOREST_NAMES, to_forest
from lcclassify.legacy.layouts import Layout
from lcclassify.legacy.names import NAME_LIST_NAMES, to_names
from lcclassify.legacy.records import RefusedError, brief

WHOLE_NAMES = FOREST_NAMES | NAME_LIST_NAMES

_TOP = "top"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole model."""

    forest: HierarchicalForest
    features: tuple[str, ...]
    versions: frozenset[str]  # of scikit-learn


def to_whole(value: object, n_bytes: int, layout: Layout) -> Whole:
    """The model that a recorded dict holds, from a pickle of so many bytes."""
    if not isinstance(value, dict):
        raise RefusedError(f"{brief(value)} where a dict with a model is expected")
    if missing := {"feature_list", "list_of_classes", "model"} - value.keys():
        raise RefusedError(f"a dict without {', '.join(sorted(missing))}")
    features = to_names(value["feature_list"], "feature_list")
    recorded = _by_node(value["model"], (_TOP, *layout.children), "model")
    forests: dict[str, Forest] = {}
    versions: set[str] = set()
    for node, item in recorded.items():
        try:
            saved = to_forest(item, n_bytes)
            forests[node] = saved.with_features(features)
        except RefusedError as refusal:
            raise RefusedError(f"forest {node}: {refusal}") from None
        versions |= saved.versions
    root = forests.pop(_TOP)
    spelling = {name.lower(): name for name in root.classes}
    if len(spelling) != len(root.classes) or spelling.keys() != layout.children.keys():
        check_top(root.classes, layout.children)
    _check_hierarchy(value.get("class_hierarchy"), forests, layout)
    leaves = to_names(value["list_of_classes"], "list_of_classes")
    _check_classes(leaves, root, forests)
    children = {spelling[node]: forest for node, forest in forests.items()}
    return Whole(HierarchicalForest(root, children, leaves), features, frozenset(versions))


def _by_node(value: object, nodes: Iterable[str], what: str) -> dict[str, object]:
    """The items of a dict that has these nodes for keys, in any case; ordered as the nodes are."""
    if not isinstance(value, dict):
        raise RefusedError(f"{what} is {brief(value)}, not a dict of {', '.join(nodes)}")
    held = {key.lower() if isinstance(key, str) else key: item for key, item in value.items()}
    if len(held) != len(value) or held.keys() != set(nodes):
        keys = listed_names(value)
        raise RefusedError(f"{what} has the keys {keys}, expected {listed_names(nodes)}")
    return {node: held[node] for node in nodes}


def _check_hierarchy(value: object, forests: Mapping[str, Forest], layout: Layout) -> None:
    """Refuse forests that give other classes than the file or, without one, the survey says."""
    if value is None:
        for node, forest in forests.items():
            check_children(layout.survey, node, forest.classes)
        check_leaves(layout.survey, [forest.classes for forest in forests.values()])
        return
    for node, listed in _by_node(value, forests, "class_hierarchy").items():
        classes = to_names(listed, f"class_hierarchy of {node}")
        if set(classes) != set(forests[node].classes):
            raise RefusedError(
                f"class_hierarchy has {listed_names(classes)} under {node}, its forest "
                f"{listed_names(forests[node].classes)}"
            )


def _check_classes(leaves: Iterable[str], root: Forest, forests: Mapping[str, Forest]) -> None:
    """Refuse a class that has two forests, or none, or that is not among the output columns."""
    given = [name for forest in (root, *forests.values()) for name in forest.classes]
    if twice := {name for name in given if given.count(name) > 1}:
        raise RefusedError(f"two forests give the class {listed_names(twice)}")
    given = given[len(root.classes) :]
    if stray := set(leaves) - set(given):
        raise RefusedError(f"no forest gives {listed_names(stray)} of list_of_classes")
    if missing := set(given) - set(leaves):
        raise RefusedError(f"list_of_classes lacks {listed_names(missing)}")

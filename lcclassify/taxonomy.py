"""Class trees: which class hangs under which node, and what that means for probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from lcclassify.errors import ModelError


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A class tree, parents before children. A flat classifier is a tree of depth one."""

    nodes: tuple[str, ...]  # K names, in the order of the columns of ``conditional``
    parent: tuple[int, ...]  # index into nodes; -1 below the root

    def __post_init__(self) -> None:
        if len(self.nodes) != len(self.parent) or not self.nodes:
            raise ModelError("the class tree needs one parent for each of at least one node")
        if len(set(self.nodes)) != len(self.nodes):
            raise ModelError("the class tree names a node twice")
        if any(not -1 <= parent < node for node, parent in enumerate(self.parent)):
            raise ModelError("the class tree must list each parent before its children")

    @classmethod
    def from_children(cls, top: Sequence[str], children: Mapping[str, Sequence[str]]) -> Self:
        """The tree with ``top`` below the root and, in the order of ``children``, their leaves."""
        if stray := sorted(children.keys() - set(top)):
            raise ModelError(f"the class tree has children of unknown nodes: {', '.join(stray)}")
        nodes = [*top, *(leaf for leaves in children.values() for leaf in leaves)]
        parent = [-1] * len(top)
        for name, leaves in children.items():
            parent += [list(top).index(name)] * len(leaves)
        return cls(tuple(nodes), tuple(parent))

    @property
    def leaves(self) -> np.ndarray:
        """Indices of the nodes without children, in file order. (L,) int64"""
        return np.setdiff1d(np.arange(len(self.nodes)), np.asarray(self.parent))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the leaves, in the order in which a tie is decided. (L,)"""
        return tuple(self.nodes[leaf] for leaf in self.leaves)

    def children(self, node: int) -> np.ndarray:
        """Indices of the nodes directly below ``node``; -1 is the root. int64"""
        return np.flatnonzero(np.asarray(self.parent) == node)

    def joint(self, conditional: np.ndarray) -> np.ndarray:
        """P(node) from P(node | parent); both (N, K) float64."""
        joint = conditional.copy()
        for node, parent in enumerate(self.parent):  # a parent precedes its children: already final
            if parent >= 0:
                joint[:, node] *= joint[:, parent]
        return joint

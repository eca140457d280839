import numpy as np
import pytest

from lcclassify.errors import ModelError
from lcclassify.taxonomy import Taxonomy

TREE = Taxonomy.from_children(
    ["Periodic", "Transient"], {"Transient": ["SNIa", "SNII"], "Periodic": ["RRL"]}
)


def test_leaves_come_in_the_order_of_the_children():
    assert TREE.nodes == ("Periodic", "Transient", "SNIa", "SNII", "RRL")
    assert TREE.parent == (-1, -1, 1, 1, 0)
    assert TREE.classes == ("SNIa", "SNII", "RRL")


def test_joint_multiplies_down_the_tree():
    joint = TREE.joint(np.array([[0.4, 0.6, 0.7, 0.3, 1.0]]))
    np.testing.assert_allclose(joint[0, TREE.leaves], [0.42, 0.18, 0.4], rtol=1e-15)


def test_joint_leaves_its_argument_alone():
    conditional = np.array([[0.4, 0.6, 0.7, 0.3, 1.0]])
    TREE.joint(conditional)
    assert conditional.tolist() == [[0.4, 0.6, 0.7, 0.3, 1.0]]


def test_children_of_the_root_and_of_a_node():
    assert TREE.children(-1).tolist() == [0, 1]
    assert TREE.children(1).tolist() == [2, 3]


def test_a_flat_classifier_is_a_tree_of_depth_one():
    flat = Taxonomy.from_children(["B", "A"], {})
    assert flat.classes == ("B", "A")
    assert flat.joint(np.array([[0.25, 0.75]])).tolist() == [[0.25, 0.75]]


@pytest.mark.parametrize(
    ("nodes", "parent", "message"),
    [
        (("A", "B"), (1, -1), "the class tree must list each parent before its children"),
        (("A", "A"), (-1, -1), "the class tree names a node twice"),
        (("A",), (-1, -1), "the class tree needs one parent for each of at least one node"),
        ((), (), "the class tree needs one parent for each of at least one node"),
        (("A", "B"), (-1, -2), "the class tree must list each parent before its children"),
    ],
)
def test_what_is_no_tree_is_refused(nodes, parent, message):
    with pytest.raises(ModelError) as error:
        Taxonomy(nodes, parent)
    assert str(error.value) == message


def test_children_of_nobody_are_refused():
    with pytest.raises(ModelError, match="children of unknown nodes: C"):
        Taxonomy.from_children(["A"], {"C": ["x"]})

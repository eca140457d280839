"""What the kernels promise beyond the answers that test_packed compares."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lcclassify
from lcclassify.predictors import kernels


@pytest.fixture
def tree():
    """Children of a random tree of 4001 nodes, numbered in no order but for the root."""
    random = np.random.default_rng(3)
    left, right, leaves = np.full(4001, -1), np.full(4001, -1), [0]
    names = np.concatenate(([0], 1 + random.permutation(4000)))
    for child in range(1, 4001, 2):
        node = leaves.pop(random.integers(len(leaves)))
        left[node], right[node] = names[child], names[child + 1]
        leaves += [names[child], names[child + 1]]
    return left, right


def test_siblings_share_a_line_behind_their_parent(tree):
    left, right = tree
    word = np.empty(left.size, np.int64)
    n_words, fault = kernels.arrange(left, right, word)
    inner = left >= 0
    assert fault == -1
    assert word[0] == 0
    assert len(set(word.tolist())) == left.size
    assert (word[right[inner]] == word[left[inner]] + 1).all()
    assert (word[left[inner]] % 2 == 0).all()
    assert (word[left[inner]] > word[inner]).all()
    assert word.max() < n_words <= left.size * 1.01
    assert n_words % kernels.WORDS_PER_LINE == 0


def test_a_walk_meets_a_line_for_every_two_levels(tree):
    left, right = tree
    word = np.empty(left.size, np.int64)
    kernels.arrange(left, right, word)
    depths, lines, reached = [], [], [(0, 0, 1)]
    for node, depth, n_lines in reached:
        if left[node] < 0:
            depths.append(depth)
            lines.append(n_lines)
            continue
        for child in (left[node], right[node]):
            reached.append((child, depth + 1, n_lines + int(word[child] // 8 != word[node] // 8)))
    assert np.mean(lines) < np.mean(depths) / 2


def test_works_where_no_cache_can_be_written(tmp_path):
    source = Path(lcclassify.__file__).parent
    shutil.copytree(source, tmp_path / "lcclassify", ignore=shutil.ignore_patterns("__pycache__"))
    wall = tmp_path / "lcclassify" / "predictors" / "__pycache__"  # even root makes no folder of it
    wall.touch()
    code = (
        "import numpy as np\n"
        "from lcclassify.predictors import packed\n"
        "print(packed.__file__, packed.keys(np.zeros((1, 1)))[0].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), f"{wall}/none")
        | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"{wall.parent / 'packed.py'} [[-2147483648, 0]]\n"

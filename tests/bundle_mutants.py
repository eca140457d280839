"""Bundles whose content contradicts itself, loaded one after the other; run as a program.

Each is a sound bundle with one to three things made wrong, and its SHA256SUMS made right again. It
must be refused by one line, or give the answers of the sound one if its numbers are the same: what
was made wrong did not matter then. The number of the case being looked at is always in a file.
"""

import contextlib
import copy
import datetime
import hashlib
import io
import json
import math
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import tomli_w

from lcclassify.batch import Batch
from lcclassify.bundle import open_bundle
from lcclassify.commands.card import print_card
from lcclassify.convert import write_forest
from lcclassify.errors import InputError, ModelError
from lcclassify.network_bundle import write_transformer
from lcclassify.predictors import load_predictor
from lcclassify.testing import (
    TOY_CLASSES,
    TOY_FEATURES,
    make_forest,
    make_light_curves,
    make_transformer,
)

CARD = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}
FAMILIES = {
    "forest": lambda path: write_forest(
        path, make_forest(TOY_FEATURES, TOY_CLASSES), TOY_FEATURES, CARD
    ),
    "beside": lambda path: write_transformer(path, make_transformer(), CARD),
    "in front": lambda path: write_transformer(
        path, make_transformer(generation="B", table="in front", n_values=2), CARD
    ),
    "none": lambda path: write_transformer(path, make_transformer(table="none"), CARD),
}
LONGEST_LINE = 2000

VALUES = [0, -1, 1.5, 2**40, 2**63 - 1, 10**30, 10**400, math.inf, -math.inf, math.nan, -0.0, True]
VALUES += ["", "text", "a\nb", "\x1b[31m", "x" * 5000, [], [[]], [1, 2], ["a"], {}, {"a": 1}]
VALUES += [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]
INTEGERS = [0, 1, -1, -(2**31), 2**31, 2**32, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, -1.0, 1e308, -1e308, 5e-324, np.nan, np.inf, -np.inf]
DTYPES = ["?", "i1", "<i4", "<i8", ">i8", "<u8", ">u8", "<f2", "<f4", ">f4", "<f8", ">f8", "<c16"]
DTYPES += ["S3", "U2", "V8", "O", "<M8[s]", "i4,f8"]


def spoil_manifest(rng, manifest):
    """Another value, of whatever kind, in some place of the manifest; or none, or twice."""
    place, above = manifest, []
    while isinstance(place, dict | list) and len(place) and (not above or rng.random() < 0.8):
        keys = list(place) if isinstance(place, dict) else range(len(place))
        above.append((place, keys[rng.integers(len(keys))]))
        place = place[above[-1][1]]
    holder, key = above[-1]
    kind = rng.integers(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])


def spoil_array(rng, arrays):
    name = list(arrays)[rng.integers(len(arrays))]
    array = arrays[name]
    if isinstance(array, bytes):
        return
    with np.errstate(all="ignore"), warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")
        arrays[name] = SPOILERS[rng.integers(len(SPOILERS))](rng, array)


def another_type(rng, array):
    return array.astype(DTYPES[rng.integers(len(DTYPES))])


def another_shape(rng, array):
    shapes = [(), (-1,), (1, -1), (-1, 1), (0,), (0, 3), (*array.shape, 1), (-1, 2), (2, -1)]
    shape = shapes[rng.integers(len(shapes))]
    return np.resize(array, np.abs(shape)) if rng.random() < 0.5 else array.reshape(shape)


def another_order(rng, array):
    return np.asfortranarray(array.T if rng.random() < 0.5 else array)


def another_length(rng, array):
    if not array.ndim:
        return array
    by = int(rng.integers(1, 4))
    return [array[:-by], array[by:], array[:0], np.repeat(array, by + 1, 0)][rng.integers(4)]


def another_value(rng, array):
    """Values of which some are edges of their type: counts and offsets that overflow, NaN."""
    array = array.copy()
    flat = array.reshape(-1)
    edges = FLOATS if array.dtype.kind == "f" else INTEGERS
    if not flat.size or array.dtype.kind not in "fiu":
        return array
    for _ in range(rng.choice([1, 2, 4, 8])):
        edge = edges[rng.integers(len(edges))]
        if array.dtype.kind == "u":
            edge %= 2**64
        flat[rng.integers(flat.size)] = np.array(edge).astype(array.dtype)
    return array


def same_sum(rng, array):
    """Integers that are others, with a sum or a last value that wraps around to the right one."""
    if array.dtype != np.int64 or array.size < 5:
        return another_value(rng, array)
    array = array.copy()
    flat = array.reshape(-1)
    if rng.random() < 0.5:
        flat[:4] += 2**62
    else:
        flat[1:4] = [2**63 - 1, -(2**63), -1]
    return array


def flipped(rng, array):
    data = bytearray(array.tobytes())
    for _ in range(rng.choice([1, 3, 50])):
        if data:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return np.frombuffer(bytes(data), array.dtype).reshape(array.shape)


def shuffled(rng, array):
    return rng.permutation(array.reshape(-1)).reshape(array.shape)


def raw(rng, array):
    """A file that is no array, or claims to be another."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    content = buffer.getvalue()
    kind = rng.integers(5)
    if kind == 0:
        return content[: rng.integers(len(content))]
    if kind == 1:
        return rng.bytes(rng.integers(200))
    if kind == 2:
        sizes = [b"(9999999999999,)", b"(-1,)", b"(2, 2**9)", b"((1,),)", b"(1e9,)", b"None"]
        shape = str(array.shape).encode()
        return content.replace(shape, sizes[rng.integers(len(sizes))], 1)
    if kind == 3:
        np.savez(buffer := io.BytesIO(), array)
        return buffer.getvalue()
    at = rng.integers(128)
    return content[:at] + rng.bytes(1) + content[at + 1 :]


SPOILERS = [another_type, another_shape, another_order, another_length, another_value, same_sum]
SPOILERS += [flipped, shuffled, raw]


class Sound:
    """A sound bundle in memory, a batch, and what it answers."""

    def __init__(self, family, folder):
        bundle = FAMILIES[family](folder / "sound")
        self.manifest = json.loads(json.dumps(bundle.manifest))
        self.arrays = {path.stem: np.load(path) for path in bundle.path.glob("*.npy")}
        rng = np.random.default_rng(1)
        names = [feature.name for feature in bundle.features]
        self.batch = Batch(
            object_id=pa.array(range(20)),
            id_name="oid",
            features=pa.table({name: rng.normal(size=20) for name in names} or {"x": [0.0] * 20}),
            light_curves=make_light_curves(range(1, 21)) if bundle.needs_light_curves else None,
        )
        self.answers = load_predictor(bundle, device="cpu").predict(self.batch).conditional

    def spoilt(self, rng):
        """The manifest and the arrays, with something wrong in them."""
        manifest, arrays = json.loads(json.dumps(self.manifest)), dict(self.arrays)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if rng.random() < 0.5:
                spoil_manifest(rng, manifest)
            else:
                spoil_array(rng, arrays)
        return manifest, arrays

    def is_same(self, manifest, arrays):
        """Whether its arrays hold the same numbers, and fluxes are of the same unit."""
        golden = {name for name in self.arrays if name.startswith("golden")}
        return manifest.get("light_curve") == self.manifest.get("light_curve") and all(
            not isinstance(arrays[name], bytes) and np.array_equal(arrays[name], self.arrays[name])
            for name in self.arrays.keys() - golden
        )


def write(folder, manifest, arrays):
    """A bundle whose hashes are right, whatever is in it."""
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        path.write_bytes(array) if isinstance(array, bytes) else np.save(path, array)
    (folder / "manifest.toml").write_text(tomli_w.dumps(manifest))
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in folder.iterdir()]
    (folder / "SHA256SUMS").write_text("\n".join(sums))


def outcome(sound, folder, manifest, arrays):
    """What becomes of a spoilt bundle: refused by a line, or the right answers."""
    write(folder, manifest, arrays)
    try:
        bundle = open_bundle(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            print_card(bundle)
        predictor = load_predictor(bundle, device="cpu")
    except ModelError as error:
        line = str(error)
        assert line.isprintable(), line
        assert len(line) <= LONGEST_LINE, line
        assert line.startswith(f"model {folder}: "), line
        return "refused"
    try:
        prediction = predictor.predict(sound.batch)
    except InputError:  # a feature is called otherwise, and is not in the batch
        return "of other columns"
    if not sound.is_same(manifest, arrays):  # another model, with hashes and golden rows of its own
        sums = prediction.leaf_probability[prediction.answered].sum(1)
        np.testing.assert_allclose(sums, 1, rtol=0, atol=1e-6)
        return "another model"
    np.testing.assert_allclose(prediction.conditional, sound.answers, rtol=0, atol=1e-6)
    return "answered"


def main():
    family, budget_s, seen = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    warnings.simplefilter("error")
    counts = Counter()
    with tempfile.TemporaryDirectory() as top:
        sound = Sound(family, Path(top))
        end, seed = time.monotonic() + budget_s, 0
        while time.monotonic() < end:
            seen.write_text(f"{family} {seed}")
            with tempfile.TemporaryDirectory(dir=top) as name:
                counts[outcome(sound, Path(name), *sound.spoilt(np.random.default_rng(seed)))] += 1
            seed += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main()

"""What tests of sources, sinks and models start from; shipped for those who write their own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from lcclassify.batch import BANDS, Batch, LightCurves
from lcclassify.bundle import Feature, ModelBundle
from lcclassify.forest import Forest, HierarchicalForest, Tree
from lcclassify.prediction import Prediction
from lcclassify.status import Problem
from lcclassify.taxonomy import Taxonomy
from lcclassify.transformer import QuantileTable, Settings, Transformer

TOY_FEATURES = ("Amplitude_1", "PPE", "W1-W2", "rb")
TOY_CLASSES = {"Transient": ("SNIa", "SNII"), "Periodic": ("CEP", "RRL", "EB")}


def make_batch(
    values: dict[str, Sequence[float | None]],
    ids: Sequence[str | int | None] | None = None,
    problems: dict[int, Problem] | None = None,
) -> Batch:
    """A batch of these features; ids default to a, b, c..."""
    n_rows = len(next(iter(values.values())))
    columns = {name: pa.array(column, pa.float64()) for name, column in values.items()}
    return Batch(
        object_id=pa.array(ids if ids is not None else [chr(97 + row) for row in range(n_rows)]),
        id_name="oid",
        features=pa.table(columns),
        problems=problems or {},
    )


def make_bundle(
    taxonomy: Taxonomy,
    features: Sequence[Feature] = (Feature("x", ("x",), None),),
    class_shares: dict[str, float] | None = None,
) -> ModelBundle:
    """A bundle that is on no disk: enough for what only names a model."""
    return ModelBundle(
        path=Path("nowhere"),
        digest="0123456789abcdef" * 4,
        name="toy",
        version="1.0",
        family="forest",
        taxonomy=taxonomy,
        features=tuple(features),
        class_shares=class_shares,
        manifest={},
    )


def make_prediction(
    taxonomy: Taxonomy,
    conditional: Sequence[Sequence[float]],
    problems: dict[int, Problem] | None = None,
    ids: Sequence[str] | None = None,
) -> Prediction:
    """A prediction with these P(node | parent), (N, K)."""
    rows = np.array(conditional, float).reshape(-1, len(taxonomy.nodes))
    rows[list(problems or {})] = np.nan
    batch = make_batch({"x": [0.0] * len(rows)}, ids)
    return Prediction(batch, make_bundle(taxonomy), rows, problems or {})


def make_forest(
    features: Sequence[str],
    children: dict[str, tuple[str, ...]],
    *,
    n_trees: int = 5,
    depth: int = 4,
    seed: int = 0,
) -> HierarchicalForest:
    """A hierarchical forest of random trees; each of its forests has its own order of features."""
    rng = np.random.default_rng(seed)

    def forest(classes: Sequence[str]) -> Forest:
        trees = tuple(_random_tree(rng, len(features), len(classes), depth) for _ in range(n_trees))
        return Forest(tuple(classes), tuple(rng.permutation(list(features)).tolist()), trees)

    below = {name: forest(leaves) for name, leaves in children.items()}
    return HierarchicalForest(forest(sorted(children)), below)


def _random_tree(rng: np.random.Generator, n_features: int, n_classes: int, depth: int) -> Tree:
    left, right, feature, threshold = [-1], [-1], [0], [0.0]
    level = [0]
    for _ in range(depth):
        grown = [node for node in level if node == 0 or rng.random() < 0.8]
        level = []
        for node in grown:
            left[node], right[node] = len(left), len(left) + 1
            feature[node], threshold[node] = int(rng.integers(n_features)), float(rng.normal())
            level += [left[node], right[node]]
            for values, empty in ((left, -1), (right, -1), (feature, 0), (threshold, 0.0)):
                values += [empty] * 2
    counts = rng.integers(0, 3, (len(left), n_classes)) + np.eye(n_classes)[0]
    return Tree(
        left=np.array(left),
        right=np.array(right),
        feature=np.array(feature),
        threshold=np.array(threshold),
        probability=counts / counts.sum(axis=1, keepdims=True),
    )


def make_light_curves(counts: Sequence[int], seed: int = 0) -> LightCurves:
    """Light curves of so many observations each over two years, in nJy."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *counts])
    n = int(offsets[-1])
    band = rng.integers(0, len(BANDS), n).astype(np.int8)
    flux, flux_err = rng.normal(300, 400, n), rng.uniform(10, 90, n)
    return LightCurves(offsets, rng.uniform(60000, 60730, n), band, flux, flux_err, zero_point=31.4)


def make_transformer(
    inputs: Sequence[str] = ("MWEBV", "Amplitude_g", "PPE"),
    classes: Sequence[str] = ("AGN", "SNIa", "TDE"),
    *,
    generation: Literal["A", "B"] = "A",
    table: Literal["beside", "in front", "none"] = "beside",
    widths: tuple[int, int] = (12, 8),
    heads: tuple[int, int] = (3, 2),
    n_layers: int = 2,
    n_harmonics: int = 4,
    n_values: int = 1,
    seed: int = 0,
) -> Transformer:
    """A random transformer; ``widths`` and ``heads`` are those of light curve and table."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def draw(name: str, *shape: int, scale: float = 1.0) -> None:
        tensors[name] = (scale * rng.normal(size=shape)).astype(np.float32)

    def linear(name: str, n_in: int, n_out: int) -> None:
        draw(f"{name}.weight", n_out, n_in, scale=n_in**-0.5)
        draw(f"{name}.bias", n_out, scale=0.1)

    width, table_width = widths if table == "beside" else (widths[0], widths[0])
    towers = {"light_curve": width} | ({"table": table_width} if table == "beside" else {})
    draw("modulator.value.weight", len(BANDS), n_values, width, scale=0.003)
    draw("modulator.value.bias", len(BANDS), width)
    for part in ("alpha", "beta"):
        draw(f"modulator.{part}", len(BANDS), 2 * n_harmonics, width, scale=n_harmonics**-0.5)
    if table != "none":
        draw("table.weight", len(inputs), table_width)
        draw("table.bias", len(inputs), table_width)
    for tower, dim in towers.items():
        draw(f"{tower}.token", dim)
        for layer in (f"{tower}.{i}" for i in range(n_layers)):
            for norm in ("norm1", "norm2"):
                tensors[f"{layer}.{norm}.weight"] = np.ones(dim, np.float32)
                draw(f"{layer}.{norm}.bias", dim, scale=0.1)
            linear(f"{layer}.qkv", dim, 3 * dim)
            linear(f"{layer}.out", dim, dim)
            linear(f"{layer}.up", dim, 2 * dim)
            linear(f"{layer}.down", 2 * dim, dim)
    dim = sum(towers.values())
    tensors["head.norm.weight"] = np.ones(dim, np.float32)
    draw("head.norm.bias", dim, scale=0.1)
    hidden = 2 if table == "beside" else 0
    for layer_number in range(hidden):
        linear(f"head.{layer_number}", dim, dim)
    linear(f"head.{hidden}", dim, len(classes))
    landmarks = np.linspace(0, 1, 50)
    names = tuple(inputs) if table != "none" else ()
    quantiles = [np.sort(rng.normal(size=50)).round(1) for _ in names]  # some are equal
    return Transformer(
        settings=Settings(generation, table, *heads, t_max=1500.0, zero_point=31.4),
        classes=tuple(classes),
        tensors=tensors,
        inputs=names,
        quantiles=tuple(QuantileTable(each, landmarks) for each in quantiles),
    )


class ListSource:
    """Batches from a list; remembers how many of them were committed."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = batches
        self.n_yielded = 0
        self.n_committed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing to close."""

    def __iter__(self) -> Iterator[Batch]:
        """The batches."""
        for batch in self.batches:
            self.n_yielded += 1
            yield batch

    def commit(self) -> None:
        """Everything yielded counts as delivered."""
        self.n_committed = self.n_yielded


class ListSink:
    """Rows in a list, delivered by ``flush``."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._pending: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing to close."""

    def write(self, table: pa.Table, /) -> None:
        """Take rows."""
        self._pending += table.to_pylist()

    def flush(self) -> None:
        """Deliver them."""
        self.rows += self._pending
        self._pending.clear()


class SinkContract:
    """What every sink keeps. Subclass it; give a fixture ``sink`` and ``read_back(tmp_path)``."""

    TABLE = pa.table(
        {
            "oid": ["a", 'quote " and, comma', "ñandú\n"],
            "probability": [0.1, None, 1 / 3],
            "ranking": [1, 2, None],
        }
    )

    def read_back(self, tmp_path: Path) -> list[dict[str, Any]]:
        """What arrived, as rows."""
        raise AssertionError("give read_back")

    def test_rows_arrive_in_order(self, sink: Any, tmp_path: Path) -> None:
        """Two tables, every value exact."""
        with sink:
            sink.write(self.TABLE)
            sink.write(self.TABLE.slice(1))
            sink.flush()
        assert self.read_back(tmp_path) == self.TABLE.to_pylist() + self.TABLE.slice(1).to_pylist()

    def test_an_empty_table_is_fine(self, sink: Any, tmp_path: Path) -> None:
        """No rows, no error."""
        with sink:
            sink.write(self.TABLE.slice(0, 0))
            sink.flush()
        assert self.read_back(tmp_path) == []

    def test_flush_twice_delivers_once(self, sink: Any, tmp_path: Path) -> None:
        """Flushing is idempotent."""
        with sink:
            sink.write(self.TABLE)
            sink.flush()
            sink.flush()
        assert self.read_back(tmp_path) == self.TABLE.to_pylist()

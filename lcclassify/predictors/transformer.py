"""Light-curve transformers: batches of light curves and headers to probabilities."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
import torch

from lcclassify.batch import Batch, LightCurves
from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError, ModelError
from lcclassify.features import Receipt, match_features
from lcclassify.prediction import Prediction
from lcclassify.predictors.coverage import MORE_THAN_NONE, ObjectCoverage
from lcclassify.predictors.light_curves import Sequences, cut, sequences
from lcclassify.predictors.matrix import feature_matrix, usable_values
from lcclassify.predictors.network import Network
from lcclassify.predictors.observations import Observations
from lcclassify.predictors.tabular import InputKinds, QuantileTransform, fill_missing
from lcclassify.remarks import Remarks, add_remarks
from lcclassify.status import Problem, Status, join_texts
from lcclassify.transformer import Transformer

TOKENS_PER_PASS = 2048  # what one thread works on at a time, in some 20 MB; slower below 1,000
PASSES = 4  # that a smaller batch is divided into at most, however many threads there are: the last
# digits of an answer then do not depend on their number
OBJECTS_PER_PASS = 4096  # are prepared at a time, so that memory does not grow with the batch
SELF_TEST_TOLERANCE = 1e-4  # float32 against the golden rows' float64; a wrong network is far off


class TransformerPredictor:
    """P(class) by attention over the observations, and over header and features if it has them."""

    def __init__(
        self,
        bundle: ModelBundle,
        model: Transformer,
        *,
        min_coverage: float = 1.0,
        objects: ObjectCoverage = MORE_THAN_NONE,
        threads: int = 1,
        device: str = "auto",
        tokens_per_pass: int = TOKENS_PER_PASS,
    ) -> None:
        if bundle.taxonomy.nodes != model.classes:
            raise ModelError(f"model {bundle.path}: its classes are not those of its network")
        if tuple(feature.name for feature in bundle.features) != model.inputs:
            raise ModelError(f"model {bundle.path}: its features are not those of its network")
        self.bundle = bundle
        self.min_coverage = min_coverage
        self.objects = replace(objects, reference_nulls=True)  # it has the light curve to go by
        self._answers_unseen = objects.reference_nulls  # from header and features alone
        self.tokens_per_pass = tokens_per_pass
        self._model = model
        self._network = Network(model, choose_device(device))
        self._transform = QuantileTransform(model.quantiles)
        self._kinds = InputKinds(model.inputs)
        self._match = lru_cache(maxsize=8)(self._match_columns)
        # A pass is one thread's work from end to end: faster than threads that share each matrix
        # product, and the number of threads of whoever calls us stays what it was.
        self._pool = ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1))

    def predict(self, batch: Batch, /) -> Prediction:
        """Answer every object. InputError without light curves or with too few of the features."""
        curves = batch.light_curves
        if curves is None:
            raise InputError(f"{self.bundle.label} needs light curves and the input has none")
        receipt = self._match(tuple(batch.features.column_names))
        conditional = np.empty((len(batch), len(self._model.classes)))
        found, observations = np.zeros((2, len(batch)), np.int32)
        there = np.zeros((len(batch), len(self._kinds)), bool)
        repairs: dict[int, str] = {}
        remarks = Remarks()
        for first in range(0, len(batch), OBJECTS_PER_PASS):
            rows = slice(first, first + OBJECTS_PER_PASS)
            matrix = self._matrix(batch.features[rows], receipt)
            usable = usable_values(matrix, self.bundle)
            found[rows], there[rows] = usable.sum(axis=1), self._kinds.there(usable)
            seen, said = self._answer(cut(curves, rows), matrix, conditional[rows])
            observations[rows] = seen.counts
            repairs |= {first + row: text for row, text in said.items()}
            add_remarks(remarks, seen.remarks)
        problems = self.objects.problems(found, len(receipt.columns))
        if not self._answers_unseen:
            problems |= _unseen(curves, observations)
        problems |= _problems(batch, curves, conditional)
        conditional[list(problems)] = np.nan
        repairs = join_texts(self._kinds.repairs(there, batch.repairs), repairs)
        repairs = join_texts(batch.repairs, repairs)
        repairs = {row: text for row, text in repairs.items() if row not in problems}
        return Prediction(
            batch,
            self.bundle,
            conditional,
            problems,
            repairs,
            remarks,
            found=found,
            observations=observations,
        )

    def self_test(self, curves: LightCurves, inputs: np.ndarray, answers: np.ndarray) -> None:
        """Answer golden rows, (N, F) inputs; ModelError if ``answers`` (N, C) are others."""
        found = np.empty_like(answers)
        self._answer(curves, inputs, found)
        if not np.allclose(found, answers, rtol=0, atol=SELF_TEST_TOLERANCE):
            raise ModelError(
                f"model {self.bundle.path}: its network does not give the answers it was published "
                "with; the model or this installation is damaged"
            )

    def _match_columns(self, names: tuple[str, ...]) -> Receipt:
        receipt = match_features(self.bundle.features, names)
        receipt.require(self.min_coverage, self.bundle.label)
        return receipt

    def _matrix(self, features: pa.Table, receipt: Receipt) -> np.ndarray:
        if not receipt.columns:  # a network of light curves alone
            return np.empty((len(features), 0))
        return feature_matrix(features, receipt)

    def _answer(
        self, curves: LightCurves, matrix: np.ndarray, out: np.ndarray
    ) -> tuple[Sequences, dict[int, str]]:
        """Fill ``out`` with probabilities; what was looked at, and row -> what was put right."""
        settings = self._model.settings
        seen = sequences(curves, settings.zero_point, self._network.n_values)
        matrix, repairs = fill_missing(matrix, self._model.inputs)
        order = np.argsort(seen.counts, kind="stable")
        n_other = 1 + (matrix.shape[1] + (settings.table == "beside") if matrix.shape[1] else 0)
        tokens = np.cumsum(seen.counts[order] + n_other)
        n_tokens = int(tokens[-1])
        size = min(self.tokens_per_pass, max(-(-n_tokens // PASSES), self.tokens_per_pass // 2))
        passes = np.split(order, np.flatnonzero(np.diff((tokens - 1) // size)) + 1)
        for rows, probability in zip(
            passes,
            self._pool.map(lambda rows: self._pass(seen, matrix[rows], rows), passes),
            strict=True,
        ):
            out[rows] = probability
        return seen, join_texts(repairs, seen.repairs)

    def _pass(self, seen: Sequences, matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Probabilities of these objects, ordered by their number of observations. (n, C)"""
        counts = seen.counts[rows]
        before = np.cumsum(counts) - counts
        starts = np.cumsum(seen.counts)[rows] - counts
        at = np.arange(counts.sum()) + np.repeat(starts - before, counts)
        device = self._network.device
        band, time, value = (
            torch.from_numpy(array[at]).to(device) for array in (seen.band, seen.time, seen.value)
        )
        inputs = self._transform(matrix).float().to(device)
        logits = self._network(Observations(counts, band, time, value), inputs)
        probability: np.ndarray = logits.double().softmax(1).cpu().numpy()
        return probability


def choose_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means here. InputError if it is not there."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("device cuda: this installation of torch finds no GPU; use cpu or auto")
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"no device {name!r}; choose from auto, cpu, cuda")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def _unseen(curves: LightCurves, observations: np.ndarray) -> dict[int, Problem]:
    """The objects that have observations, of which none can be looked at."""
    counts = np.diff(curves.offsets)
    unseen = np.flatnonzero((observations == 0) & (counts > 0))
    reasons = {
        row: f"none of its {counts[row]} observations can be used" for row in unseen.tolist()
    }
    return {row: Problem(Status.TOO_FEW_OBSERVATIONS, text) for row, text in reasons.items()}


def _problems(batch: Batch, curves: LightCurves, conditional: np.ndarray) -> dict[int, Problem]:
    problems = dict(batch.problems)
    for row in np.flatnonzero(np.diff(curves.offsets) == 0):
        nothing = Problem(Status.TOO_FEW_OBSERVATIONS, "the object has no observations")
        problems.setdefault(int(row), nothing)
    for row in np.flatnonzero(~np.isfinite(conditional).all(1)):
        reason = "its fluxes are too large for the network to give numbers"
        problems.setdefault(int(row), Problem(Status.INVALID_FEATURES, reason))
    return problems

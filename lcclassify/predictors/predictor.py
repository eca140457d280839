"""Predictor: a loaded model, whatever its family."""

from typing import Protocol

from lcclassify.batch import Batch
from lcclassify.bundle import ModelBundle
from lcclassify.prediction import Prediction


class Predictor(Protocol):
    """A loaded model. Stateless between calls; any batch size is fine, even 0."""

    @property
    def bundle(self) -> ModelBundle:
        """What is loaded."""

    def predict(self, batch: Batch, /) -> Prediction:
        """Answer every object of the batch, in its order."""

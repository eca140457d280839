"""Output schemas: how a prediction becomes a table."""

from collections.abc import Callable

import pyarrow as pa

from lcclassify.prediction import Prediction

OutputSchema = Callable[[Prediction], pa.Table]

"""Classify a table from Python: python examples/classify_table.py [FEATURES.parquet]."""

import sys
from pathlib import Path

import pyarrow.parquet as pq

import lcclassify


def main(path: str) -> None:
    """Classify a file in one call, then the same objects through the predictor itself."""
    table = pq.read_table(path)

    # One call: a table (or a pandas frame) in, a table of the same kind out.
    result = lcclassify.classify_table(table, "plasticc")
    print(result.select(["object_id", "class", "probability"]).slice(0, 3).to_pylist())

    # A predictor is loaded once and answers any number of batches, of any size.
    predictor = lcclassify.load("plasticc")
    names = [feature.name for feature in predictor.bundle.features]
    batch = lcclassify.Batch(
        object_id=table["object_id"].combine_chunks(),
        id_name="object_id",
        features=table.select(names),
    )
    prediction = predictor.predict(batch)
    print(prediction.leaf_probability.shape, predictor.bundle.taxonomy.classes)


if __name__ == "__main__":
    default = Path(__file__).parent / "plasticc_features.parquet"
    main(sys.argv[1] if len(sys.argv) > 1 else str(default))

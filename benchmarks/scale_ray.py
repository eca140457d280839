"""Files classified by tasks of Ray: scale_ray.py CATALOGUE RESULTS PROCESSES."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import ray

from lcclassify.scorer import TableScorer


@ray.remote
def classify(scorer: TableScorer, source: Path, target: Path) -> int:
    answers = scorer(pq.ParquetFile(source).read())
    pq.write_table(answers, target, compression="zstd")
    return answers.num_rows


def main(source: str, out: str, n: int) -> None:
    ray.init(num_cpus=n, include_dashboard=False, log_to_driver=False)
    scorer = TableScorer.of("plasticc")
    Path(out).mkdir()
    leaves = sorted(Path(source).glob("dataset/*/*/*.parquet"))
    ray.get([classify.remote(scorer, leaf, Path(out) / leaf.name) for leaf in leaves])
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

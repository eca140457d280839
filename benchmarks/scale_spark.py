"""Files classified inside a local Spark: scale_spark.py CATALOGUE RESULTS PROCESSES."""

import sys

from pyspark.sql import SparkSession

from lcclassify.adapters.spark import classify_frame


def main(source: str, out: str, n: int) -> None:
    builder = SparkSession.builder.master(f"local[{n},4]").config("spark.driver.memory", "4g")
    for key in ("spark.driver.host", "spark.driver.bindAddress"):
        builder = builder.config(key, "127.0.0.1")
    spark = builder.config("spark.ui.enabled", "false").getOrCreate()
    frame = spark.read.parquet(f"{source}/dataset/Norder=3/Dir=0")
    classify_frame(frame, "plasticc").write.parquet(out)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

# Each target creates what it needs. PYTHON may name any Python from 3.11 to 3.13.
PYTHON ?= python3
DEMO = .venv
DEV = .venv-dev
LSDB = .venv-lsdb
SPARK = .venv-spark

.PHONY: demo test test-long test-lsdb test-spark format benchmark requirements clean

demo: $(DEMO)/installed  ## classify real objects with the embedded model and compare with the truth
	$(DEMO)/bin/lcclassify classify-file examples/plasticc_features.parquet --to plasticc_classes.csv --force
	$(DEMO)/bin/python examples/compare_with_truth.py plasticc_classes.csv examples/plasticc_truth.csv

test: $(DEV)/installed  ## lint, types, all tests but the long ones
	$(DEV)/bin/ruff check
	$(DEV)/bin/ruff format --check
	$(DEV)/bin/mypy
	$(DEV)/bin/python -m pytest -m "not long" -n auto --dist loadfile

test-long: $(DEV)/installed  ## the tests that take minutes
	$(DEV)/bin/python -m pytest -m long

test-lsdb: $(LSDB)/installed  ## catalogues and the adapter, with LSDB itself; some 2 GB
	$(LSDB)/bin/python -m pytest -W default --confcutdir tests/environments tests/environments/lsdb

test-spark: $(SPARK)/installed  ## the Spark adapters, on a local Spark; needs Java 17
	$(SPARK)/bin/python -m pytest --confcutdir tests/environments tests/environments/spark

benchmark: $(DEV)/installed  ## ratios against scikit-learn, the padded network and a plain step
	$(DEV)/bin/python benchmarks/forest.py
	$(DEV)/bin/python benchmarks/transformer.py
	$(DEV)/bin/python benchmarks/stream.py
	$(DEV)/bin/python benchmarks/stream_live.py  # needs Apache Kafka

format: $(DEV)/installed
	$(DEV)/bin/ruff check --fix
	$(DEV)/bin/ruff format

requirements: $(DEV)/installed  ## write the pinned exports of pyproject.toml anew
	$(DEV)/bin/python .ci/export_requirements.py

$(DEMO)/installed: pyproject.toml constraints.txt $(shell find lcclassify -type f -not -path '*/__pycache__/*')
	test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet -c constraints.txt .
	touch $@

$(DEV)/installed: pyproject.toml constraints.txt
	test -x $(DEV)/bin/python || $(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

$(LSDB)/installed: pyproject.toml constraints.txt tests/environments/lsdb.txt
	test -x $(LSDB)/bin/python || $(PYTHON) -m venv $(LSDB)
	$(LSDB)/bin/python -m pip install --quiet -c constraints.txt -r tests/environments/lsdb.txt -e ".[torch]"
	touch $@

$(SPARK)/installed: pyproject.toml tests/environments/spark.txt
	test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python -m pip install --quiet -c tests/environments/spark.txt -e ".[spark,torch]" pytest
	touch $@

clean:
	rm -rf $(DEMO) $(DEV) $(LSDB) $(SPARK) build dist *.egg-info

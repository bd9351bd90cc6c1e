# `make help` lists the targets. PYTHON=/path/to/python chooses the interpreter, VENV the environment's folder, JOBS the
# number of test processes, ARGS what else pytest is given.
VENV ?= .venv
JOBS ?= 2
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -n $(JOBS)

# Without bytecode every process of the tests would parse and rewrite all of them anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv lint test test-fast test-slow matrix coverage demo mutations references sources parity bench batches accuracy corrected verdicts calibration effective-draws ingredients ablation development-set docs gallery gallery-references look clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

venv:  ## find a Python 3.8-3.13, make .venv and install the pinned requirements
	@scripts/make_venv.sh $(VENV)

lint: venv  ## ruff (rules and format) and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test: lint test-fast test-slow  ## linters and both tiers, the fast one first (what CI runs)

test-fast: venv  ## tests not marked slow
	$(PYTEST) --dist worksteal -m "not slow" $(ARGS)

test-slow: venv  ## tests marked slow
	$(PYTEST) -m slow $(ARGS)

matrix:  ## the fast tier on every supported Python that is found, a line each; ARGS goes to pytest
	@scripts/matrix.sh $(ARGS)

coverage: venv  ## lines of the package that the fast tier does not run
	$(PYTEST) -m "not slow" --cov --cov-report=term-missing $(ARGS)

demo: venv  ## fit the radon model by ADVI, compare with a stored NUTS run, write two PNG files to demo_output/
	$(PY) -m examples.demo

mutations: venv  ## break 30 places of the package, one at a time: which breaks does the fast tier notice? an hour
	$(PY) scripts/mutate.py $(ARGS)

references: venv  ## repeat the long NUTS runs behind tests/references/ (about an hour)
	$(PY) scripts/make_references.py
	$(PY) scripts/make_loo_references.py

sources: venv  ## the tests of Parquet, HDF5, zarr and Dask, with their packages in a folder of their own
	$(PY) -m pip install --quiet --target .sources pyarrow h5py "zarr<3" "dask[array,dataframe]" $(shell $(PY) -c "import numpy, pandas; print(f'numpy=={numpy.__version__} pandas=={pandas.__version__}')")
	PYTHONPATH=$(CURDIR):$(CURDIR)/.sources $(PY) -m pytest -q tests/data

parity: venv  ## PyMC3's own tests of its variational module, run against this package
	$(PY) tests/parity/run_pymc3_tests.py $(ARGS)

bench: venv  ## times against pymc3.variational, PyMC 5 and NumPyro, hours long; ARGS="--help" tells how to shorten it
	$(PY) -m benchmarks --markdown docs/benchmarks.md $(ARGS)

batches: venv  ## cost of log p for each of many points, one and two threads, against NumPyro, into docs/batches.md
	$(PY) -m benchmarks.batches $(ARGS)

accuracy: venv  ## default fits against the optimum of their family over the development set, into docs/accuracy.md
	$(PY) -m benchmarks.accuracy

corrected: venv  ## correct='hmc' and fit(method='auto') against known posteriors, into docs/corrected.md; an hour, goes on where it stopped
	$(PY) -m benchmarks.corrected $(ARGS)

ablation: venv  ## what each part of the compiler earns, into docs/ablation.md; hours, goes on where it stopped
	$(PY) -m benchmarks.ablation $(ARGS)

ingredients: venv  ## what each part of the default rule is worth, into docs/ingredients.md; an hour, goes on where it stopped
	$(PY) -m benchmarks.ingredients $(ARGS)

development-set: venv  ## repeat the NUTS runs and the family optima behind tests/references/dev_*.json and hard_*.json (hours)
	$(PY) -m benchmarks.development_nuts
	$(PY) -m benchmarks.radon_quadrature
	$(PY) -m benchmarks.sampled_nuts
	$(PY) -m benchmarks.horseshoe_gibbs
	$(PY) -m benchmarks.development_optima

calibration: venv  ## simulation-based calibration of fits and their corrected draws, into docs/calibration.md; half an hour
	$(PY) -m benchmarks.calibration $(ARGS)

effective-draws: venv  ## seconds to 1,000 effective draws beside pm.sample and NumPyro, into docs/effective_draws.md; an hour
	$(PY) -m benchmarks.effective_draws $(ARGS)

verdicts: venv  ## how often diagnose() is right, into docs/verdicts.md; an hour or two, goes on where it stopped
	$(PY) -m benchmarks.verdicts $(ARGS)

docs: venv  ## HTML documentation into docs/_build/html
	$(PY) -m sphinx -W --keep-going -n -b html docs docs/_build/html

gallery: venv  ## run the notebooks of docs/gallery/ and store their outputs, two at a time; ARGS="radon counts" runs these alone
	JOBS=$(JOBS) $(PY) docs/gallery/run.py $(ARGS)

gallery-references: venv  ## repeat the runs of NUTS that the notebooks are compared with; ARGS as for gallery
	$(PY) docs/gallery/make_references.py $(ARGS)

look: docs  ## every page of the documentation in headless Chromium, 1280 and 400 pixels wide: what is cut off, which links are dead
	$(PY) -m pip install --quiet --target .browser playwright
	PYTHONPATH=$(CURDIR)/.browser $(PY) scripts/look_at_docs.py $(ARGS)

clean:  ## remove what builds, tests and the demo leave behind (not .venv)
	rm -rf build dist .matrix .sources .browser *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage .theano .bench docs/_build demo_output
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

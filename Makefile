# make demo   set up .venv and compare three losses on the synthetic world (no network needed for data)
# make test   set up .venv and run every check and every chapter
# make export modules from the notebooks, README.md from nbs/index.ipynb, the reference from the modules
# make preview the site without Quarto, in _preview     make docs   the site (needs Quarto), in _docs, with its links checked
# make figures the landing page's pictures     make bench  measure training and evaluation     make clean  remove what these commands made
PYTHON ?= python3
VENV   ?= .venv
PY      = $(VENV)/bin/python
PIP     = $(PY) -m pip install --quiet --disable-pip-version-check
JOBS   ?= 2
# make test VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt TORCH=torch==2.11: with the oldest packages that settings.ini allows
CONSTRAINTS ?= constraints.txt
SETUP   = settings.ini setup.py pyproject.toml $(CONSTRAINTS)
# plain `torch` would pull the newest CUDA build; the tested version is asked for by name and first
TORCH  ?= torch==2.13.0

.PHONY: demo test readme reference figures preview docs bench clean export

demo: $(VENV)/.ready
	$(VENV)/bin/ce-sce-rec run compare_losses -p store demo/runs -p output demo
	@echo "Look at demo/figure.png and demo/table.html; demo/compare_losses.ipynb is the executed notebook, demo/results.csv has one row for each run."

test: $(VENV)/.ready-dev
	$(PY) -m pytest -n $(JOBS) --dist worksteal tests

readme: $(VENV)/.ready-dev
	$(PY) tools/readme.py

export: $(VENV)/.ready-dev
	$(VENV)/bin/nbdev_export && $(VENV)/bin/nbdev_clean && $(PY) tools/readme.py && $(PY) tools/reference.py

reference: $(VENV)/.ready-dev
	$(PY) tools/reference.py

figures: $(VENV)/.ready-dev
	$(PY) tools/figures.py

preview: $(VENV)/.ready-dev
	$(PY) tools/preview.py

docs:
	@command -v quarto >/dev/null || { echo "make docs needs Quarto: install it from https://quarto.org/docs/get-started/ and run make docs again"; exit 1; }
	@$(MAKE) --no-print-directory $(VENV)/.ready-dev
	$(PY) tools/pages.py _proc
	cd _proc && quarto render --no-execute --log render.log
	rm -rf _docs && mv _proc/_docs _docs
	$(PY) tools/plain.py _docs
	$(PY) tools/check_site.py _docs

bench: $(VENV)/.ready
	$(PY) tools/bench.py
	$(PY) tools/bench_kernels.py

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ready: $(VENV)/.made $(SETUP)
	$(PIP) -c $(CONSTRAINTS) "$(TORCH)"
	$(PIP) -c $(CONSTRAINTS) -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) -c $(CONSTRAINTS) -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) demo _docs _proc _preview build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

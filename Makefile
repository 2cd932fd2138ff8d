# Everything a person or CI does with the course. `make` alone lists it.
PYTHON ?= python3
PORT ?= 8000
CHAPTER ?= $(wildcard chapters/*.ipynb appendix/*.ipynb)

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
INSTALLED := .venv/.installed
HTML := _build/html
SEEDS ?= 1 2 3
SUITE ?= bookworm
# Two cores keep three workers busy, as each waits for its kernel or browser a third of
# the time. A file stays with one of them: a notebook has one kernel. Files are taken as
# they come, tests first, so that the workers end together.
WORKERS = 3
TEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
VALIDATE = $(TEST) --nbval -m "not machinery"
# Lanes take one notebook a test, in random order: they depend on no order.
LANE = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/pytest -n 2 --dist worksteal --random-order-bucket=global

.DEFAULT_GOAL := help
.PHONY: help book serve lab test machinery changed offline fresh status threads seeds real twice alone plain pseudo jupyterlab accelerator versions execute times lint format gettext release requirements clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

# An environment keeps the Python it was made with, so that one is checked if it is there.
# The stamp is written last: an interrupted installation is taken up again.
$(INSTALLED): requirements.txt pyproject.toml $(wildcard lab/*)
	@used="$(PYTHON)"; fix="name another one, as in: make PYTHON=python3.13"; \
	if test -x $(BIN)/python; then used=$(BIN)/python; fix="delete the folder .venv and run make again"; fi; \
	$$used -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))" || { \
	echo "The course needs Python 3.11, 3.12, 3.13 or 3.14; $$used is $$($$used --version 2>&1). What to do: $$fix" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable . ./lab
	touch $@

book: $(INSTALLED)  ## build the site, warnings are errors
	$(BIN)/jupyter-book build --warningiserror --nitpick --keep-going --quiet .
	@echo "The course is built. Open $(HTML)/index.html in a browser, or run: make serve"

serve: book  ## build the site and serve it on this machine
	@echo "The course is at http://localhost:$(PORT) (Ctrl+C ends it)"
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(HTML) $(PORT)

lab: $(INSTALLED)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab $$(test "$$(id -u)" != 0 || echo --allow-root) --LabApp.default_url=/lab/tree/chapters

test: $(INSTALLED)  ## re-run every chapter, and test pages, exercises and helpers
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(VALIDATE)

machinery: $(INSTALLED)  ## test what builds, publishes and proves the course, and recorded results
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(TEST) -m machinery tests

# What a notebook takes is measured here: a core for each.
changed: WORKERS = 2
changed: $(INSTALLED)  ## re-run the chapters that changed, or whose helpers, data, packages did
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(VALIDATE) --changed $(CHAPTER) tests/test_notebooks.py

offline: $(INSTALLED)  ## all that `make test` runs, in a namespace without a network
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python tools/offline.py $(VALIDATE)

fresh:  ## `make book` and `make test` on a bare Debian, as root; SUITE=trixie
	$(PYTHON) tools/fresh.py $(SUITE)

status: changed  ## re-run what changed, try the exercises; writes appendix/status.json
	$(BIN)/python -m tools.status

threads: $(INSTALLED)  ## re-run every chapter with two threads, outputs compared
	OMP_NUM_THREADS=2 $(BIN)/pytest --nbval --record _build/status/threads.json $(CHAPTER)

seeds: $(INSTALLED)  ## every chapter from other seeds, asserts unchanged; SEEDS="1 2 3"
	SEEDS="$(SEEDS)" $(LANE) tests/lanes/seeds.py

real: $(INSTALLED)  ## chapters on the real data that are on this machine, asserts unchanged
	$(LANE) -rs tests/lanes/real.py

twice: $(INSTALLED)  ## every cell twice, every section again after the next
	$(LANE) tests/lanes/twice.py

alone: $(INSTALLED)  ## every chapter alone in a fresh checkout, outputs compared
	$(LANE) tests/lanes/alone.py

plain: $(INSTALLED)  ## write the plain notebooks to _build/plain, and run each by itself (ONLY=02_tensors: that one)
	rm -rf _build/plain
	$(BIN)/python -m tools.plain _build/plain
	$(LANE) tests/lanes/plain.py -k "$(ONLY)"

pseudo: $(INSTALLED)  ## the site in a language that nobody speaks, with the tests of its pages
	TRANSLATED=1 $(BIN)/pytest -n 2 --dist worksteal tests/lanes/unpacked.py tests/test_reading.py tests/test_search.py tests/test_site.py -k "unpacked or reading or nothing_found or results_are or loads_the_index or page_is_sound or links_lead or code_is_copied or long_page or mode_is"

jupyterlab: $(INSTALLED)  ## a small chapter in JupyterLab, in a browser
	$(BIN)/pytest tests/lanes/jupyterlab.py

accelerator: $(INSTALLED)  ## chapters, helpers and planted bugs on a device that is not the CPU
	PYTHONPATH="$(CURDIR)/tests/accelerator" OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/pytest -n 2 --dist worksteal tests/accelerator tests/test_attack.py

versions: $(INSTALLED)  ## other versions of torch and Python; writes appendix/versions.csv
	$(BIN)/nox

execute: $(INSTALLED)  ## run chapters and store their outputs; CHAPTER=chapters/05_workflow.ipynb for one
	$(BIN)/python -m tools.execute $(CHAPTER)

times: $(INSTALLED)  ## write how long chapters take into their heads
	$(BIN)/python -m tools.times

lint: $(INSTALLED)  ## check the style of all code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/zizmor --offline --quiet .github

format: $(INSTALLED)  ## format all code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

gettext: $(INSTALLED)  ## extract the prose for translators, warnings are errors
	$(BIN)/jupyter-book build --warningiserror --nitpick --keep-going --quiet --path-output _build/i18n --builder custom --custom-builder gettext .

release: $(INSTALLED)  ## pack site, notebooks, data and helpers into one zip that works offline
	rm -rf _build/release
	$(BIN)/jupyter-book build --warningiserror --nitpick --keep-going --quiet --path-output _build/release .
	$(BIN)/python tools/release.py _build/release/_build/html _build

requirements:  ## refresh the exact versions in requirements.txt (needs uv)
	uv pip compile --universal --python-version 3.11 --group dev --no-annotate --no-header --upgrade pyproject.toml --output-file requirements.txt

clean:  ## remove what was built, and the environment
	rm -rf _build .venv *.egg-info .pytest_cache .ruff_cache .hypothesis

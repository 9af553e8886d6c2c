# The one way in. `make demo` and `make test` are all a fresh machine needs (python3 with venv, make, apt).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -q
# Tests run side by side, and whoever is done takes over from the others.
JOBS   ?= $(shell nproc)
BESIDE := -n $(JOBS) --dist worksteal
# Half as many again where tests wait for processes and registries.
MORE   := $(shell echo $$(($(JOBS) * 3 / 2)))
ARGS   ?=
# Which tests `make test` runs.
TESTS  ?= tests
DEMO   := demo-out
TARGETS := linux/amd64,linux/arm64,linux/arm/v7,linux/arm/v6,linux/riscv64,linux/s390x

# What the tests use when it is there. A test that misses one is skipped and says so.
APT_TEST    := docker-registry skopeo
APT_INTEROP := $(APT_TEST) zsh fish chromium-driver npm podman buildah umoci containerd runc uidmap passt slirp4netns qemu-user-static busybox-static libarchive-tools clang lld llvm rustc-web cargo-web

# Compiled modules are kept, whatever the machine's habit is: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo dist image test unit unit-a-d unit-e-z long coverage mutants interop peers check format docs site bench matrix faults clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1 —/p' $(MAKEFILE_LIST)

install: $(STAMP)  ## the virtual environment with everything for development

$(STAMP): pyproject.toml tests/peers/venv.sh
	@tests/peers/venv.sh $(VENV) $(PYTHON) '.[dev,go,zig,isal]'
	@touch $@

demo: $(STAMP)  ## build testdata/src-go/hello for six platforms and show the table
	@rm -rf $(DEMO)
	$(BIN)/ocitool build testdata/src-go/hello --platform $(TARGETS) -o oci:$(DEMO):latest
	$(BIN)/ocitool inspect oci:$(DEMO):latest

dist: $(STAMP)  ## the files of a release: sdist, wheel, and a .pyz for each Python and machine
	@$(BIN)/python -m tests.release dist

image: $(STAMP)  ## the project's own image, built by itself for amd64 and arm64 (ARGS='-t REF --push')
	@$(BIN)/python -m tests.release image $(ARGS)

test: $(STAMP)  ## everything that needs Python, Go from PyPI and two Debian packages
	@tests/peers/apt.sh $(APT_TEST)
	$(PYTEST) -n $(MORE) --dist worksteal $(TESTS) -m 'not interop and not bench and not long'

unit: $(STAMP)  ## the pure tests only, without those that take a tenth of a second and more
	@$(MAKE) -j2 -O --no-print-directory unit-a-d unit-e-z

# Two runs side by side: for tests this small, workers that report to one cost half as much again.
unit-a-d: ; $(PYTEST) tests/unit/[a-d]* -m 'not slow'
unit-e-z: ; $(PYTEST) tests/unit/[!a-d_]* tests/structure -m 'not slow'

long: $(STAMP) peers  ## what takes minutes or gibibytes: 50 kills, broken inputs by the hundred thousand
	OCITOOL_LONG=1 $(PYTEST) $(BESIDE) tests -m '(long or slow or property) and not bench'

coverage: $(STAMP)  ## lines and branches by folder, child processes counted
	@$(BIN)/python -m tests.coverage $(JOBS)

mutants: $(STAMP)  ## small wrong changes, one at a time: does a test notice? (ARGS='--help')
	@$(BIN)/python -m tests.mutants $(ARGS)

interop: $(STAMP) peers  ## other people's tools read what we write, and the reverse
	$(PYTEST) -n $(MORE) --dist loadgroup tests -m 'interop and not bench and not long'

peers: $(STAMP)  ## install the peers: Debian packages, and Go tools built into the cache
	@tests/peers/apt.sh $(APT_INTEROP)
	@tests/peers/rust.sh x86_64-unknown-linux-musl aarch64-unknown-linux-musl
	@$(BIN)/python -m tests.peers

check: $(STAMP)  ## format, lint, types, generated pages, and the wheel as the sdist gives it
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) $(BESIDE) tests/structure
	@tests/peers/wheel.sh $(BIN)/python

format: $(STAMP)  ## let ruff write
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## write the generated pages of docs/reference
	$(BIN)/python docs/generate.py

site: $(STAMP)  ## the documentation as a site in dist/site, every link checked, and man pages in dist/man
	@$(BIN)/python docs/make_site.py

bench: $(STAMP) peers  ## the tables of docs/reference/benchmarks.md, measured in one run (ARGS: some modules of tests/bench)
	@$(BIN)/python -m tests.bench $(ARGS)

matrix:  ## the pure tests on every Python from 3.11 that this machine has
	@tests/peers/matrix.sh

faults: $(STAMP)  ## every kind of request against every kind of fault, printed as a table
	@$(BIN)/python -m tests.fault.matrix

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist

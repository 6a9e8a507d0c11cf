# Each target does one thing; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
LIGHT := .venv-cpu
# The demo takes the full environment where there is one, and otherwise makes the light one.
DEMO := $(if $(wildcard $(VENV)/.complete),$(VENV),$(LIGHT))
# One picture of each shipped room.
PICTURES = $(foreach room,$(wildcard samples/*/),$(or $(word 30,$(sort $(wildcard $(room)*.jpg))),$(firstword $(wildcard $(room)*.jpg))))
CORES := $(shell nproc)
# Many tests wait for processes, so that the cores have work for one worker more.
WORKERS ?= $(shell expr $$(nproc) + 1)
PACKAGES := shared edge_encoder cloud_analytics taxon training experiments tools
# all.lock has settings of its own, for Python 3.11 and 3.12 alone.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | while IFS=$$'\t' read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done

.PHONY: setup
setup: $(VENV)/.complete ## Make .venv with everything the tests and training need (about 6 GB: torch)

.PHONY: demo
demo: $(DEMO)/.complete ## Cloud, edge and three cameras on this machine, live in a browser (DURATION=20 ends by itself)
	$(DEMO)/bin/python -m taxon demo $(if $(DURATION),--duration $(DURATION))

.PHONY: sheets
sheets: $(DEMO)/.complete ## Code three of the shipped pictures and draw what the bytes say (out/sheets/)
	@test -n "$(strip $(PICTURES))" || { echo "make: there are no pictures in samples/" >&2; exit 1; }
	$(DEMO)/bin/python -m taxon run $(wordlist 1,3,$(PICTURES)) -o out/sheets
	@echo "Open out/sheets/*.sheet.png"

# mypy runs beside the tests and fills the moments in which they wait.
.PHONY: check
check: setup ## Lint, types, and every test that starts neither a server nor a process (within a minute on two cores)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy & types=$$!; $(VENV)/bin/python -m pytest -q -n $(CORES) -m starts_nothing; wait $$types

.PHONY: test
test: setup ## Run the tests (with what they need of Debian, which this installs where it may), and say what they covered
	tests/debian.sh
	$(VENV)/bin/python -m pytest -n $(WORKERS) -m 'not e2e and not alone' --cov --cov-report=
	$(VENV)/bin/python -m pytest -m alone --cov --cov-append

.PHONY: e2e-scale
e2e-scale: setup ## Two clouds on one NATS under load, killed in turn (FAULTS=180 seconds of it)
	tests/debian.sh
	$(VENV)/bin/python -m tests.trials.scale --seconds $(or $(FAULTS),180)

# JSON=docs/chaos.json (docs/soak.json, and FIGURE=docs/figures/soak.png) keeps a run's figures for docs/resilience.md: `make resilience-page`.
.PHONY: chaos
chaos: setup ## Faults at random: kills, cuts, storms, clocks, a full disk, a torn spool; nothing is lost or doubled (DURATION=120 seconds, SEED; root for all of it)
	tests/debian.sh faketime
	$(VENV)/bin/python -m tests.trials.chaos --seconds $(or $(DURATION),120) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON))

.PHONY: load
load: setup ## Offer up to 2.5 times what the services can do, from 1 to 1000 cameras (docs/load.json, docs/figures/load.png; DURATION=480 seconds)
	$(VENV)/bin/python -m benchmarks.load --seconds $(or $(DURATION),480)

.PHONY: soak
soak: setup ## A steady load while cameras and subscribers come and go: memory, descriptors, threads stay flat (DURATION=600 seconds; out/soak.csv)
	$(VENV)/bin/python -m tests.trials.soak --seconds $(or $(DURATION),600) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON)) $(if $(FIGURE),--figure $(FIGURE))

.PHONY: resilience-page
resilience-page: setup ## Write the measured figures into docs/resilience.md
	$(VENV)/bin/python -m benchmarks.resilience_page

.PHONY: fuzz
fuzz: setup ## Fuzz everything that takes bytes from outside, guided by coverage (DURATION=60 seconds in all)
	$(VENV)/bin/python -m tests.trials.fuzz --seconds $(or $(DURATION),60)

.PHONY: lint
lint: setup ## Check style and imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

.PHONY: types
types: setup ## Check the types (mypy, strict)
	$(VENV)/bin/mypy

.PHONY: bench
bench: setup ## Measure codec and services, each as a ratio in one run (about 6 minutes)
	$(VENV)/bin/python -m benchmarks.entropy --images $(PICTURES)
	$(VENV)/bin/python -m benchmarks.throughput
	$(VENV)/bin/python -m benchmarks.delay
	$(VENV)/bin/python -m benchmarks.wire

# What a real RTSP camera is made of.
RTSP_CAMERA := python3-gi gir1.2-gst-rtsp-server-1.0 $(addprefix gstreamer1.0-plugins-,base good bad ugly)

.PHONY: metrics-check
metrics-check: setup ## Judge rules, pages and dashboards, scrape live services (about two minutes; installs Debian's Prometheus where it may)
	tests/debian.sh prometheus prometheus-alertmanager $(RTSP_CAMERA)
	promtool check config deploy/prometheus/prometheus.yml deploy/prometheus/compose.yml
	promtool check config --syntax-only deploy/prometheus/compose.tls.yml
	promtool test rules deploy/prometheus/tests/*.yml
	amtool check-config deploy/alertmanager/alertmanager.yml
	amtool config routes test --config.file=deploy/alertmanager/alertmanager.yml --verify.receivers=critical severity=critical
	amtool config routes test --config.file=deploy/alertmanager/alertmanager.yml --verify.receivers=warning severity=warning
	$(VENV)/bin/python -m pytest tests/integration/deploy tests/unit/deploy

.PHONY: privacy
privacy: setup ## What a stolen bitstream shows: train an attack on it, judge its pictures (needs TAXON_DATA; an hour or two, goes on where it stopped)
	$(VENV)/bin/python -m taxon experiment privacy --work $(or $(WORK),work) --workers $(or $(WORKERS),2)

.PHONY: crossarch
crossarch: setup ## The same symbols on other machines: aarch64 (qemu), BLAS kernels and threads, CPU levels, numpy versions (about 3 minutes)
	$(VENV)/bin/python -m tests.trials.crossarch $(if $(TABLE),--table $(TABLE))

.PHONY: wheel
wheel: setup ## Build the wheel twice, from two copies of the commit; fails unless both have the same SHA-256
	deploy/build_wheel.sh dist

.PHONY: sbom
sbom: setup ## Say what is in a release, from the lock files, as CycloneDX (dist/sbom/)
	deploy/write_sbom.sh dist/sbom

.PHONY: images
images: ## Build the images of edge and cloud (ACCELERATOR=gpu for the GPU variant)
	deploy/build_images.sh

.PHONY: images-twice
images-twice: ## Build the images twice without a cache; fails unless they have the same files (four minutes; root where no engine runs)
	deploy/prepare_engine.sh
	deploy/compare_images.sh

.PHONY: e2e-docker
e2e-docker: setup ## Build the images, run the Compose stack on a real engine, kill its containers (root where no engine runs)
	deploy/prepare_engine.sh
	$(VENV)/bin/python -m pytest -m e2e --durations=5 tests/e2e/test_containers.py tests/e2e/test_tls_containers.py \
	    tests/e2e/test_scaled_containers.py

.PHONY: lock
lock: setup ## Resolve the dependencies anew into requirements/*.lock
	$(LOCK) $(UPGRADE) --extra cpu --extra video --extra nats pyproject.toml requirements/build.in -o requirements/cpu.lock
	$(LOCK) $(UPGRADE) -c requirements/cpu.lock --extra cpu --extra nats pyproject.toml -o requirements/services-cpu.lock
	$(LOCK) $(UPGRADE) -c requirements/cpu.lock --extra cuda --extra nats pyproject.toml -o requirements/services-gpu.lock
	$(LOCK) $(UPGRADE) -c requirements/cpu.lock requirements/video.in -o requirements/video.lock
	$(LOCK) $(UPGRADE) --project requirements/train --extra cpu --extra video --extra nats --extra train --extra dev pyproject.toml requirements/build.in -o requirements/all.lock

.PHONY: clean
clean: ## Remove what the commands wrote; the environments stay
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find $(PACKAGES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# An environment is complete when its stamp is newer than what it was made from.
# $(1): its lock file. $(2): the newest Python's minor version, and $(3) in words.
define environment
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 is missing (Debian: apt-get install python3)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(2)))' \
	    || { echo "make: Python $(3) is needed, $(PYTHON) is another; name one with make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "make: Python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(@D)/bin/python || "$(PYTHON)" -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
endef

PROTOS := $(wildcard proto/taxon/v1/*.proto)

$(VENV)/.complete: requirements/all.lock pyproject.toml setup.py $(PROTOS)
	$(call environment,requirements/all.lock,12,3.11 or 3.12)

$(LIGHT)/.complete: requirements/cpu.lock pyproject.toml setup.py $(PROTOS)
	$(call environment,requirements/cpu.lock,13,3.11 to 3.13)

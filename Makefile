# make lists the targets; make check is what CI runs.

TOOL  := go tool -modfile=internal/dev/tools/go.mod
COUNT ?= 6
BENCH ?= .
FUZZ  ?= .

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: check
check: fmt vet lint vuln test test-nocgo ## Everything that CI checks

.PHONY: fmt
fmt: ## Fail if a file is not gofmt'ed
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "not formatted; run gofmt -w on:"; echo "$$bad"; exit 1; }

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: lint
lint: ## Run staticcheck, at the version in internal/dev/tools/go.mod
	$(TOOL) staticcheck ./...

# Where the vulnerability database cannot be reached nothing is known either way.
.PHONY: vuln
vuln: ## Run govulncheck; skipped, with a line, where its database is out of reach
	@out=$$($(TOOL) govulncheck ./... 2>&1); rc=$$?; \
	case "$$rc $$out" in \
	0*) echo "govulncheck: nothing found" ;; \
	*"fetching vulnerabilities"*) echo "govulncheck: skipped: its database cannot be reached from here" ;; \
	*) printf '%s\n' "$$out"; exit 1 ;; \
	esac

.PHONY: test
test: ## Run all tests under the race detector, the examples among them
	go test -race -timeout 30m ./...
	go test -run=AllocatesNothing ./objective/neural/internal/nn # which the race detector makes allocate
	cd internal/dev/kubernetes && go test ./... # a module of its own, for Kubernetes' types

# A file of studies is the one thing that both kinds of build share while they run.
.PHONY: test-nocgo
test-nocgo: ## Build everything without cgo, and test storage/sqlite so, beside workers that have it
	CGO_ENABLED=0 go build ./...
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go build ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build ./...
	CGO_ENABLED=0 go vet ./storage/sqlite/...
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	CGO_ENABLED=1 go test -c -o "$$dir/worker" ./storage/sqlite && \
	ATTUNE_SQLITE_WORKER="$$dir/worker" CGO_ENABLED=0 go test ./storage/sqlite

.PHONY: fuzz
fuzz: ## Fuzz every target for a minute (FUZZTIME=1m FUZZWORKERS=n FUZZ=regexp)
	scripts/fuzz.sh '$(FUZZ)'

.PHONY: examples
examples: ## Build and run every example
	go test -count=1 -v ./examples/

.PHONY: bench
bench: ## Run the Go benchmarks, ready for benchstat (COUNT=6 BENCH=regexp)
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) ./...

.PHONY: compare
compare: ## Judge search quality beside Optuna's (a few minutes, no Python)
	scripts/quality.sh

.PHONY: compare-samplers
compare-samplers: ## Set all samplers side by side, in a smoke run; scripts/search.sh says how to run all
	scripts/search.sh -smoke

.PHONY: gpu
gpu: ## Check and time networks on an NVIDIA GPU; without one, build what to copy to it
	scripts/gpu.sh

.PHONY: compare-speed
compare-speed: ## Time attune, Optuna, Rustuna and goptuna (needs Python)
	scripts/speed.sh

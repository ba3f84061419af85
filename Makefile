# Every target installs what it misses and says so. `make demo` and `make test` are all
# that a fresh Debian machine with Go needs.

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LINT       = .tools/golangci-lint
LINT_AT    = v2.15.0
PG         = /usr/lib/postgresql/15/bin/initdb
TEST_FLAGS ?=
BENCH_FLAGS ?=

export CGO_ENABLED ?= 0

.PHONY: build demo test unit e2e lint bench bench-gateway bench-parts soak fuzz clean

build: ## bin/fairlead
	$(GO) build -trimpath -ldflags "-s -w -X main.built=$(VERSION)" -o bin/fairlead ./cmd/fairlead

demo: build ## the main job on embedded defaults
	@scripts/need.sh docker-registry=docker-registry crun=crun dpkg-deb=dpkg
	$(GO) run -trimpath ./internal/demo

test: lint unit e2e ## everything

unit: needs-test ## unit, conformance and script tests, with the race detector
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) $$($(GO) list ./... | grep -v /internal/e2e)

e2e: build needs-test ## whole processes: servers, workers, engines, registries
	CGO_ENABLED=1 $(GO) test -race -timeout 40m $(TEST_FLAGS) ./internal/e2e/...

lint: $(LINT) ## golangci-lint, and gofumpt and goimports with it
	$(LINT) run ./...
	$(LINT) fmt --diff ./...

bench: bench-gateway bench-parts ## benchmarks, beside a peer where there is one

bench-gateway: build needs-test ## the gateway beside other pull-through caches
	@scripts/need.sh nginx=nginx wrk=wrk
	@scripts/peers.sh
	$(GO) run ./internal/bench $(BENCH_FLAGS)

soak: build ## the gateway for an hour: memory, files, goroutines, every byte checked
	$(GO) run ./internal/bench -soak 1h -scale 0.01 -strict

bench-parts: build needs-test ## the parts, one by one
	$(GO) test -run '^$$' -bench . -benchtime 2s -timeout 60m $(TEST_FLAGS) ./...

fuzz: ## every fuzz target, a minute each
	scripts/fuzz.sh 60s

.PHONY: needs-test
needs-test:
	@scripts/need.sh gcc=gcc git=git $(PG)=postgresql-15 dockerd=docker.io docker=docker.io containerd=containerd docker-registry=docker-registry \
		crun=crun runc=runc skopeo=skopeo podman=podman iptables=iptables busybox=busybox-static igzip=isal

$(LINT):
	@echo "Building golangci-lint $(LINT_AT); this takes two minutes, once."
	GOBIN=$(CURDIR)/.tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_AT)

clean:
	rm -rf bin .cache

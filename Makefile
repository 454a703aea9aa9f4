# make help lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := bin/mock-ec2-metadata
TOOLS := bin/tools
# Of a length that does not depend on the clone, so that a commit has one name, and one binary.
VERSION ?= $(shell git describe --tags --always --dirty --abbrev=12 2>/dev/null || echo unknown)
# HTTP/2 is half a megabyte that nobody here speaks: metadata clients do not, and STS does without.
TAGS := nethttpomithttp2
LDFLAGS := -s -w -X main.version=$(VERSION)
SHELL_SCRIPTS = $(shell git ls-files --cached --others --exclude-standard '*.sh' .ci/run)
ARGS ?=

.PHONY: build
build: ## Build bin/mock-ec2-metadata, static and stripped
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/mock-ec2-metadata

.PHONY: kube
kube: ## Build bin/mock-ec2-metadata-kube, the program for Kubernetes (docs/kubernetes.md)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(BIN)-kube ./cmd/mock-ec2-metadata-kube

.PHONY: cross
cross: ## See that macOS and Windows can be built for, on amd64 and arm64
	@for os in darwin windows; do for arch in amd64 arm64; do for program in mock-ec2-metadata mock-ec2-metadata-kube; do \
	  echo "$$os/$$arch $$program"; CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -o /dev/null ./cmd/$$program; \
	done; done; done

.PHONY: run
run: build ## Build and serve on port 5000 (ARGS='--log-level debug' adds flags)
	exec ./$(BIN) $(ARGS)

.PHONY: test
test: ## Unit tests with the race detector; needs Go and a C compiler
	go test -race ./...
	go test -race -tags pprof -run TestProfiling ./internal/metrics

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## golangci-lint
	$(TOOLS)/golangci-lint run ./...
	$(TOOLS)/golangci-lint run --build-tags e2e ./test/...
	$(TOOLS)/golangci-lint run --build-tags kube ./test/kube/...
	$(TOOLS)/golangci-lint run --build-tags packages ./test/packages

.PHONY: check
check: $(TOOLS)/gofumpt lint ## Everything that reads: gofumpt, vet, golangci-lint, shellcheck, links of the docs, go.mod tidiness
	@unformatted=$$($(TOOLS)/gofumpt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "gofumpt would change:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags e2e ./...
	go vet -tags kube ./...
	go vet -tags pprof ./internal/metrics
	go vet -tags packages ./test/packages
	shellcheck $(SHELL_SCRIPTS)
	python3 docs/check.py
	go mod tidy -diff
	go -C tools mod tidy -diff
	go -C tools/packaging mod tidy -diff
	go -C test/clients/go-v1 vet ./...
	go -C test/clients/go-v1 mod tidy -diff
	go -C test/clients/go-v2-faults vet ./...
	go -C test/clients/go-v2-faults mod tidy -diff
	go -C test/clients/go-others vet ./...
	go -C test/clients/go-others mod tidy -diff
	go -C test/charts vet -tags packages ./...
	go -C test/charts mod tidy -diff
	go -C test/console vet ./...
	go -C test/console mod tidy -diff
	go mod verify

.PHONY: vuln
vuln: $(TOOLS)/govulncheck ## govulncheck: known vulnerabilities in what is called (ARGS='-db file:///...' asks a copy of the database)
	@status=0; said=$$(CGO_ENABLED=0 $(TOOLS)/govulncheck $(ARGS) ./... 2>&1) || status=$$?; \
	  echo "$$said"; \
	  if [ $$status != 0 ] && grep -Eq '^govulncheck: fetching vulnerabilities: (Get|HTTP) ' <<<"$$said"; then \
	    echo "NOT CHECKED for vulnerabilities: their database cannot be reached, see above."; status=0; fi; \
	  exit $$status

.PHONY: sbom
sbom: build $(TOOLS)/cyclonedx-gomod ## bin/mock-ec2-metadata.cdx.json: what the binary is made of (CycloneDX), the same bytes each time
	$(TOOLS)/cyclonedx-gomod bin -json -std -noserial -notimestamp -version '$(VERSION)' -output $(BIN).cdx.json $(BIN)

.PHONY: dist
dist: $(TOOLS)/nfpm $(TOOLS)/cyclonedx-gomod ## dist/: archives, packages, chart, sums of a release, CONTRIBUTING.md (VERSION, DIST=all, SNAPSHOT=1, SIGNING_KEY, URL)
	VERSION='$(if $(filter command environment,$(origin VERSION)),$(VERSION))' DIST='$(DIST)' packaging/dist.sh

.PHONY: dist-test
dist-test: ## Test what make dist made, with dpkg, rpm, systemd and others; Linux, root, what CONTRIBUTING.md lists
	go test -count=1 -tags packages -timeout 30m -v ./test/packages
	go -C test/charts test -count=1 -tags packages -run '^TestPackagedChart' ./...

.PHONY: e2e
e2e: ## End-to-end tests with real clients; Linux, root, Docker and what CONTRIBUTING.md lists
	go test -count=1 -race -tags e2e -timeout 45m -v ./internal/identity ./test/e2e/...
	$(MAKE) console-test

.PHONY: console-test
console-test: ## Tests of the console in Debian's Chromium (e2e has them, too); Linux, root, chromium, npm
	go -C test/console test -count=1 -timeout 10m -v ./...

.PHONY: console-pictures
console-pictures: ## Take the console's screenshots in docs/picture again; needs what console-test does, and port 5000
	go -C test/console test -count=1 -timeout 5m -run '^TestPictures' . -pictures

.PHONY: charts
charts: ## Compare the Helm chart and the kustomization with the plain manifest, by Helm's own code
	go -C test/charts test -count=1 ./...

.PHONY: kube-test
kube-test: ## Tests on a real one-node cluster; Linux, root, what test/kube/build.sh made (KUBE_TESTS=required: fail without)
	go test -count=1 -race -tags kube -timeout 30m -v ./test/kube/...

.PHONY: kube-demo
kube-demo: kube ## See it in a real one-node cluster on this machine; Linux, root (test/kube/demo.sh)
	test/kube/demo.sh $(ARGS)

.PHONY: bench
bench: build ## Measure speed and size beside a bare net/http server, docs/performance.md; Linux, wrk (BASE=path/to/old/binary, PEER=path/to/ecs-local, SHORT=1, ROUNDS, SECONDS, CONNECTIONS)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o bin/bench-bare ./test/bench/bare
	go run ./test/bench/run -daemon $(BIN) -bare bin/bench-bare $(if $(BASE),-base $(BASE)) $(if $(PEER),-peer $(PEER)) $(if $(SHORT),-short) $(if $(ROUNDS),-rounds $(ROUNDS)) \
	  $(if $(SECONDS),-seconds $(SECONDS)) $(if $(CONNECTIONS),-connections $(CONNECTIONS)) $(ARGS)

.PHONY: bench-identities
bench-identities: build ## Measure a daemon with 1,000 roles and 10,000 clients, docs/performance.md; Linux (BASE=path/to/old/binary, SHORT=1, ROUNDS, SECONDS)
	go run ./test/bench/run -identities -daemon $(BIN) $(if $(BASE),-base $(BASE)) $(if $(SHORT),-short) $(if $(ROUNDS),-rounds $(ROUNDS)) \
	  $(if $(SECONDS),-seconds $(SECONDS)) $(ARGS)

.PHONY: kube-bench
kube-bench: build kube ## Measure the daemon of a Kubernetes node, docs/performance.md; Linux, root, wrk, what test/kube/build.sh made (KUBE2IAM_BIN=path/to/kube2iam, SHORT=1, ROUNDS, SECONDS)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o bin/kube-bench ./test/kube/bench
	$(if $(KUBE2IAM_BIN),KUBE2IAM_BIN=$(KUBE2IAM_BIN)) bin/kube-bench $(if $(SHORT),-short) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(SECONDS),-seconds $(SECONDS)) $(ARGS)

.PHONY: image
image: ## Build the Docker images (ARGS='--build-arg ...' adds flags)
	./build-docker.sh $(ARGS)

.PHONY: kube-image
kube-image: ## Build the Docker image of the program for Kubernetes (ARGS='--build-arg ...' adds flags)
	./build-docker.sh kube $(ARGS)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The tools' versions are pinned in tools/go.mod.
gofumpt := mvdan.cc/gofumpt
golangci-lint := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
govulncheck := golang.org/x/vuln/cmd/govulncheck
cyclonedx-gomod := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

$(addprefix $(TOOLS)/,gofumpt golangci-lint govulncheck cyclonedx-gomod): tools/go.mod tools/go.sum
	GOBIN="$(CURDIR)/$(TOOLS)" go -C tools install $($(@F))
	@touch $@

$(TOOLS)/nfpm: tools/packaging/go.mod tools/packaging/go.sum
	CGO_ENABLED=0 GOBIN="$(CURDIR)/$(TOOLS)" go -C tools/packaging install github.com/goreleaser/nfpm/v2/cmd/nfpm
	@touch $@

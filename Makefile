.DEFAULT_GOAL := help
.PHONY: help setup browser build image demo test chaos lint bench cost clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the apt packages that are missing (PostgreSQL, Redis, Prometheus, Alertmanager, a C compiler)
	@./scripts/setup

browser: ## install what the console's tests need (Chromium, Node.js, its packages)
	@./scripts/setup chromium nodejs npm
	@$(MAKE) -s --no-print-directory exporter/console/browser/node_modules/.package-lock.json

exporter/console/browser/node_modules/.package-lock.json: exporter/console/browser/package-lock.json
	@cd exporter/console/browser && npm ci --silent --ignore-scripts --no-audit --no-fund

build: ## bin/tidemark
	@go build -o bin/tidemark .

image: ## a container image named tidemark
	@docker build -f packaging/Dockerfile -t tidemark --label org.opencontainers.image.version="$$(git describe --tags --always --dirty)" \
		--label org.opencontainers.image.revision="$$(git rev-parse HEAD)" --label org.opencontainers.image.created="$$(git log -1 --format=%cI)" .

demo: setup build ## see Tidemark do its job, on throw-away servers, until Ctrl-C
	@exec ./bin/tidemark demo

test: setup browser lint ## lint, then every test, on throw-away servers
	@go test -race -timeout 10m ./...

chaos: setup ## Tidemark under faults, with a verdict; CHAOS_DURATION=10m, CHAOS_SEED=any
	@CHAOS_DURATION=$${CHAOS_DURATION:-10m} go test -run '^TestChaos$$' -count 1 -v -timeout 0 ./shared/chaos

lint: ## formatting, vet, staticcheck, module files
	@test -z "$$(gofmt -l .)" || { echo "not formatted (gofmt -w):"; gofmt -l .; exit 1; }
	@go vet ./...
	@go tool staticcheck ./...
	@go mod tidy -diff
	@go mod verify >/dev/null

bench: setup ## benchmarks; each compares two things in one run or reports a rate
	@go test -run '^$$' -bench . -benchtime 1x $$(go list ./... | grep -v /cost$$)

cost: ## what freshness costs on 5,000 scopes and 3,000,000 jobs; takes minutes and gigabytes
	@./scripts/setup prometheus-postgres-exporter
	@go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./exporter/cost

clean: ## remove what was built
	@rm -rf bin

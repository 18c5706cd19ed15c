# Skylift. `make demo` shows it live; `make test` proves it. Both install what is missing.
SHELL   := /bin/bash
VERSION ?= 0.1.0
LDFLAGS := -s -w -X github.com/skylift/skylift/internal/cli.Version=$(VERSION)
export CGO_ENABLED ?= 0
# A test that fails is run once more, alone, and told at the end: a machine that stood still for a moment isn't a fault.
# More than six failures are one.
# The linter vets, so the tests don't.
TEST := .cache/bin/gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --hide-summary=skipped --rerun-fails=1 --rerun-fails-run-root-test --rerun-fails-max-failures=6 --rerun-fails-report=.cache/failed-once
# What of the end-to-end tests is run on Docker, too.
ON_DOCKER := ^(TestStart|TestCrash|TestDown|TestPurgedWhenUp|TestMeddling|TestNeighbours|TestEnds|TestStopTimeout|TestContainers|TestEngineRestarted|TestSurvivesEngineRestarts|TestLogsOverCrashes|TestProcessesAreATasksOwn)$$

.PHONY: help demo demo-stop build test check lint unit model e2e acceptance terraform soak bench generate release clean

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: setup build ## set up, start Skylift and show its main job live
	@scripts/demo.sh

demo-stop: ## stop the demo and leave nothing behind
	@scripts/demo-stop.sh

build: ## bin/skylift
	@go build -ldflags '$(LDFLAGS)' -o bin/skylift ./cmd/skylift

.PHONY: setup
setup:
	@scripts/setup.sh

test: ## set up and pass every test: lint, unit, contract, wire, end to end
	@scripts/setup.sh test lint
	@scripts/test.sh

.PHONY: scripts resources
scripts: build
	@test/terraform/run.sh bin/skylift
	@test/acceptance/run.sh bin/skylift

resources: build
	@test/terraform/resources.sh bin/skylift

lint: ## the linter and the formatter's word
	@.cache/bin/golangci-lint run ./...

# Four packages at a time, since many wait for an engine.
unit: ## unit, contract and wire tests, with the race detector and the real engines
	@REQUIRE=docker,containerd CGO_ENABLED=1 $(TEST) --packages="$$(go list ./... | grep -v /test/e2e | tr '\n' ' ')" -- -race -p 4 -vet=off -ldflags=-w -timeout 20m

model: ## deployments under 10,000 schedules of crashes, faults and updates, on simulated time; 100,000 policies beside an oracle
	@nice -n 19 go test -vet=off -count=1 -timeout 60m ./internal/policy -run 'TestOracle$$' -worlds 100000
	@GOGC=400 nice -n 19 go test -vet=off -count=1 -timeout 60m ./internal/service/ecs -run 'TestChaos$$' -games 10000

e2e: build ## the program from outside: real engine, real aws CLI; in a shorter form on Docker, too
	@SKYLIFT=$(CURDIR)/bin/skylift $(TEST) --packages=./test/e2e/... -- -count=1 -vet=off -ldflags=-w -timeout 60m
	@SKYLIFT=$(CURDIR)/bin/skylift $(TEST) --packages=./test/e2e -- -count=1 -vet=off -ldflags=-w -timeout 30m -run '$(ON_DOCKER)' -args -engine docker

acceptance: build ## the workflow that users type
	@test/acceptance/run.sh bin/skylift

terraform: build ## a stack and each resource made, changed, imported and destroyed by an unmodified Terraform
	@test/terraform/resources.sh bin/skylift & resources=$$!; test/terraform/run.sh bin/skylift; status=$$?; wait $$resources && exit $$status

soak: build ## what must survive, for an hour or two: 50 kills in rolling deployments, 50 in blue/green ones, 10 restarts of Docker, kills of containerd and its shims, 41,600 idle connections, 100,000 schedules, lines of output at all rates
	@GOGC=400 go test -count=1 -timeout 120m ./internal/service/ecs -run 'TestChaos$$' -first 10000 -games 100000
	@SKYLIFT=$(CURDIR)/bin/skylift go test -count=1 -timeout 120m -parallel 1 -v ./test/e2e -run TestSurvives -kills 50 -files 20000 -idle 20800
	@SKYLIFT=$(CURDIR)/bin/skylift go test -count=1 -timeout 60m -v ./test/e2e -engine docker -run TestSurvivesEngineRestarts -restarts 10
	@SKYLIFT=$(CURDIR)/bin/skylift go test -count=1 -timeout 30m -v ./test/e2e -run 'TestLines$$' -lines

bench: build ## figures beside those of peers, in one run
	@scripts/setup.sh bench
	@go run ./test/bench $(BENCH)

generate: ## make the wire descriptors anew from AWS's models
	@go generate ./internal/wire/... ./internal/policy/... && go generate ./internal/daemon/...

release: ## stripped binaries for amd64 and arm64 in bin/
	@for arch in amd64 arm64; do GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o bin/skylift-linux-$$arch ./cmd/skylift || exit 1; done

clean: ## remove what was built
	@rm -rf bin .cache

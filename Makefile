# Homebase. `make help` lists what can be done.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Older toolchains have known holes. Where this one cannot be had the code
# still builds with what is there.
WANTED := go1.26.10
ifeq ($(shell GOTOOLCHAIN=$(WANTED) go version >/dev/null 2>&1 && echo yes),yes)
export GOTOOLCHAIN := $(WANTED)
endif

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BIN := bin/homebase

# Debian's package is installed when the command is missing; that needs root.
# $(call need,TEST,PACKAGES)
define need
	@{ $(1); } >/dev/null 2>&1 || { \
	  echo "Installing $(2) from Debian's packages (needs root)."; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $(2) >/dev/null; }
endef

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the static binary, bin/homebase; without HTTP/2, which the proxy speaks, not the server
	CGO_ENABLED=0 go build -tags nethttpomithttp2 -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) .
	@[ "$$(stat -c %s $(BIN))" -lt 20000000 ] || { echo "$(BIN) has more than 20 MB."; exit 1; }

.PHONY: release
release: ## reproducible binaries for linux, their SHA-256 and the bill of materials, in bin/release
	@rm -rf bin/release; mkdir -p bin/release
	@for arch in amd64 arm64; do \
	  GOARCH=$$arch $(MAKE) --no-print-directory build BIN=bin/release/homebase-linux-$$arch; done
	@cd bin/release && sha256sum homebase-linux-* | tee SHA256SUMS
	@for file in bin/release/homebase-linux-*; do \
	  echo "$$(stat -c %s $$file) bytes  $$file"; deploy/sbom.sh $$file $(VERSION) >$$file.cdx.json; done

.PHONY: sbom
sbom: build ## every module in the binary with version and licence, as CycloneDX JSON
	@deploy/sbom.sh $(BIN) $(VERSION)

.PHONY: reproduce
reproduce: ## build it twice, in other folders with other caches, and compare
	deploy/test/reproduce.sh $(VERSION)

.PHONY: image
image: build ## the Docker image homebase:latest
	$(call need,[ -s /etc/ssl/certs/ca-certificates.crt ],ca-certificates)
	@rm -rf bin/image; mkdir -p bin/image/data
	@cp $(BIN) bin/image/homebase
	@cp -L /etc/ssl/certs/ca-certificates.crt bin/image/
	docker build -q -f deploy/Dockerfile -t homebase:$(VERSION) -t homebase:latest bin/image
	@rm -rf bin/image

.PHONY: deploy-test
deploy-test: ## try the deployment: Docker with compose, and a container with systemd (root)
	deploy/test/run

# People on a terminal are told what they need, and of the log only what is wrong:
# HOMEBASE_LOG_LEVEL=info shows more. Elsewhere it is the JSON that programs read.
.PHONY: run
run: postgres build ## a server on http://localhost:8080, with a first admin
	@[ ! -t 2 ] || export HOMEBASE_LOG_LEVEL=$${HOMEBASE_LOG_LEVEL-warn}; \
	$(BIN) migrate; \
	$(BIN) user create admin@example.com --role admin --first; \
	[ ! -t 1 ] || printf '\n  API      %s/api/v1\n  sign in  as admin@example.com, with the password that the first run printed;\n           lost: bin/homebase user password admin@example.com\n  next     README.md shows it with curl, make demo in the browser; Ctrl-C ends it\n\n' "$${HOMEBASE_PUBLIC_URL:-http://localhost:8080}"; \
	exec $(BIN) serve

.PHONY: demo
demo: postgres build ## the server and three frontends on localhost:8080 to 8083, with sample content
	go build -o bin/demo ./examples/demo
	@exec bin/demo

# What takes longest begins first. Four packages at a time, for much of what
# they do is waiting.
.PHONY: test
test: postgres peers ## everything that must hold, on a real PostgreSQL
	@state=$$(mktemp -d /tmp/homebase-test.XXXXXX); \
	trap 'while [ -e "$$state/cluster.lock" ]; do sleep .2; done; rm -rf "$$state" "$$state.seen"' EXIT; \
	HOMEBASE_TEST_STATE=$$state HOMEBASE_TEST_SEEN=$$state.seen go test -race -p 4 -shuffle=on -timeout 15m ./files ./e2e/... ./auth ./... && \
	HOMEBASE_TEST_JUDGE=$$state.seen go test -race -count=1 -run '^TestContract_EveryAnswerWasSeen$$' ./e2e/contract

# What was changed is what differs from origin/main, or from the last commit
# where there is none.
.PHONY: quick
quick: postgres ## the house rules and the tests of the packages that were changed, without the race detector
	@since=$$(git merge-base HEAD origin/main 2>/dev/null || echo HEAD); \
	changed=$$({ git diff --name-only --diff-filter=d $$since; git ls-files --others --exclude-standard; } | sed -n 's|^\(.*\)/[^/]*\.go$$|./\1|p; s|^\(projects/.*\)/schema\.sql$$|./\1|p; s|^schema\.sql$$|./db\n./e2e/contract|p; s|^e2e/contract/testdata/.*|./e2e/contract|p' | sort -u); \
	go test -parallel 8 . $$changed

.PHONY: app
app: ## a new app below projects/: make app NAME=notes
	go run ./projects/newapp $(NAME)

.PHONY: e2e
e2e: postgres strangers build ## try it with other people's programs: jose, nginx, Apache, miniflux, tus-js-client, OpenFeature, curl, promtool, Chromium
	e2e/run

.PHONY: strangers
strangers:
	$(call need,command -v npm,nodejs npm)
	$(call need,command -v nginx && command -v openssl && command -v certutil && command -v chromium,nginx-light openssl libnss3-tools chromium)
	$(call need,[ -x /usr/sbin/apache2 ] && [ -f /usr/lib/apache2/modules/mod_auth_openidc.so ],apache2-bin libapache2-mod-auth-openidc)
	$(call need,command -v restic && command -v psql,restic postgresql-client)
	$(call need,command -v unzip && command -v bsdtar && command -v python3 && command -v curl && command -v wget && command -v promtool,unzip libarchive-tools python3 curl wget prometheus)

.PHONY: crash
crash: postgres ## kill it again and again: N=200 MODE=kill, postgres, failover or power (root; FS=xfs)
	$(if $(filter xfs,$(FS)),$(call need,command -v mkfs.xfs,xfsprogs))
	CRASH_CYCLES=$(or $(N),200) CRASH_MODE=$(MODE) CRASH_FS=$(FS) ABLATE=$(ABLATE) go test -count=1 -timeout 0 -v -run '$(or $(RUN),^TestCrash_Nothing)' ./e2e/crash

.PHONY: soak
soak: postgres ## everything at once, with kills and restarts, for MINUTES=60; nothing may be lost, nothing may grow; pictures in bin/soak
	SOAK_MINUTES=$(or $(MINUTES),60) SOAK_OUT=$(CURDIR)/bin/soak go test -count=1 -timeout 0 -v -run '^TestSoak_' ./e2e/crash

.PHONY: upgrade
upgrade: postgres strangers ## a release gives way under load to this tree, and its frontends work with it: FROM=v0.1.0-rc.1, by default the last
	e2e/upgrade $(or $(FROM),$$(git describe --tags --abbrev=0)) $(TESTS)

# In namespaces of its own, and all that was started there ends with it. Their
# first process is a shell, which buries the dead: to Patroni a PostgreSQL that
# nobody buries is one that runs.
.PHONY: machines
machines: postgres build ## several machines whose links are cut, slow or silent; the times to recover go into docs/scaling.md (root): RUN=frozen
	$(call need,command -v nginx && command -v nft && command -v tc && command -v nsenter && command -v setpriv,nginx-light nftables iproute2 util-linux)
	$(call need,command -v patroni && command -v etcd && ls /usr/lib/*/faketime && command -v glusterd && [ -x /sbin/mount.glusterfs ],patroni etcd-server libfaketime glusterfs-server glusterfs-client)
	go test -c -o bin/machines.test ./e2e/crash
	cd e2e/crash && MACHINES_TABLE=$(if $(RUN),,$(CURDIR)/docs/scaling.md) unshare --net --mount --propagation private --pid --fork --mount-proc --kill-child \
	  bash -c '"$$@"; exit $$?' init $(CURDIR)/bin/machines.test -test.v -test.run '^$$' -test.bench 'Machines/($(or $(RUN),.))' -test.benchtime 1x -test.timeout 0

.PHONY: assume
assume: postgres ## what the simulation assumes of ext4, XFS and PostgreSQL, tried on the real ones; by root alone
	$(call need,command -v mkfs.ext4 && command -v mkfs.xfs,e2fsprogs xfsprogs)
	TRY_DISKS=ext4,xfs go test -count=1 -v -run '^TestAssumption' ./files/disk ./files/journal

.PHONY: simulate
simulate: ## the journal over models of disk and PostgreSQL, N=100000 schedules from SEED; ABLATE=order takes a part out
	GOGC=400 SIMULATE=$(or $(N),100000) SEED=$(SEED) ABLATE="$(ABLATE)" go test -count=1 -timeout 0 -v -run '^TestSimulation_Nothing' ./files/journal

.PHONY: bench
bench: postgres ## processor time of an operation beside a bare Go server's: RUN=Download; all of them write docs/performance.md
	BENCH_TABLE=$(if $(RUN),,$(CURDIR)/docs/performance.md) go test -run '^$$' -bench '$(or $(RUN),.)' -timeout 0 ./bench

.PHONY: check
check: ## format, vet, staticcheck, modernisers, tidiness, house rules
	@test -z "$$(gofmt -l .)" || { echo "gofmt these:"; gofmt -l .; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	go fix -diff ./...
	go mod tidy -diff
	go test -count=1 -run '^TestHouse' .

.PHONY: postgres
postgres:
	$(call need,command -v initdb || ls /usr/lib/postgresql/*/bin/initdb,postgresql)

# What the tests need beside Go: a C compiler for the race detector, and the
# real programs that ours is tried with.
.PHONY: peers
peers:
	$(call need,command -v gcc && command -v strace && command -v aiosmtpd && command -v oathtool,gcc libc6-dev strace python3-aiosmtpd oathtool)

.PHONY: clean
clean: ## forget what was built; data and state stay
	rm -rf bin

# daemonbox: `make` builds, `make demo` shows a DHCP lease in a private network,
# `make test` runs all tests (as root, on Debian 12 with Go and make).

VERSION  := $(shell git describe --tags --always --dirty=-changed 2>/dev/null || echo unknown)
PREFIX   ?= /usr/local
DESTDIR  ?=
TAGS     ?=
GO       ?= go

# One source gives one and the same file, whoever builds it and where.
export CGO_ENABLED = 0
export GOAMD64     = v1
export GOFLAGS     = -mod=readonly -buildvcs=false
LDFLAGS  := -s -w -buildid= -X main.version=$(VERSION)
BINARY   ?= daemonbox

# Nothing is inlined in packages that only start-up, flags and texts use: 160 kB
# less, and no difference in time. What packets and timers pass through is
# compiled as ever.
COLD     := github.com/... text/template/... regexp/... encoding/json encoding/csv net/url \
            flag fmt log/... net os/user os/exec reflect
GCFLAGS  := $(COLD:%=-gcflags=%=-l)

STEPS := tools peers verify lint unit race interop

.PHONY: build test demo soak bench bench-dhcp install clean lint man notices tools peers $(STEPS:%=step-%) steps

build:
	$(GO) build -trimpath -tags '$(TAGS)' $(GCFLAGS) -ldflags '$(LDFLAGS)' -o '$(BINARY)' .

# --- tests -----------------------------------------------------------------

test:
	@rm -rf build/test; start=$$(date +%s); \
	$(MAKE) --no-print-directory -j2 steps; \
	.ci/summary $$(($$(date +%s) - start)) $(STEPS)

steps: $(STEPS:%=step-%)

# What waits for what: downloads run beside the compiler; the tests in real
# time come last and have the machine for themselves.
step-lint: | step-tools
step-unit: | step-lint
step-race: | step-unit
step-interop: | step-peers step-tools step-race step-verify

step-tools:
	@.ci/step tools .ci/tools
step-peers: | step-tools
	@.ci/step peers $(MAKE) --no-print-directory peers
step-verify:
	@.ci/step verify $(GO) mod verify
step-lint:
	@.ci/step lint $(MAKE) --no-print-directory lint
# Includes the seeds of every fuzz target, the builds of every set of tags and
# the budget of their sizes.
step-unit:
	@.ci/step unit $(GO) test -timeout 10m ./...
step-race:
	@CGO_ENABLED=1 .ci/step race $(GO) test -race -timeout 10m $(RACE)
step-interop:
	@.ci/step interop .ci/interop -count=1

# The table's tests build binaries and read sources: no use of the race detector.
RACE = $$($(GO) list ./... | grep -v '^daemonbox/applets$$')

lint:
	@files=$$($(GO) tool gofumpt -l .); if [ -n "$$files" ]; then echo "not gofumpt'ed:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop ./...
	$(GO) tool staticcheck -tags interop ./...

tools:
	.ci/tools

# Foreign servers and clients, unpacked into .peers; nothing is installed.
peers:
	$(GO) run ./core/netlab/peers

soak: tools peers
	.ci/soak

# --- benchmarks ------------------------------------------------------------

bench:
	$(GO) test -tags interop -run '^$$' -bench . -benchmem ./core/... ./applets

bench-dhcp: build peers
	$(GO) run ./applets/dhcpagent/bench -bin ./daemonbox

# --- the rest --------------------------------------------------------------

demo: build
	./daemonbox lab dhcp

install: build
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 daemonbox $(DESTDIR)$(PREFIX)/sbin/daemonbox
	$(DESTDIR)$(PREFIX)/sbin/daemonbox --install $(DESTDIR)$(PREFIX)/sbin
	for page in embedded/man/*.[1-8]; do install -m 644 "$$page" $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/; done

# The text that `daemonbox help` shows, from the manual pages' source.
man:
	$(GO) run ./embedded/mantext embedded/man

notices:
	$(GO) run ./embedded/notices >embedded/NOTICES.new && mv embedded/NOTICES.new embedded/NOTICES

clean:
	rm -rf daemonbox build

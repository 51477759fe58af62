# The front door: each target is a line or two into meson and tools/. `make help` lists them.
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3
N ?= 1000
SECONDS ?= 300

target = $(DESTDIR)$(PREFIX)
sources = $(shell find src tests bench -name '*.[ch]')
sanitized = -Dbuildtype=debugoptimized -Db_sanitize=address,undefined
sanitizer_options = ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

.PHONY: build help packages demo test unit nodes peers soak check fuzz bench sim format install clean \
    check-format check-build check-layers check-docs check-tidy check-packages

build: ## the release binary, at build/postrider
	@tools/setup build -Dtests=false -Db_lto=true
	@meson compile -C build postrider

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

packages: ## install what building, testing and checking need (Debian; root or sudo)
	@tools/packages build demo test check fuzz bench

demo: ## build, start, send a message with an attachment, show its story
	@tools/packages build demo
	@$(MAKE) --no-print-directory build
	@tools/demo

test: ## ASan and UBSan: unit, fuzz corpus, simulation; more simulation without; then real peers
	@tools/packages build test
	@$(MAKE) --no-print-directory unit nodes peers

unit: ## only what needs no peers
	@tools/setup build-test -Dwerror=true $(sanitized)
	@meson compile -C build-test
	@$(sanitizer_options) meson test -C build-test --no-rebuild --print-errorlogs

peers: ## only the tests against real servers and clients
	@tools/setup build-test -Dwerror=true $(sanitized)
	@meson compile -C build-test
	@$(sanitizer_options) POSTRIDER=$(CURDIR)/build-test/postrider \
	    $(PYTHON) -m pytest -q -p no:cacheprovider -n 3 --dist loadgroup tests/internet tests/peers

soak: ## [KILLS=200] [MESSAGES=100000]: kill -9 and messages counted, more than in make test
	@tools/packages build test
	@tools/setup build-test -Dwerror=true $(sanitized)
	@meson compile -C build-test
	@$(sanitizer_options) POSTRIDER=$(CURDIR)/build-test/postrider \
	    KILLS=$(or $(KILLS),200) MESSAGES=$(or $(MESSAGES),100000) \
	    $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/peers/test_crash.py \
	    tests/peers/test_reliability.py

check: ## format, layers, clang -Werror, clang-tidy, man pages, docs (-k: go on after findings)
check: check-format check-build check-layers check-docs check-tidy
	@echo "make check: all good"

check-format: check-packages
	@bad=$$(for file in $(sources); do \
	    clang-format $$file | cmp -s - $$file || echo $$file; done); \
	    [ -z "$$bad" ] || { echo "not formatted (make format):" $$bad >&2; exit 1; }

check-build: check-packages
	@CC=clang tools/setup build-check -Dwerror=true -Dbuildtype=debugoptimized
	@meson compile -C build-check

check-layers: check-build
	@$(PYTHON) tools/check-layers build-check

check-docs: check-build
	@$(PYTHON) tools/check-docs build-check/postrider
	@mandoc -T lint -W warning docs/man/*.[1-8]

check-tidy: check-build
	@tools/tidy build-check

check-packages:
	@tools/packages build check

fuzz: ## T=module [SECONDS=300]: libFuzzer on one module; a crash becomes a corpus file
	@tools/packages build fuzz
	@tools/fuzz "$(T)" $(SECONDS)

nodes: ## only the simulation of a whole node, 10,000 seeds, without sanitizers
	@tools/setup build-sim -Dwerror=true -Dbuildtype=debugoptimized
	@tools/sim build-sim 10000 1 node_sim

sim: ## [N=1000] [SEED=…]: the simulations, for N seeds
	@tools/setup build-sim -Dwerror=true -Dbuildtype=debugoptimized
	@tools/sim build-sim $(N) $(SEED)

bench: ## [BENCH=--quick]: Postrider beside its peers, in one run on this machine (root; half an hour)
	@tools/packages build bench
	@$(MAKE) --no-print-directory build
	@bench/run $(BENCH)

format: ## clang-format on everything
	@clang-format -i $(sources)

install: build ## [PREFIX=/usr/local] [DESTDIR=]: binary, man pages, completions, units for systemd
	install -D -m 755 build/postrider $(target)/sbin/postrider
	for page in docs/man/*.[1-8]; do \
	    install -D -m 644 $$page $(target)/share/man/man$${page##*.}/$${page##*/}; \
	done
	install -d $(target)/bin $(target)/lib
	ln -sf postrider $(target)/sbin/sendmail
	ln -sf ../sbin/postrider $(target)/bin/mailq
	ln -sf ../sbin/postrider $(target)/bin/newaliases
	ln -sf ../sbin/postrider $(target)/lib/sendmail
	install -D -m 644 -t $(target)/share/bash-completion/completions completions/bash/postrider
	install -D -m 644 -t $(target)/share/zsh/site-functions completions/zsh/_postrider
	install -D -m 644 -t $(target)/share/fish/vendor_completions.d completions/fish/postrider.fish
	install -D -m 644 -t $(target)/lib/systemd/system debian/postrider.socket debian/postrider.service
	sed -i 's,/usr/sbin,$(PREFIX)/sbin,' $(target)/lib/systemd/system/postrider.service
	install -D -m 644 debian/postrider.sysusers $(target)/lib/sysusers.d/postrider.conf
	install -D -m 644 debian/postrider.tmpfiles $(target)/lib/tmpfiles.d/postrider.conf

clean: ## remove the builds
	rm -rf build build-test build-check build-fuzz build-sim

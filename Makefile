# The verbs of this tree. "make install" is for people; packages call it with DESTDIR.
PREFIX ?= /usr
SYSCONFDIR ?= /etc
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
UNITDIR = $(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(PREFIX)/lib/sysusers.d
DATADIR = $(PREFIX)/share/netanomalyd
# journald reads catalogs from here alone.
CATALOGDIR = /usr/lib/systemd/catalog
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/vendor-completions
FISHDIR = $(PREFIX)/share/fish/vendor_completions.d

SWIFT_BUILD = swift build -c release --static-swift-stdlib --explicit-target-dependency-import-check error
RELEASE = .build/release
PAGES = $(wildcard docs/*.[1-8])
PROGRAMS = netanomalyd netanomalyctl
SCRIPTS = $(sort $(wildcard bpftrace/*.bt bpftrace/tun-*))
EXAMPLES = $(wildcard bpftrace/examples/*.bt)
INSTALLED = $(SBINDIR)/netanomalyd $(BINDIR)/netanomalyctl $(UNITDIR)/netanomalyd.service \
	$(SYSUSERSDIR)/netanomalyd.conf $(CATALOGDIR)/netanomalyd.catalog $(DATADIR)/bpftrace.conf \
	$(DATADIR)/metrics.conf $(DATADIR)/examples/prometheus-rules.yml \
	$(addprefix $(DATADIR)/,$(SCRIPTS) $(EXAMPLES:bpftrace/%=%)) \
	$(foreach page,$(PAGES),$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))) \
	$(PROGRAMS:%=$(BASHDIR)/%) $(PROGRAMS:%=$(ZSHDIR)/_%) $(PROGRAMS:%=$(FISHDIR)/%.fish)

.PHONY: help build run test test-service test-vm evidence lint bench deb rpm install install-files uninstall clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 18

build: ## Build both programs (release, no Swift runtime needed to run them)
	$(SWIFT_BUILD)

run: ## Start the daemon here and show it two anomalies (root)
	packaging/run

test: ## Run all tests (root)
	packaging/test

test-service: ## Run the service from dist/*.deb under Debian's systemd, in containers (root)
	/usr/bin/python3 -B -m pytest --suite=bookworm Tests/container
	/usr/bin/python3 -B -m pytest --suite=trixie Tests/container

test-vm: ## Run the scripts by hand in guests with Debian's kernels (root)
	Tests/vm/original-scripts bookworm
	Tests/vm/original-scripts trixie

evidence: ## Run the live tests and write docs/EVIDENCE.md from what they saw (root)
	/usr/bin/python3 -B -m pytest -p no:cacheprovider --evidence=write Tests/lab

lint: ## Check style: Swift, C, shell, Python
	packaging/lint

bench: ## Measure what the daemon costs (root)
	Benchmarks/run

deb: ## Build a Debian package into dist/
	packaging/deb

rpm: ## Build an RPM package into dist/
	packaging/rpm

install: build ## Install under PREFIX=/usr; DESTDIR= is for packages
	$(MAKE) install-files

# What packages call: the programs are there, in RELEASE=.
install-files:
	install -D -m 755 $(RELEASE)/netanomalyd $(DESTDIR)$(SBINDIR)/netanomalyd
	install -D -m 755 $(RELEASE)/netanomalyctl $(DESTDIR)$(BINDIR)/netanomalyctl
	install -D -m 644 systemd/netanomalyd.sysusers $(DESTDIR)$(SYSUSERSDIR)/netanomalyd.conf
	install -D -m 644 systemd/netanomalyd.catalog $(DESTDIR)$(CATALOGDIR)/netanomalyd.catalog
	for script in $(SCRIPTS) $(EXAMPLES); do \
		install -D -m 755 $$script $(DESTDIR)$(DATADIR)/$$(echo $$script | sed 's|^bpftrace/examples|examples|') || \
			exit 1; done
	sed 's|/usr/share/netanomalyd|$(DATADIR)|' systemd/bpftrace.conf > $(DESTDIR)$(DATADIR)/bpftrace.conf
	sed 's|/usr/share/netanomalyd|$(DATADIR)|' systemd/metrics.conf > $(DESTDIR)$(DATADIR)/metrics.conf
	install -m 644 examples/prometheus-rules.yml $(DESTDIR)$(DATADIR)/examples/prometheus-rules.yml
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/sbin/|$(SBINDIR)/|' systemd/netanomalyd.service > $(DESTDIR)$(UNITDIR)/netanomalyd.service
	for page in $(PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done
	for program in $(PROGRAMS); do \
		install -D -m 644 completions/$$program.bash $(DESTDIR)$(BASHDIR)/$$program && \
		install -D -m 644 completions/$$program.zsh $(DESTDIR)$(ZSHDIR)/_$$program && \
		install -D -m 644 completions/$$program.fish $(DESTDIR)$(FISHDIR)/$$program.fish || exit 1; done
	test -e $(DESTDIR)$(SYSCONFDIR)/netanomaly.conf || \
		install -D -m 644 etc/netanomaly.conf $(DESTDIR)$(SYSCONFDIR)/netanomaly.conf
ifeq ($(DESTDIR),)
	systemd-sysusers $(SYSUSERSDIR)/netanomalyd.conf
	journalctl --update-catalog
	test ! -d /run/systemd/system || systemctl daemon-reload
	@echo "Installed. Start it with: systemctl enable --now netanomalyd"
endif

uninstall: ## Remove what install put there; the configuration and the user stay
ifeq ($(DESTDIR),)
	test ! -d /run/systemd/system || systemctl disable --now netanomalyd
endif
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	rmdir $(addprefix $(DESTDIR)$(DATADIR),/bpftrace /examples /) 2>/dev/null || true
ifeq ($(DESTDIR),)
	journalctl --update-catalog
	test ! -d /run/systemd/system || systemctl daemon-reload
endif

clean: ## Remove everything that was built
	rm -rf .build dist

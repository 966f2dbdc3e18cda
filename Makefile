# Weir's build. `make help` lists the targets; everything is built out of tree under $(BUILD)/$(MODE).

BUILD ?= build
MODE ?= release
O := $(BUILD)/$(MODE)
CC ?= cc
# Baseline of the generated code; the program says so at start when the processor lacks it. `make ARCH=` for any x86-64.
ARCH ?= -march=x86-64-v3
WERROR ?=
V ?=
PREFIX ?= /usr/local

ifeq ($(origin CC),default)
CC := gcc
endif
ifneq ($(shell command -v ccache 2>/dev/null),)
CCACHE := ccache
endif

PACKAGES := sqlite3 libuv libzstd liblz4 zlib libisal libxxhash openssl libnghttp2 libpcre2-8 libedit
# libsnappy and libunistring carry no usable pkg-config file in Debian 12.
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lsnappy -lunistring -lm -lpthread

# -Wconversion stays off: the casts that it asks for hide more in decoding code than they show.
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wwrite-strings -Wvla -Wformat=2 \
            -Wpointer-arith -Wimplicit-fallthrough -Wno-unused-parameter
CPPFLAGS_ALL := -D_GNU_SOURCE -I. -I$(O)/gen -DWEIR_VERSION='"$(shell cat VERSION)"' $(CPPFLAGS)
CFLAGS_ALL := -std=gnu17 $(ARCH) -g -fno-strict-aliasing -fno-omit-frame-pointer $(WARNINGS) $(if $(WERROR),-Werror) $(PKG_CFLAGS)
CFLAGS_release := -O2
CFLAGS_debug := -O0
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_ubsan := -O1 -fsanitize=undefined -fno-sanitize-recover=undefined
CFLAGS_tsan := -O1 -fsanitize=thread
CFLAGS_coverage := -O0 --coverage
# Adding 0 to NULL is left out: empty slices do it, compilers give it its meaning, and the next C allows it.
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow -fno-sanitize-recover=undefined
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_ubsan := -fsanitize=undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_coverage := --coverage
LDFLAGS_fuzz := -fsanitize=address,undefined
ifeq ($(MODE),fuzz)
CC := clang
endif
CFLAGS_ALL += $(CFLAGS_$(MODE)) -ffile-prefix-map=$(CURDIR)/=
LDFLAGS_ALL := -Wl,--as-needed $(LDFLAGS_$(MODE)) $(LDFLAGS)

Q := $(if $(V),,@)
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# The folders, each one archive; a folder's link line is itself and everything below it (docs/architecture.md).
FOLDERS := base broker state engine sql connect server repl
BELOW_base := base
BELOW_broker := broker base
BELOW_state := state base
BELOW_engine := engine state base
BELOW_sql := sql engine state base
BELOW_connect := connect engine broker state base
BELOW_repl := repl base
BELOW_server := server repl connect sql engine broker state base

sources = $(wildcard $(1)/*.c $(1)/*/*.c)
objects = $(patsubst %.c,$(O)/obj/%.o,$(filter-out server/main.c,$(call sources,$(1))))
archives = $(patsubst %,$(O)/lib/%.a,$(BELOW_$(1)))
GENERATED := $(O)/obj/gen/lexer.o $(O)/obj/gen/parser.o

.PHONY: all
all: $(BUILD)/weir ## build the program (build/weir)

$(BUILD)/weir: $(O)/weir
	$(Q)cp -f $< $@

$(O)/weir: $(O)/obj/server/main.o $(call archives,server)
	$(Q)echo "  LINK  $@"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

define folder_archive
$(O)/lib/$(1).a: $(call objects,$(1)) $(if $(filter sql,$(1)),$(GENERATED))
	$(Q)mkdir -p $$(@D); rm -f $$@; ar rcsD $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_archive,$(f))))

$(O)/obj/%.o: %.c
	$(Q)mkdir -p $(@D); echo "  CC    $<"; $(CCACHE) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS) -MMD -MP -c -o $@ $<

# sql/ includes the token numbers that lemon makes.
$(call objects,sql): | $(O)/gen/parser.h

$(O)/gen/parser.c $(O)/gen/parser.h &: grammar/ksql.y
	$(Q)mkdir -p $(O)/gen/tmp; cp $< $(O)/gen/tmp/parser.y; lemon -q -c -d$(O)/gen/tmp $(O)/gen/tmp/parser.y; \
	  sed 's|$(O)/gen/tmp/parser.y|$<|' $(O)/gen/tmp/parser.c > $(O)/gen/parser.c; cp $(O)/gen/tmp/parser.h $(O)/gen/parser.h

$(O)/gen/lexer.c: grammar/lexer.re
	$(Q)mkdir -p $(@D); re2c -W --no-generation-date --no-version -o $@ $<

$(O)/obj/gen/%.o: $(O)/gen/%.c | $(O)/gen/parser.h
	$(Q)mkdir -p $(@D); echo "  CC    $<"; $(CCACHE) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -w $(CFLAGS) -MMD -MP -c -o $@ $<

# ---- tests: one program for each file of tests/unit/<folder> ----------------------------------------------

UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SOURCES))
TEST_SUPPORT := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/*.c))
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)

define unit_rules
$(O)/unit/$(1)/%: $(O)/obj/tests/unit/$(1)/%.o $(O)/obj/tests/unit/unit.o $(TEST_SUPPORT) $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/$(1)/*.c)) $(call archives,$(1))
	$(Q)mkdir -p $$(@D); $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $$@ $$^ $(CHECK_LIBS) $(PKG_LIBS)
.PHONY: unit-$(1)
unit-$(1): $(filter $(O)/unit/$(1)/%,$(UNIT_PROGRAMS))
	$(Q)tests/unit/run $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call unit_rules,$(f))))
$(O)/unit/broker/test_every_api: $(O)/obj/tests/fuzz/kafka_requests.o

.PHONY: check-unit
check-unit: $(UNIT_PROGRAMS) ## run the unit tests (unit-FOLDER for one folder)
	$(Q)tests/unit/run $^

.PHONY: check-system
check-system: $(BUILD)/weir ## run the system tests: real clients against a real server
	$(Q)WEIR=$(abspath $(BUILD)/weir) tests/system/run

.PHONY: check-clients
check-clients: $(BUILD)/weir ## run other projects' clients and their tests, in shards (CLIENTS="java tools/4/topics ...")
	$(Q)WEIR=$(abspath $(BUILD)/weir) RESULTS=$(abspath $(BUILD)/clients/results.json) tests/clients/run $(CLIENTS)

.PHONY: check-sql
check-sql: $(BUILD)/weir ## run the SQL stories and the examples of docs/, and compare the generated pages
	$(Q)tests/sql/run --weir $(BUILD)/weir
	$(Q)tests/sql/examples --weir $(BUILD)/weir
	$(Q)docs/generate --check --weir $(BUILD)/weir

.PHONY: load-connections
load-connections: $(BUILD)/weir ## 11,000 connections and a thousand hostile clients of each kind beside a well-behaved one (LOAD="--kinds ...")
	$(Q)/usr/bin/python3 tests/load/connections.py --weir $(BUILD)/weir $(LOAD)

.PHONY: check
check: lint check-unit check-sql check-system ## lint, unit, SQL and system tests

.PHONY: lint
lint: ## include rule, ratchets, banned calls, header documentation
	$(Q)python3 tests/lint/lint.py

.PHONY: format
format: ## format every source file with clang-format 14
	$(Q)clang-format-14 -i $$(git ls-files '*.c' '*.h')

.PHONY: crash
crash: $(BUILD)/weir ## kill the server 50 times under load and compare every result (CRASH_ROUNDS)
	$(Q)WEIR=$(abspath $(BUILD)/weir) /usr/bin/python3 tests/crash/kill.py --rounds $(CRASH_ROUNDS)
CRASH_ROUNDS ?= 50

.PHONY: crash-broker
crash-broker: $(BUILD)/weir ## kill the server 100 times under Kafka clients of every kind (ROUNDS)
	$(Q)WEIR=$(abspath $(BUILD)/weir) /usr/bin/python3 tests/crash/broker.py --rounds $(ROUNDS)
ROUNDS ?= 100

.PHONY: crash-workload
crash-workload: $(BUILD)/weir ## clients of every kind, kills and pauses for SECONDS (3600), every promise checked (PYTHONS="p q")
	$(Q)WEIR=$(abspath $(BUILD)/weir) nice /usr/bin/python3 tests/crash/workload.py --seconds $(SECONDS) $(PYTHONS:%=--python %)
SECONDS ?= 3600

# The first finding ends the program, and with it the test that found it.
SANITIZERS := TSAN_OPTIONS=halt_on_error=1:suppressions=$(CURDIR)/tests/support/sanitizers/tsan.supp \
              ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1

.PHONY: asan tsan ubsan
asan tsan ubsan: ## run the unit and the system tests under a sanitizer
	$(Q)$(SANITIZERS) $(MAKE) MODE=$@ $(BUILD)/$@/weir check-unit
	$(Q)$(SANITIZERS) WEIR=$(abspath $(BUILD)/$@/weir) tests/system/run

# ---- simulation: whole chains of queries on machines that die ---------------------------------------------------

SIM_SEEDS ?= 1000
SEEDS := $(O)/obj/tests/sim/seeds.o $(O)/obj/tests/support/sim.o
SIM_OBJECTS := $(O)/obj/tests/sim/exactly_once.o $(SEEDS) $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/server/chain*.c))

$(O)/sim/exactly_once: $(SIM_OBJECTS) $(call archives,server)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

BROKER_SIM_OBJECTS := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/sim/broker*.c)) $(SEEDS) $(O)/obj/tests/fuzz/kafka_requests.o

$(O)/sim/broker: $(BROKER_SIM_OBJECTS) $(call archives,broker)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: sim sim-broker
sim-broker: $(O)/sim/broker ## the broker's promises over SIM_SEEDS kills, power losses and failing calls
	$(Q)$< --seeds $(SIM_SEEDS)
	$(Q)$< --seeds $(SIM_SEEDS) --errors
	$(Q)$< --sites --seeds $(SIM_SEEDS)

sim: sim-broker $(O)/sim/exactly_once ## exactly once over SIM_SEEDS power losses and failing calls; each sync taken out must be noticed
	$(Q)$(O)/sim/exactly_once --seeds $(SIM_SEEDS)
	$(Q)$(O)/sim/exactly_once --seeds $(SIM_SEEDS) --errors
	$(Q)$(O)/sim/exactly_once --sites --seeds $(SIM_SEEDS)

# ---- fuzzing: one libFuzzer program for each tests/fuzz/fuzz_*.c ------------------------------------------------

FUZZ_SECONDS ?= 10
FUZZ_CANARY := $(O)/fuzz/fuzz_canary
FUZZ_PROGRAMS := $(filter-out $(FUZZ_CANARY),$(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c)))

# What several targets share, in an archive so that each takes what it needs.
$(O)/lib/fuzz.a: $(patsubst %.c,$(O)/obj/%.o,$(filter-out $(wildcard tests/fuzz/fuzz_*.c),$(wildcard tests/fuzz/*.c)))
	$(Q)mkdir -p $(@D); rm -f $@; ar rcsD $@ $^

$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $(O)/lib/fuzz.a $(call archives,server)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz fuzz-canary fuzz-programs
ifeq ($(MODE),fuzz)
fuzz-programs: $(FUZZ_PROGRAMS)
fuzz: $(FUZZ_PROGRAMS)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $^
fuzz-canary: $(FUZZ_CANARY)
	$(Q)tests/fuzz/run --canary $^
else
fuzz fuzz-canary fuzz-programs: ## run every fuzz target for FUZZ_SECONDS (10); test the rig; only build
	$(Q)$(MAKE) MODE=fuzz $@
endif

# ---- the bench: programs of C, driven by run.py --------------------------------------------------------------

BENCH_LOADS := $(patsubst %,$(O)/bench/bench_%,kafka http floor)
BENCH_PARTS := $(patsubst %,$(O)/bench/bench_%,engine plog store)

$(BENCH_LOADS): $(O)/bench/%: $(O)/obj/tests/bench/%.o $(call archives,base)
	$(Q)mkdir -p $(@D); $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $$(pkg-config --libs rdkafka) $(PKG_LIBS)

$(O)/bench/bench_engine: $(O)/obj/tests/bench/bench_engine.o $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/engine/*.c)) \
                         $(call archives,engine)
	$(Q)mkdir -p $(@D); $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(O)/bench/bench_store: $(O)/obj/tests/bench/bench_store.o $(call archives,state)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(O)/bench/bench_plog: $(O)/obj/tests/bench/bench_plog.o $(call archives,broker)
	$(Q)mkdir -p $(@D); $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: bench bench-broker bench-parts
bench: $(BUILD)/weir $(BENCH_LOADS) ## measure the program beside references (BENCH="kafka queries ...", BENCH_FULL=1)
	$(Q)tests/bench/run.py --weir $(BUILD)/weir --programs $(O)/bench $(BENCH)

bench-broker: $(BUILD)/weir $(BENCH_LOADS) ## measure the broker beside Apache Kafka (BENCH_SHORT=1: minutes; BENCH_PAGE=1: keep the tables)
	$(Q)tests/bench/broker.py --weir $(BUILD)/weir --programs $(O)/bench $(if $(BENCH_PAGE),--page docs/benchmarks-broker.md) $(BENCH)

bench-parts: $(BENCH_PARTS) ## measure the engine and the log by themselves
	$(Q)$(O)/bench/bench_engine; mkdir -p $(O)/bench/log && $(O)/bench/bench_plog $(O)/bench/log; rm -rf $(O)/bench/log

.PHONY: coverage
coverage: ## lines and branches that the unit tests reach (needs gcovr)
	$(Q)$(MAKE) MODE=coverage check-unit
	$(Q)gcovr --root . --exclude 'tests/' --exclude '.*/gen/.*' --print-summary --sort-uncovered $(BUILD)/coverage | tail -n 60

.PHONY: install
install: all ## install to $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/weir $(DESTDIR)$(PREFIX)/bin/weir

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z][a-zA-Z_ -]*:.*## /{printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(shell test -d $(O)/obj && find $(O)/obj -name '*.d')

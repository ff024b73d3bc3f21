# SPDX-License-Identifier: BSD-2-Clause
# Benchmarks: tests/bench/bench_NAME.c is the program $(BUILD)/bench/NAME. mm/ is compiled as in the image, but for what only
# code of a kernel can have; tests/bench/bench.h says what the programs print, tools/bench makes the table.
BENCHES := $(patsubst tests/bench/bench_%.c,%,$(wildcard tests/bench/bench_*.c))
BENCH_CFLAGS := $(CSTD) $(WARNINGS) -O2 -g -MMD -MP
BENCH_MM_CFLAGS = $(filter-out -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mstack-protector-guard=global,$(HV_CFLAGS))
BENCH_LDFLAGS_tables := -Wl,--wrap=table_cache_fill,--wrap=shadow_hash_find_or_add

# What every program links.
BENCH_COMMON := $(patsubst %.c,$(BUILD)/bench/%.o,$(wildcard mm/*.c) tests/bench/bench.c tests/bench/floor.c \
                tests/bench/port_bench.c tests/bench/kvm.c)

$(BUILD)/bench/%.o: %.c
	@mkdir -p $(@D)
	$(call say,BENCHCC,$<)
	$(Q)$(CC) $(BENCH_CFLAGS) -c -o $@ $<

# The floor too: it must not have vector registers either.
$(BUILD)/bench/mm/%.o: BENCH_CFLAGS = $(BENCH_MM_CFLAGS)
$(BUILD)/bench/tests/bench/floor.o: BENCH_CFLAGS += -fno-tree-vectorize -fno-tree-loop-distribute-patterns

$(BENCHES:%=$(BUILD)/bench/%): $(BUILD)/bench/%: $(BUILD)/bench/tests/bench/bench_%.o $(BENCH_COMMON)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BENCH_LDFLAGS_$*) -o $@ $^ -lpthread

benches: $(BENCHES:%=$(BUILD)/bench/%)
	@echo '$(CC) $(BENCH_MM_CFLAGS)' > $(BUILD)/bench/compiler

bench: host-packages run-packages ## benchmarks, here and in the emulated machine: a table, and build/bench.json
	@$(BUILD_ONCE) benches
	@tools/bench

profile: run-packages ## whose the instructions of one benchmark in the emulated machine are: ROW=cpuid
	@test -n "$(ROW)" || { echo 'make profile needs ROW=figure, as tests/bench/machine names them: cpuid'; exit 2; }
	@tools/profile $(ROW)

report: host-packages ## what was measured as pictures, build/report.html; measures first where there is nothing
	@test -f $(BUILD)/bench.json || { \
	    echo 'report: $(BUILD)/bench.json is not there: measuring in the emulated machine, which takes some minutes' && \
	    $(MAKE) run-packages && tools/bench machine series map > /dev/null; }
	@tools/report

.PHONY: bench benches profile report

# SPDX-License-Identifier: BSD-2-Clause
# Stress under the thread sanitizer, and what each links: tests/stress/stress_NAME.c with stress_NAME. Without MM_OBSERVER:
# these are the operations of the hypervisor itself.
STRESSERS := $(patsubst tests/stress/stress_%.c,%,$(wildcard tests/stress/stress_*.c))
STRESS_CFLAGS := $(CSTD) $(WARNINGS) -O1 -g -fsanitize=thread -fno-omit-frame-pointer -MMD -MP
STRESS_SECONDS ?= 600

stress_frame := $(MM)
stress_rwlock := $(MM)
stress_slots := $(MM)
stress_mm := $(MM) $(wildcard tests/stress/mm_*.c) tests/stress/guest.c
stress_dirty := $(MM) $(wildcard tests/stress/dirty_*.c) tests/stress/guest.c

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(call say,TSANCC,$<)
	$(Q)$(CC) $(STRESS_CFLAGS) -c -o $@ $<

$(BUILD)/stress/%: $(BUILD)/tsan/tests/stress/stress_%.o $(BUILD)/tsan/tests/stress/stress.o $$(call objects,tsan,$$(stress_$$*))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=thread -o $@ $^ -lcmocka -lpthread

stressers: $(STRESSERS:%=$(BUILD)/stress/%)

stress: host-packages ## threads under the thread sanitizer for long: STRESS_SECONDS=600 each
	@$(BUILD_ONCE) stressers
	@for name in $(STRESSERS); do tests/stress/short $$name $(STRESS_SECONDS) || exit 1; done

.PHONY: stressers stress

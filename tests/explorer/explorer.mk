# SPDX-License-Identifier: BSD-2-Clause
# The interleaving explorer: tests/explorer/explorer.h. One program with all scenarios, without the address sanitizer: all
# of mm/ lies in one mapping, where that sees nothing, and the explorer finds writes to free frames itself.
EXPLORER := $(wildcard mm/*.c) tests/unit/port_host.c $(wildcard tests/explorer/*.c)
EXPLORER_CFLAGS := $(CSTD) $(WARNINGS) -O1 -g -DMM_OBSERVER -fsanitize=undefined -fno-sanitize-recover=all \
                   -fno-omit-frame-pointer -fno-pie -MMD -MP

# The explorer itself is what most of the time goes to. Scenarios run, and are listed, in the order of their files.
$(BUILD)/explorer/tests/explorer/%.o: EXPLORER_CFLAGS += -O2 -fno-sanitize=all -fno-toplevel-reorder

$(BUILD)/explorer/%.o: %.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(EXPLORER_CFLAGS) -c -o $@ $<

$(BUILD)/explorer/explore: $(EXPLORER:%.c=$(BUILD)/explorer/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=undefined -no-pie -Wl,--wrap=frame_alloc,--wrap=frame_free -o $@ $^

explorer: $(BUILD)/explorer/explore

EXPLORE_MORE ?= 1
explore: explorer ## the interleaving explorer for long: EXPLORE_MORE=1 preemption more than in `make test`
	$(BUILD)/explorer/explore --more $(EXPLORE_MORE)

.PHONY: explorer explore

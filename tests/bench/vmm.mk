# SPDX-License-Identifier: BSD-2-Clause
# A small monitor for Linux's KVM, which runs the same guest as slat does: the one program of an initramfs, so it is linked with
# everything that it needs. tests/bench/kvm boots it.
# KERNEL: the Debian releases whose kernels are measured.
KERNEL ?= forky trixie
VMM_CFLAGS := $(CSTD) $(WARNINGS) -O2 -g -MMD -MP

$(BUILD)/vmm/%.o: tests/bench/vmm/%.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(VMM_CFLAGS) -c -o $@ $<

$(BUILD)/vmm/init: $(patsubst tests/bench/vmm/%.c,$(BUILD)/vmm/%.o,$(wildcard tests/bench/vmm/*.c))
	$(call say,LINK,$@)
	$(Q)$(CC) -static -s -o $@ $^

bench-kvm: host-packages run-packages ## the same in the emulated machine with Linux's KVM: a table, and build/bench-kvm.json
	@tools/get-kvm $(KERNEL)
	@tests/bench/kvm --json $(BUILD)/bench-kvm.json $(KERNEL)

.PHONY: bench-kvm

# SPDX-License-Identifier: BSD-2-Clause
# The hypervisor's image. $(BUILD)/slat.elf is what the boot application embeds, $(BUILD)/slat.debug.elf the same with
# debug information for gdb, $(BUILD)/slat.map says where everything lies.

SCREEN_FONT := $(BUILD)/generated/screen_font.c
DSDT := $(BUILD)/generated/dsdt.c
HV_SOURCES ?= $(wildcard arch/x86/*.c arch/x86/*.nasm hv/*.c hv/lib/*.c hv/load/*.c hv/dev/*.c mm/*.c) boot/conf_names.c \
              $(SCREEN_FONT) $(DSDT)
HV_OBJECTS := $(patsubst %,$(BUILD)/hypervisor/%.o,$(HV_SOURCES) $(HV_TEST_SOURCES))

# The code runs without vector registers (they are the guests'), without a red zone (interrupts use the same stack), and
# with frame pointers (backtraces). gcc takes "0 or -E…, written only on success" for maybe uninitialized. HV_DEFINES,
# HV_TEST_SOURCES and HV_TEST_LDFLAGS are for test builds (tests/system/faults.t).
HV_CFLAGS := $(CSTD) -DMM_FRAMES_AT=0xffff800000000000ull -I$(BUILD)/generated $(WARNINGS) -O2 -g -MMD -MP $(HV_DEFINES) \
             -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
             -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables -fno-strict-aliasing \
             -fstack-protector-strong -mstack-protector-guard=global -fcf-protection=none \
             -ffunction-sections -fdata-sections -Wno-maybe-uninitialized
# Few instructions: RBP stays as run.nasm has set it, for backtraces.
HV_QUICK := arch/x86/exit_quick mm/fault_inside mm/first_touch
$(HV_QUICK:%=$(BUILD)/hypervisor/%.c.o): HV_CFLAGS += -fomit-frame-pointer -ffixed-rbp -foptimize-sibling-calls

HV_LDFLAGS := -nostdlib -static -no-pie -Wl,-T,linker.ld,-z,noexecstack,-z,max-page-size=4096,--build-id=none \
              -Wl,--gc-sections,--orphan-handling=error,--fatal-warnings $(HV_TEST_LDFLAGS)

$(BUILD)/hypervisor/%.c.o: %.c | $(BUILD)/generated/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HV_CFLAGS) -c -o $@ $<

$(BUILD)/hypervisor/%.nasm.o: %.nasm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -I . -MD $(@:.o=.d) -o $@ $<

# Rewritten only when the version changes, so that only the files that include it are compiled again.
$(BUILD)/generated/version.h: version-check
	@mkdir -p $(@D)
	@version=$$(GIT_OPTIONAL_LOCKS=0 git describe --always --dirty 2>/dev/null || echo unknown); \
	echo "#define SLAT_VERSION \"$$version\"" > $@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
version-check:

# Any font of 8x16 pixels in this format.
FONT ?= /usr/share/consolefonts/spleen-8x16.psfu.gz
$(SCREEN_FONT): $(FONT) tools/make-font
	@mkdir -p $(@D)
	$(Q)tools/make-font $(FONT) > $@

# The ACPI table with the guests' devices.
$(DSDT): hv/load/dsdt.asl tools/make-dsdt
	@mkdir -p $(@D)
	$(Q)tools/make-dsdt $< > $@

# Linked twice: the first image says where the functions are, the second one knows their names.
$(BUILD)/slat.unnamed.elf: $(HV_OBJECTS) linker.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(HV_LDFLAGS) -o $@ $(HV_OBJECTS)

$(BUILD)/generated/symbols.nasm: $(BUILD)/slat.unnamed.elf tools/make-symbols
	$(Q)nm -n $< | tools/make-symbols > $@

$(BUILD)/hypervisor/symbols.o: $(BUILD)/generated/symbols.nasm
	$(Q)$(NASM) -f elf64 -o $@ $<

$(BUILD)/slat.debug.elf: $(HV_OBJECTS) $(BUILD)/hypervisor/symbols.o linker.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(HV_LDFLAGS) -Wl,-Map=$(BUILD)/slat.map -o $@ $(HV_OBJECTS) $(BUILD)/hypervisor/symbols.o
	@nm -n $@ | tools/make-symbols | cmp - $(BUILD)/generated/symbols.nasm || \
	{ echo "$@: functions moved between the two links" >&2; rm $@; exit 1; }

$(BUILD)/slat.elf: $(BUILD)/slat.debug.elf
	$(Q)strip -o $@ $<

hypervisor: $(BUILD)/slat.elf ## build the hypervisor's image
	@size $(BUILD)/slat.elf

.PHONY: hypervisor version-check

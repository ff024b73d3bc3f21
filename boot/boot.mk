# SPDX-License-Identifier: BSD-2-Clause
# The EFI application, with the hypervisor's image in it: the one file that a machine needs.

EFI_HEADERS ?= /usr/include/efi
EFI_LIBRARIES ?= /usr/lib

BOOT_SOURCES := $(wildcard boot/*.c boot/*.nasm) hv/lib/format.c hv/lib/log.c hv/lib/nearest.c hv/lib/string.c
BOOT_OBJECTS := $(patsubst %,$(BUILD)/boot/%.o,$(BOOT_SOURCES))

# GNU_EFI_USE_MS_ABI: the headers' function types carry the firmware's calling convention.
BOOT_CFLAGS := $(CSTD) -I$(BUILD)/generated $(WARNINGS) -O2 -MMD -MP -ffreestanding -fPIC -fvisibility=hidden \
               -fshort-wchar -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing \
               -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -fcf-protection=none \
               -DGNU_EFI_USE_MS_ABI -maccumulate-outgoing-args \
               -isystem $(EFI_HEADERS) -isystem $(EFI_HEADERS)/x86_64

$(BUILD)/boot/%.c.o: %.c | $(BUILD)/generated/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BOOT_CFLAGS) -c -o $@ $<

$(BUILD)/boot/%.nasm.o: %.nasm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -Werror -DHYPERVISOR_ELF="'$(BUILD)/slat.elf'" -o $@ $<

$(BUILD)/boot/boot/hypervisor_elf.nasm.o: $(BUILD)/slat.elf

# A shared object that loads at any address, with gnu-efi's start-up code to relocate itself …
$(BUILD)/boot/slat.so: $(BOOT_OBJECTS)
	$(call say,LINK,$@)
	$(Q)ld -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --no-undefined --build-id=none --fatal-warnings \
	    -T $(EFI_LIBRARIES)/elf_x86_64_efi.lds -o $@ $(EFI_LIBRARIES)/crt0-efi-x86_64.o $^ $(EFI_LIBRARIES)/libgnuefi.a

# … in the format of EFI.
$(BUILD)/slat.efi: $(BUILD)/boot/slat.so
	$(call say,EFI,$@)
	$(Q)objcopy -j .text -j .data -j .dynamic -j .rel -j .rela -j '.rel.*' -j '.rela.*' -j .reloc \
	    --target efi-app-x86_64 --subsystem=10 $< $@

FORCE:
.PHONY: FORCE

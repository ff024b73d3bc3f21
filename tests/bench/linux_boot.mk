# SPDX-License-Identifier: BSD-2-Clause
# An EFI application that starts Linux on the bare machine, for tests/bench/linux_boot: linked as boot/boot.mk links slat's own.
# Read after the Makefile: make -f Makefile -f tests/bench/linux_boot.mk
$(BUILD)/bench/bare_linux.so: $(BUILD)/boot/tests/bench/bare_linux.c.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)ld -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --no-undefined --build-id=none --fatal-warnings \
	    -T $(EFI_LIBRARIES)/elf_x86_64_efi.lds -o $@ $(EFI_LIBRARIES)/crt0-efi-x86_64.o $^ $(EFI_LIBRARIES)/libgnuefi.a

$(BUILD)/bench/bare_linux.efi: $(BUILD)/bench/bare_linux.so
	$(call say,EFI,$@)
	$(Q)objcopy -j .text -j .data -j .dynamic -j .rel -j .rela -j '.rel.*' -j '.rela.*' -j .reloc \
	    --target efi-app-x86_64 --subsystem=10 $< $@

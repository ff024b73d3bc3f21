# SPDX-License-Identifier: BSD-2-Clause
# The guest stubs: $(BUILD)/stubs/NAME.elf is a Multiboot kernel, NAME.bin a flat image. Each stub's file says with what
# section of slat.conf it is run. 32-bit code is made with the compiler's -m32; no 32-bit C library is needed.

STUBS_64 := long_mode high_memory hostile_calls_64 vector_neighbour
STUBS_SMP := remember storm
STUBS_32 := $(filter-out $(STUBS_64) $(STUBS_SMP),$(patsubst guest-stubs/%.c,%,$(wildcard guest-stubs/*.c)))
STUB_LIB := $(patsubst guest-stubs/lib/%.c,%,$(filter-out %/exceptions.c,$(wildcard guest-stubs/lib/*.c)))
STUB_CFLAGS := $(CSTD) $(WARNINGS) -O2 -ffreestanding -fno-pic -fno-pie -mgeneral-regs-only -mno-red-zone \
               -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -MMD -MP
STUB_LINK := -nostdlib -static -no-pie \
             -Wl,-T,guest-stubs/lib/stub.ld,--build-id=none,-z,noexecstack,-z,max-page-size=4096,--no-warn-rwx-segments

# Stubs of one file each that use the processors of smp.elf.
HOSTILE := $(filter-out parallel,$(patsubst guest-stubs/hostile/%.c,%,$(wildcard guest-stubs/hostile/*.c)))

STUBS := $(STUBS_32:%=$(BUILD)/stubs/%.elf) $(STUBS_64:%=$(BUILD)/stubs/%.elf) $(BUILD)/stubs/long_mode.bin \
         $(BUILD)/stubs/real_mode.bin $(BUILD)/stubs/smp.elf $(BUILD)/stubs/smp_64.elf $(BUILD)/stubs/initramfs \
         $(HOSTILE:%=$(BUILD)/stubs/%.elf) $(STUBS_SMP:%=$(BUILD)/stubs/%.elf)

$(BUILD)/stubs/32/%.o: guest-stubs/%.c
	@mkdir -p $(@D)
	$(call say,STUBCC,$<)
	$(Q)$(CC) -m32 $(STUB_CFLAGS) -c -o $@ $<

$(BUILD)/stubs/64/%.o: guest-stubs/%.c
	@mkdir -p $(@D)
	$(call say,STUBCC,$<)
	$(Q)$(CC) -m64 $(STUB_CFLAGS) -c -o $@ $<

$(BUILD)/stubs/32/%.nasm.o: guest-stubs/%.nasm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf32 -Werror -o $@ $<

$(BUILD)/stubs/64/%.nasm.o: guest-stubs/%.nasm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -Werror -o $@ $<

STUB_LIB_32 := $(STUB_LIB:%=$(BUILD)/stubs/32/lib/%.o) $(BUILD)/stubs/32/lib/exceptions.o \
               $(BUILD)/stubs/32/lib/exceptions.nasm.o
STUB_LIB_64 := $(STUB_LIB:%=$(BUILD)/stubs/64/lib/%.o)

$(STUBS_32:%=$(BUILD)/stubs/%.elf): $(BUILD)/stubs/%.elf: $(BUILD)/stubs/32/lib/start_multiboot.nasm.o \
                                     $(BUILD)/stubs/32/%.o $(STUB_LIB_32) guest-stubs/lib/stub.ld
	$(call say,LINK,$@)
	$(Q)$(CC) -m32 $(STUB_LINK) -o $@ $(filter %.o,$^)

# Multiboot loaders know ELF32: the 64-bit images are renamed to that.
$(STUBS_64:%=$(BUILD)/stubs/%.elf): $(BUILD)/stubs/%.elf: $(BUILD)/stubs/64/lib/start_multiboot64.nasm.o \
                                     $(BUILD)/stubs/64/%.o $(STUB_LIB_64) guest-stubs/lib/stub.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(STUB_LINK) -o $@ $(filter %.o,$^)
	$(Q)objcopy -O elf32-i386 $@

$(BUILD)/stubs/64/long_mode.flat.elf: $(BUILD)/stubs/64/lib/start_flat64.nasm.o $(BUILD)/stubs/64/long_mode.o \
                                      $(STUB_LIB_64) guest-stubs/lib/stub.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(STUB_LINK) -o $@ $(filter %.o,$^)

$(BUILD)/stubs/long_mode.bin: $(BUILD)/stubs/64/long_mode.flat.elf
	$(Q)objcopy -O binary $< $@

$(BUILD)/stubs/real_mode.bin: guest-stubs/real_mode.nasm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f bin -Werror -o $@ $<

# A stub of several files, at the address where small kernels often are.
SMP := $(patsubst guest-stubs/%.c,%.o,$(wildcard guest-stubs/smp/*.c)) smp/trampoline.nasm.o
SMP_LINK := $(subst lib/stub.ld,smp/smp.ld,$(STUB_LINK))

$(BUILD)/stubs/smp.elf: $(BUILD)/stubs/32/lib/start_multiboot.nasm.o $(SMP:%=$(BUILD)/stubs/32/%) $(STUB_LIB_32) \
                        guest-stubs/smp/smp.ld
	$(call say,LINK,$@)
	$(Q)$(CC) -m32 $(SMP_LINK) -o $@ $(filter %.o,$^)

$(BUILD)/stubs/smp_64.elf: $(BUILD)/stubs/64/lib/start_multiboot64.nasm.o $(SMP:%=$(BUILD)/stubs/64/%) $(STUB_LIB_64) \
                           guest-stubs/smp/smp.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(SMP_LINK) -o $@ $(filter %.o,$^)
	$(Q)objcopy -O elf32-i386 $@

HOSTILE_PARTS := hostile/parallel.o smp/apic.o smp/interrupts.o smp/processors.o smp/trampoline.nasm.o

$(HOSTILE:%=$(BUILD)/stubs/%.elf): $(BUILD)/stubs/%.elf: $(BUILD)/stubs/32/lib/start_multiboot.nasm.o \
                                   $(BUILD)/stubs/32/hostile/%.o $(HOSTILE_PARTS:%=$(BUILD)/stubs/32/%) $(STUB_LIB_32) \
                                   guest-stubs/smp/smp.ld
	$(call say,LINK,$@)
	$(Q)$(CC) -m32 $(SMP_LINK) -o $@ $(filter %.o,$^)

# They use several processors in the same way, and what lies at 4 MiB is theirs.
$(STUBS_SMP:%=$(BUILD)/stubs/%.elf): $(BUILD)/stubs/%.elf: $(BUILD)/stubs/32/lib/start_multiboot.nasm.o \
                                     $(BUILD)/stubs/32/%.o $(BUILD)/stubs/32/smp/apic.o \
                                     $(BUILD)/stubs/32/smp/interrupts.o $(BUILD)/stubs/32/smp/processors.o \
                                     $(BUILD)/stubs/32/smp/trampoline.nasm.o $(STUB_LIB_32) guest-stubs/lib/stub.ld
	$(call say,LINK,$@)
	$(Q)$(CC) -m32 $(STUB_LINK) -o $@ $(filter %.o,$^)

# The program that Linux guests run, without a C library, and the archive that they get it in.
LINUX_INIT_CFLAGS := $(filter-out -mgeneral-regs-only -mno-red-zone,$(STUB_CFLAGS)) -fno-tree-loop-distribute-patterns

$(BUILD)/stubs/linux/%.o: tests/guests/linux/%.c
	@mkdir -p $(@D)
	$(call say,STUBCC,$<)
	$(Q)$(CC) $(LINUX_INIT_CFLAGS) -c -o $@ $<

$(BUILD)/stubs/linux/init: $(patsubst tests/guests/linux/%.c,$(BUILD)/stubs/linux/%.o,$(wildcard tests/guests/linux/*.c))
	$(call say,LINK,$@)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none,-z,noseparate-code,-z,noexecstack,-s -o $@ $^

$(BUILD)/stubs/initramfs: $(BUILD)/stubs/linux/init tools/make-initramfs
	$(call say,CPIO,$@)
	$(Q)tools/make-initramfs $@ $<

stubs: $(STUBS) ## build the guest stubs

.PHONY: stubs

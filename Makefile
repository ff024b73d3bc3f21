# SPDX-License-Identifier: BSD-2-Clause
# slat: `make help` lists the targets. Everything that is made lies in build/.

BUILD ?= build
export BUILD
# Without this git knows nothing of a tree that belongs to somebody else, as in many a container.
export GIT_CONFIG_COUNT := 1
export GIT_CONFIG_KEY_0 := safe.directory
export GIT_CONFIG_VALUE_0 := *
CC := gcc
CLANG := clang-14
NASM := nasm
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDEXPANSION:

# `make V=1` shows the commands; otherwise one short line for each file.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
            -Wvla -Wundef -Wformat=2 -Wno-unused-parameter
CSTD := -std=gnu11 -I.

# What `make run` boots: MACHINE=auto|bochs|kvm|tcg, CPUS, CPU_MODEL, MEMORY (MiB), CONF (the guests).
MACHINE ?= auto
CPUS ?= 1
CPU_MODEL ?=
MEMORY ?= 512
CONF ?= guest-stubs/sample.conf
export CONF GUEST
MACHINE_OPTIONS = --machine $(MACHINE) --cpus $(CPUS) --memory $(MEMORY) $(if $(CPU_MODEL),--cpu-model $(CPU_MODEL))

# Several can be started at the same time: they build one after the other.
BUILD_ONCE = mkdir -p $(BUILD) && flock $(BUILD) $(MAKE) -j$(shell nproc)

# ---- what a person types --------------------------------------------------------------------------------------------

help: ## this list
	@echo 'slat: a minimal hypervisor for Intel processors. README.md says more.'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(filter-out %.d,$(MAKEFILE_LIST)) | expand -t 20
	@echo 'variables: MACHINE=auto|bochs|kvm|tcg CPUS=n CPU_MODEL=name MEMORY=MiB CONF=file BUILD=folder V=1'

run: run-packages ## boot the guests of CONF in an emulator and show what they print
	@$(BUILD_ONCE) $(BUILD)/run.img
	@tools/machine $(MACHINE_OPTIONS) --timeout 1200 $(BUILD)/run.img

debug: run-packages ## boot the guests of CONF with gdb on one of them: GUEST=name
	@test -n "$$GUEST" || { echo 'make debug needs GUEST=name, the name of a guest of CONF'; exit 2; }
	@$(BUILD_ONCE) image $(BUILD)/tools/slat-conf
	@tools/debug "$$GUEST" "$$CONF" $(MACHINE_OPTIONS)

test: test-packages ## everything: lint, unit tests, fuzzers for a moment, system tests in the emulator
	@tests/run-all

usb: build-packages ## the image for a USB stick with the guests of CONF: build/slat-usb.img
	@$(BUILD_ONCE) $(BUILD)/slat-usb.img
	@ls -l $(BUILD)/slat-usb.img
	@echo 'Write it to a stick with: sudo dd if=$(BUILD)/slat-usb.img of=/dev/sdX bs=4M conv=fsync'

image: $(BUILD)/slat.efi stubs ## build the EFI application and the guest stubs

clean: ## remove what was built; the emulator, the guests and what fuzzers found stay
	rm -rf $(wildcard $(addprefix $(BUILD)/,*.img slat.* clang-tidy.log bench boot churning coverage debug explorer faulty fuzz \
	fuzzer generated hardware host hypervisor in-machine mutants report.html stress stubs tools tsan unit vmm))

# ---- packages, emulator, guests -------------------------------------------------------------------------------------

build-packages:
	@tools/install build run

run-packages: build-packages
	@tools/get-emulator
	@tools/get-guests memtest86+
	@! grep -qE '^ *(image|module) *= *"?vmlinu[xz]' "$$CONF" || tools/get-guests linux-image-cloud-amd64
	@! grep -qE '^ *image *= *"?gnumach' "$$CONF" || tools/get-guests gnumach-image-1.8-486
	@! grep -qE '^ *image *= *"?u-boot.rom' "$$CONF" || tools/get-guests u-boot-qemu

host-packages:
	@tools/install

test-packages: host-packages run-packages
	@tools/get-guests linux-image-cloud-amd64 gnumach-image-1.8-486 u-boot-qemu

# ---- the image: hypervisor, boot application, guest stubs -----------------------------------------------------------

include hypervisor.mk boot/boot.mk guest-stubs/stubs.mk

$(BUILD)/run.img $(BUILD)/slat-usb.img: image $(BUILD)/tools/slat-conf FORCE
	$(call say,IMAGE,$@)
	$(Q)tools/boot-image $@ "$$CONF"

# ---- host: tools, unit tests, fuzzers -------------------------------------------------------------------------------

include tests/unit/tests.mk tests/hardware/hardware.mk tests/explorer/explorer.mk tests/stress/stress.mk tests/bench/bench.mk \
        tests/bench/vmm.mk

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_CFLAGS := $(CSTD) $(WARNINGS) -O1 -g $(SANITIZE) -MMD -MP
FUZZ_CFLAGS := $(CSTD) $(WARNINGS) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -MMD -MP

# The objects of a list of sources: `host` for unit tests and tools, `fuzz` for fuzzers.
objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

UNITS := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 3600

$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(HOST_CFLAGS) -c -o $@ $<

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CLANG,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

$(BUILD)/unit/%: $(BUILD)/host/tests/unit/test_%.o $$(call objects,host,$$(unit_$$*))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ -lcmocka -lpthread $(unit_libs_$*)

$(BUILD)/fuzzer/%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $$(call objects,fuzz,$$(fuzz_$$*))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(fuzz_libs_$*)

# Every program that tests the memory core: tests/mutants/run and tools/coverage run them.
MM_SUITES = $(foreach unit,$(UNITS),$(if $(findstring port_host.c,$(unit_$(unit))),$(BUILD)/unit/$(unit))) \
            $(HARDWARE_TESTS:%=$(BUILD)/hardware/%) $(BUILD)/explorer/explore $(STRESSERS:%=$(BUILD)/stress/%)

units: $(UNITS:%=$(BUILD)/unit/%)

unit: host-packages ## the unit tests alone; unit-NAME is one of them
	@tests/run-all unit

unit-%: $(BUILD)/unit/%
	$<

fuzzers: $(FUZZERS:%=$(BUILD)/fuzzer/%)

fuzz: host-packages ## all fuzzers for long: FUZZ_SECONDS=3600 each
	@$(BUILD_ONCE) fuzzers
	@tests/fuzz/run $(FUZZ_SECONDS)

system: test-packages ## the system tests alone
	@tests/run-all system

mutants: host-packages ## the memory core with one guard removed, again and again: every mutant must be caught
	@tests/mutants/run

coverage: host-packages ## lines and branches of mm/ that the tests reach, and those that they do not
	@tools/coverage

lint: host-packages ## layout, layers, static analysis
	@tests/run-all lint

-include $(shell find $(BUILD) -name mutants -prune -o -type f -name '*.d' -print 2>/dev/null)
.PHONY: help run debug test usb image clean build-packages run-packages host-packages test-packages units unit fuzzers fuzz \
        system lint mutants coverage
.SECONDARY:

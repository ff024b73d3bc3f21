# SPDX-License-Identifier: BSD-2-Clause
# The hardware model and the tests that run mm/ on it: tests/hardware/test_hardware_NAME.c with hardware_NAME.
HARDWARE_TESTS := $(patsubst tests/hardware/test_hardware_%.c,%,$(wildcard tests/hardware/test_hardware_*.c))

MODEL := tests/hardware/cpu.c tests/hardware/frame_watch.c
MACHINE_MODEL := $(MODEL) tests/hardware/machine.c tests/hardware/fiber.c
hardware_model := $(MM) $(MODEL)
hardware_P := $(MM) $(MACHINE_MODEL) tests/hardware/scene.c
hardware_G := $(MM) $(MACHINE_MODEL) tests/hardware/scene.c
hardware_C := $(MM) $(MACHINE_MODEL) tests/hardware/scene.c tests/hardware/log_scene.c
hardware_C_large := $(hardware_C)
hardware_random := $(MM) $(MACHINE_MODEL) $(wildcard tests/hardware/random_*.c tests/hardware/reference*.c)

# The model learns of every frame's use behind the back of mm/.
WATCH_FRAMES := -Wl,--wrap=frame_alloc,--wrap=frame_free,--wrap=frame_retire,--wrap=frame_retire_allocated

$(BUILD)/hardware/%: $(BUILD)/host/tests/hardware/test_hardware_%.o $$(call objects,host,$$(hardware_$$*))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) $(WATCH_FRAMES) -o $@ $^ -lcmocka -lpthread

hardware-tests: $(HARDWARE_TESTS:%=$(BUILD)/hardware/%)

hardware: host-packages ## the tests on the hardware model alone
	@tests/run-all hardware

HARDWARE_STEPS ?= 2000000
HARDWARE_SEED ?= 0
hardware-long: $(BUILD)/hardware/random ## the random driver for long: HARDWARE_STEPS=2000000 HARDWARE_SEED=0 (the time)
	$< --seed $(HARDWARE_SEED) --steps $(HARDWARE_STEPS)

.PHONY: hardware-tests hardware hardware-long

# SPDX-License-Identifier: BSD-2-Clause
# Unit tests and fuzz harnesses, and what each links: tests/unit/test_NAME.c with unit_NAME, tests/fuzz/fuzz_NAME.c with
# fuzz_NAME. MM is the whole memory core with its host port.
MM := $(wildcard mm/*.c) tests/unit/port_host.c

# The parser of slat.conf, and the writer that the host tool has.
PARSER := boot/conf.c boot/conf_error.c boot/conf_guest.c boot/conf_lines.c boot/conf_names.c boot/conf_value.c \
        hv/lib/format.c hv/lib/nearest.c
unit_conf := $(PARSER) tools/conf_show.c tests/unit/conf_support.c
unit_slat_conf := $(PARSER) tools/conf_show.c
unit_conf_errors := $(PARSER) tests/unit/conf_support.c
unit_conf_limits := $(PARSER) tests/unit/conf_support.c
fuzz_conf := $(PARSER) tools/conf_show.c
unit_pattern := hv/pattern.c
fuzz_pattern := hv/pattern.c
unit_format := hv/lib/format.c
unit_log := hv/lib/log.c hv/lib/format.c
unit_screen := hv/screen.c hv/screen_font.c $(BUILD)/generated/screen_font.c

SLAT_CONF := tools/slat-conf.c tools/conf_show.c $(PARSER)
$(BUILD)/tools/slat-conf: $(SLAT_CONF:%.c=$(BUILD)/host/%.o)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) -o $@ $^

# The loaders, on a fake vm_memory that is stricter than the real one.
LOADERS := $(wildcard hv/load/*.c) $(BUILD)/generated/dsdt.c hv/lib/format.c
LOAD := $(LOADERS) tests/unit/fake_vm_memory.c
unit_load_place := $(LOAD) tests/unit/load_support.c
unit_load_flat := $(LOAD) tests/unit/load_support.c
unit_load_elf := $(LOAD) tests/unit/load_support.c
unit_load_multiboot := $(LOAD) tests/unit/load_support.c
unit_load_linux := $(LOAD) tests/unit/load_support.c
unit_load_real := $(LOAD) tests/unit/load_support.c
unit_load_acpi := $(LOAD) tests/unit/load_support.c
unit_load_pvh := $(LOAD) tests/unit/load_support.c
unit_load_rom := $(LOAD) tests/unit/load_support.c
unit_load_mm := $(LOADERS) $(MM)
fuzz_load := $(LOAD)
unit_backtrace := arch/x86/backtrace.c arch/x86/stack.c arch/x86/symbols.c hv/lib/format.c hv/lib/log.c
unit_exception_text := arch/x86/exception_text.c hv/lib/format.c

unit_memory_map := boot/memory_map.c
unit_load_hypervisor := boot/load_hypervisor.c
unit_address_spaces := boot/address_spaces.c boot/page_tables.c boot/memory_map.c
unit_unix_time := boot/unix_time.c

# The memory core. Its host build reports every change of a table's entry and every
# atomic operation to port_host.c.
$(BUILD)/host/mm/%.o: HOST_CFLAGS += -DMM_OBSERVER
# So few generations that tests reach the wrap-around of device markers (G7).
$(BUILD)/host/mm/%.o $(BUILD)/host/tests/%.o: HOST_CFLAGS += -DEPT_MARKER_BITS=3
unit_spinlock :=
unit_frame := $(MM)
unit_frame_record := $(MM)
unit_pool := $(MM)
unit_rbtree := $(MM)
unit_interval_tree := $(MM)
unit_backing := $(MM)
unit_memslots := $(MM)
unit_mapping_level := $(MM)
unit_tlb_gather := $(MM)
unit_spt := $(MM)
unit_spt_zap := $(MM)
unit_spt_history := $(MM)
unit_fault := $(MM)
unit_fault_race := $(MM)
unit_fault_inside := $(MM)
unit_first_touch := $(MM)
unit_fault_parallel := $(MM)
unit_guest_access := $(MM)
unit_vm_memory := $(MM)
unit_vm_slots := $(MM)
unit_audit := $(MM)
unit_mm_random := $(MM)
unit_memslots_model := $(MM)
unit_memslots_readers := $(MM)
unit_rwlock := $(MM)
unit_backing_clone := $(MM)
unit_backing_random := $(MM)
unit_backing_threads := $(MM)
unit_backing_errors := $(MM)
unit_backing_extents := $(MM)
unit_many_roots := $(MM)
unit_balloon := $(MM)
unit_compaction := $(MM)
unit_page_share := $(MM)
unit_retire := $(MM)
unit_invalidation_races := $(MM)
unit_frame_share := $(MM)
unit_vcpu_memory := $(MM)
unit_shadow_hash := $(MM)
unit_view := $(MM)
unit_spt_root := $(MM)
unit_spt_view := $(MM)
unit_spt_view_races := $(MM)
unit_spt_view_random := $(MM)
unit_spt_split := $(MM)
unit_invalidate_all := $(MM)
unit_spt_range := $(MM)
unit_reclaim := $(MM)
unit_device_marker := $(MM)
unit_device_marker_rounds := $(MM)
unit_vm_populate := $(MM)
unit_populate_runs := $(MM)
unit_vm_range := $(MM)
unit_dirty_log := $(MM)
unit_processor_bits := $(MM)
unit_dirty_content := $(MM)
unit_dirty_slots := $(MM)
unit_dirty_edges := $(MM)
unit_dirty_races := $(MM)
unit_snapshot := $(MM)
unit_snapshot_tree := $(MM)
unit_snapshot_pages := $(MM)
unit_snapshot_errors := $(MM)
unit_snapshot_random := $(MM)
unit_snapshot_races := $(MM)
unit_collapse := $(MM)
unit_collapse_views := $(MM)
unit_collapse_races := $(MM)
unit_recover := $(MM)
unit_nx_large := $(MM)
unit_survey := $(MM)
unit_dirty_rate := $(MM)
unit_dirty_rate_walk := $(MM)
unit_dirty_rate_slots := $(MM)
unit_dirty_rate_errors := $(MM)
unit_precopy := $(MM)
unit_precopy_guests := $(MM)
unit_page_set := $(MM)
unit_page_set_threads := $(MM)
unit_dirty_ring := $(MM)
unit_dirty_reap := $(MM)
unit_dirty_review := $(MM)
# Its own spt_zap_all(), vm_next(), mm_init(); the slots are the real ones.
unit_invalidation := $(addprefix mm/,backing.c backing_map.c backing_clone.c invalidation.c copy_on_write.c balloon.c \
        compaction.c page_share.c retire.c frame_share.c frame.c frame_record.c pool.c memslot.c memslots.c \
        interval_tree.c rbtree.c page_set.c) tests/unit/port_host.c

# Devices and the guests' console.
DEV := $(wildcard hv/dev/*.c)
unit_dev_bus := hv/dev/port_bus.c hv/dev/debug_exit.c
unit_dev_uart := hv/dev/uart16550.c
unit_dev_pit := hv/dev/pit8254.c
unit_dev_pic := hv/dev/pic8259.c
unit_dev_cmos := hv/dev/cmos.c
unit_dev_acpi_pm := hv/dev/acpi_pm.c hv/dev/port_bus.c
unit_dev_fw_cfg := hv/dev/fw_cfg.c hv/dev/port_bus.c
fuzz_pm_fwcfg := hv/dev/acpi_pm.c hv/dev/fw_cfg.c hv/dev/port_bus.c
unit_dev_platform := $(DEV)
unit_dev_wiring := $(DEV)
unit_dev_irqs := $(DEV)
unit_dev_quickly := $(DEV)
LAPIC := $(wildcard hv/dev/lapic*.c)
unit_lapic_registers := $(LAPIC)
unit_lapic_x2apic := $(LAPIC)
unit_lapic_timer := $(LAPIC)
unit_lapic_interrupts := $(LAPIC)
unit_lapic_messages := $(LAPIC)
unit_lapic_races := hv/dev/lapic_access.c hv/dev/lapic_timer.c
unit_ioapic := hv/dev/ioapic.c
unit_vm_interrupts := hv/vm_interrupts.c $(DEV)
fuzz_lapic := $(DEV)
unit_guest_console := hv/guest_console.c hv/guest_screen.c hv/lib/format.c
fuzz_dev := $(DEV)
# The monitor with the memory core, without vCPUs and devices.
MONITOR := $(wildcard hv/monitor*.c) hv/vm_list.c hv/vm_slots.c hv/console_lines.c hv/pattern.c hv/lib/format.c \
        hv/lib/nearest.c hv/guest_input.c $(MM) tests/unit/monitor_support.c
unit_monitor := $(MONITOR)
unit_monitor_dirty := $(MONITOR)
unit_monitor_console := $(MONITOR)
unit_monitor_help := $(MONITOR)
unit_console_lines := hv/console_lines.c hv/pattern.c
fuzz_monitor := $(MONITOR)
fuzz_guest_console := hv/guest_console.c hv/guest_screen.c hv/lib/format.c

unit_itlb_multihit := arch/x86/itlb_multihit.c
unit_apicv_rules := arch/x86/apicv_rules.c
unit_vmx_caps := arch/x86/vmx_caps.c hv/lib/format.c
unit_entry_check := arch/x86/entry_check.c arch/x86/vmcs_names.c

# The console: a person at the machine's serial port.
LINE_EDITOR := $(wildcard hv/line_*.c)
unit_line_editor := $(LINE_EDITOR)
fuzz_line_editor := $(LINE_EDITOR)

# The gdb server, with a machine that only its tests have; gdb-machine is what a real gdb talks to.
GDB := $(wildcard hv/gdb_*.c) hv/lib/format.c
unit_gdb_packet := hv/gdb_packet.c hv/gdb_text.c
unit_gdb_registers := $(GDB)
unit_gdb_server := $(GDB) tests/unit/gdb_support.c tests/unit/gdb_client.c
unit_gdb_session := $(GDB) tests/unit/gdb_support.c tests/unit/gdb_client.c
unit_gdb_memory := $(GDB) tests/unit/gdb_support.c
fuzz_gdb := $(GDB) tests/unit/gdb_support.c

GDB_MACHINE := $(GDB) tests/unit/gdb_support.c tests/unit/gdb_machine.c
$(BUILD)/tools/gdb-machine: $(GDB_MACHINE:%.c=$(BUILD)/host/%.o)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) -o $@ $^
unit_guest_input := hv/guest_input.c
unit_console := hv/console.c hv/guest_input.c hv/lib/format.c $(LINE_EDITOR)
unit_nearest := hv/lib/nearest.c

# Instructions that access devices, against Zydis and against the host's processor.
DECODER := arch/x86/decode.c arch/x86/decode_memory.c
unit_decode := $(DECODER)
unit_decode_address := $(DECODER)
unit_decode_zydis := $(DECODER) tests/unit/zydis_support.c
unit_libs_decode_zydis := -lZydis
unit_mmio_op := $(DECODER) arch/x86/mmio_op.c arch/x86/mmio_alu.c
unit_mmio_op_processor := $(unit_mmio_op) tests/unit/execute_support.c
fuzz_decode := $(unit_mmio_op) tests/unit/zydis_support.c
fuzz_libs_decode := -lZydis
unit_guest_features := arch/x86/guest_features.c
unit_guest_cpuid := arch/x86/guest_features.c arch/x86/guest_cpuid.c
unit_guest_mtrr := arch/x86/guest_mtrr.c

unit_madt := arch/x86/acpi_find.c arch/x86/madt.c
fuzz_madt := $(unit_madt)
unit_run_queue := hv/run_queue.c

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a machine with several processors, as kernels without drivers use it: the number of processors from fw_cfg, a start
 * by INIT and one SIPI to all others, interrupts from each to each, local timers, x2APIC. An ELF file for 32 bits at
 * 4 MiB; smp_64.elf does the same in 64-bit mode.
 *
 *   [guest smp]
 *   image = smp.elf
 *   memory = 16M
 *   processors = 4
 *   cmdline = processors=4             how many there should be; x2apic, deadline: 1: must be there, 0: not tried
 *   expect-end = exit 0
 */
#include "guest-stubs/smp/smp.h"

enum { PIC_MASTER_MASK = 0x21, PIC_SLAVE_MASK = 0xa1 };

void stub_main(void)
{
    /* A firmware may have left the PIT's interrupts on. */
    outb(PIC_MASTER_MASK, 0xff);
    outb(PIC_SLAVE_MASK, 0xff);
    plan(TESTS_START + TESTS_PARALLEL + TESTS_IPI + TESTS_APIC + TESTS_PRIORITY + TESTS_TIMER + TESTS_RESTART +
         TESTS_X2APIC + TESTS_PRIORITY + TESTS_X2APIC_REGISTERS);
    processors_init();
    interrupts_init();
    check_start();
    check_parallel();
    check_ipi();
    check_apic();
    check_priority();
    check_timer();
    check_restart();
    check_x2apic();
    check_x2apic_registers();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* All of them change to x2APIC mode, from which there is no way back but INIT. */
#include "guest-stubs/smp/smp.h"

enum { CPUID_X2APIC = 1 << 21, IPI = ICR_FIXED | ICR_ASSERT | VECTOR_LOW };

static void change(void)
{
    struct processor *self = this_processor();
    u64 base = rdmsr(MSR_APIC_BASE);

    wrmsr(MSR_APIC_BASE, base | BASE_X2APIC);
    barrier();
    x2apic = true;
    barrier();
    self->result = rdmsr(MSR_APIC_BASE) == (base | BASE_X2APIC) && apic_id() == self->apic_id &&
                   apic_read(APIC_SPURIOUS) == (SPURIOUS_ENABLED | VECTOR_SPURIOUS);
}

/* The logical ID is derived from the APIC ID: SDM "Logical x2APIC ID". */
static void look_at_logical_id(void)
{
    u32 id = apic_id();

    this_processor()->result = apic_read(APIC_LDR) == ((id >> 4) << 16 | 1u << (id & 15));
}

static bool faults(u32 msr, u64 value)
{
    struct processor *self = this_processor();
    u32 before = self->counts[VECTOR_GP];

    wrmsr(msr, value);
    return self->counts[VECTOR_GP] == before + 1;
}

/* What is read-only, reserved, or not there in this mode: #GP. */
static void misuse(void)
{
    u64 base = rdmsr(MSR_APIC_BASE);
    u32 right = 0;

    right += faults(MSR_X2APIC + APIC_ID / 16, 0);
    right += faults(MSR_X2APIC + APIC_LDR / 16, 1);
    right += faults(MSR_X2APIC + APIC_DFR / 16, 0xffffffff);
    right += faults(MSR_X2APIC + APIC_EOI / 16, 1);
    right += faults(MSR_X2APIC + APIC_ICR_HIGH / 16, 0);
    right += faults(MSR_X2APIC + APIC_TPR / 16, 0x100);
    right += faults(MSR_APIC_BASE, base & ~(u64)BASE_X2APIC);
    this_processor()->result = right;
}

static void send_self(void)
{
    struct processor *self = this_processor();

    self->counts[VECTOR_LOW] = 0;
    wrmsr(MSR_X2APIC_SELF, VECTOR_LOW);
    interrupts_on();
    wait_until(self->counts[VECTOR_LOW] == 1);
    interrupts_off();
    self->result = true;
}

static bool all_get_one(u32 destination, u32 command)
{
    bool right = true;

    for (unsigned i = 0; i < processor_count; i++)
        processor_table[i].counts[VECTOR_LOW] = 0;
    interrupts_on();
    apic_send(destination, command);
    for (unsigned i = 0; i < processor_count; i++)
        wait_until(processor_table[i].counts[VECTOR_LOW] >= 1);
    interrupts_off();
    for (unsigned i = 0; i < processor_count; i++)
        right = right && processor_table[i].counts[VECTOR_LOW] == 1;
    return right;
}

static bool each_gets_one(void)
{
    for (unsigned i = 0; i < processor_count; i++) {
        u32 before = processor_table[i].counts[VECTOR_LOW];
        interrupts_on();
        apic_send(processor_table[i].apic_id, IPI);
        wait_until(processor_table[i].counts[VECTOR_LOW] == before + 1);
        interrupts_off();
    }
    return true;
}

void check_x2apic(void)
{
    if (!(cpuid(1, 0).ecx & CPUID_X2APIC) || !argument("x2apic", 1)) {
        for (unsigned i = 0; i < TESTS_X2APIC; i++)
            ok(!argument("x2apic", 0), "# SKIP no x2APIC");
        return;
    }
    run_on_all(change);
    ok(results(true) == processor_count, "all are in x2APIC mode, and keep their IDs and registers");
    run_on_all(look_at_logical_id);
    ok(results(true) == processor_count, "logical IDs come from the APIC IDs");
    ok(each_gets_one(), "one interrupt for each");
    ok(all_get_one(0xffffffff, IPI), "one broadcast to all");
    ok(processor_count > 16 || all_get_one((1u << processor_count) - 1, IPI | ICR_LOGICAL), "one to a cluster");
    run_on_all(send_self);
    ok(results(true) == processor_count, "an interrupt for oneself");
    run_on_all(misuse);
    ok(results(7) == processor_count, "what is not allowed is a general protection exception");
}

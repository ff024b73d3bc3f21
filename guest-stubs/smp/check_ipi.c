/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from processor to processor, with every kind of destination. */
#include "guest-stubs/smp/smp.h"

enum { ROUNDS = 10, FLAT_MAX = 8, IPI = ICR_FIXED | ICR_ASSERT | VECTOR_LOW };

static volatile u32 ready, awake;
static unsigned sender;
static bool halted; /* those who get NMIs halt */

static u32 came(unsigned index)
{
    return processor_table[index].counts[VECTOR_LOW];
}

static unsigned total(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < processor_count; i++)
        sum += came(i);
    return sum;
}

static void clear(void)
{
    for (unsigned i = 0; i < processor_count; i++)
        processor_table[i].counts[VECTOR_LOW] = processor_table[i].counts[VECTOR_NMI] = 0;
}

/* From the first processor to each of them, itself too, one at a time. */
static bool sent_to_each(void)
{
    unsigned sent = 0;

    interrupts_on();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < processor_count; i++) {
            apic_send(processor_table[i].apic_id, IPI);
            sent++;
            wait_until(came(i) == round);
        }
    }
    interrupts_off();
    return total() == sent;
}

/* Each in turn sends to all others, and takes what the others send. */
static void send_in_turn(void)
{
    struct processor *self = this_processor();

    for (unsigned turn = 0; turn < processor_count; turn++) {
        if (turn == self->index) {
            for (unsigned i = 0; i < processor_count; i++) {
                u32 before = came(i);
                if (i == turn)
                    continue;
                apic_send(processor_table[i].apic_id, IPI);
                wait_until(came(i) == before + 1);
            }
        }
        interrupts_on();
        barrier();
        interrupts_off();
    }
}

/* Sends `command`; whoever should get it gets it once, and nobody else. */
static bool sent_by_command(u32 destination, u32 command, bool to_self, bool to_others)
{
    unsigned expected = (to_self ? 1 : 0) + (to_others ? processor_count - 1 : 0);
    bool right = true;

    for (unsigned round = 1; round <= ROUNDS && right; round++) {
        clear();
        interrupts_on();
        apic_send(destination, command);
        wait_until(total() >= expected);
        interrupts_off();
        for (unsigned i = 0; i < processor_count; i++)
            right = right && came(i) == (i == 0 ? to_self : to_others);
    }
    return right;
}

static void set_logical_id(void)
{
    struct processor *self = this_processor();

    apic_write(APIC_DFR, 0xffffffff);
    apic_write(APIC_LDR, self->index < FLAT_MAX ? 1u << (24 + self->index) : 0);
}

/* To every set of processors, in the flat model. */
static bool sent_logically(void)
{
    unsigned count = processor_count < FLAT_MAX ? processor_count : FLAT_MAX;

    for (u32 set = 1; set<1u << count; set += count> 4 ? 7 : 1) {
        unsigned members = 0;

        clear();
        apic_send(set, IPI | ICR_LOGICAL);
        interrupts_on();
        for (unsigned i = 0; i < count; i++) {
            if (set & 1u << i) {
                members++;
                wait_until(came(i) == 1);
            }
        }
        interrupts_off();
        if (total() != members)
            return false;
    }
    return true;
}

static bool lowest_priority_is_one(void)
{
    unsigned count = processor_count < FLAT_MAX ? processor_count : FLAT_MAX;

    for (unsigned round = 1; round <= ROUNDS; round++) {
        clear();
        interrupts_on();
        apic_send((1u << count) - 1, ICR_LOWEST | ICR_LOGICAL | ICR_ASSERT | VECTOR_LOW);
        wait_until(total() >= 1);
        run_on_all(take_interrupts);
        interrupts_off();
        if (total() != 1)
            return false;
    }
    return true;
}

/* With interrupts off only an NMI comes through: also to those that halt. One may come before the HLT, so it is repeated. */
static void wait_for_nmi(void)
{
    struct processor *self = this_processor();

    __atomic_fetch_add(&ready, 1, __ATOMIC_ACQ_REL);
    if (self->index == sender) {
        wait_until(__atomic_load_n(&ready, __ATOMIC_ACQUIRE) == processor_count);
        for (unsigned i = 0; i < processor_count; i++) {
            if (i != sender)
                apic_send(processor_table[i].apic_id, ICR_NMI | ICR_ASSERT);
        }
        while (halted && __atomic_load_n(&awake, __ATOMIC_ACQUIRE) < processor_count - 1)
            apic_send(0, ICR_NMI | ICR_ASSERT | ICR_OTHERS);
    } else {
        while (halted && self->counts[VECTOR_NMI] == 0)
            __asm__ volatile("hlt" : : : "memory");
        wait_until(self->counts[VECTOR_NMI] != 0);
        __atomic_fetch_add(&awake, 1, __ATOMIC_ACQ_REL);
    }
}

static void expect_nmi(const char *name)
{
    bool right = true;

    ready = awake = 0;
    clear();
    run_on_all(wait_for_nmi);
    for (unsigned i = 0; i < processor_count; i++) {
        u32 count = processor_table[i].counts[VECTOR_NMI];
        right = right && (i == sender ? count == 0 : halted ? count >= 1 : count == 1);
    }
    ok(right, "NMIs from processor %u to all others, %s with interrupts off", sender, name);
}

void check_ipi(void)
{
    bool right = true;

    processors_halt = true; /* from here on interrupts wake those that wait */
    apic_send(0, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
    clear();
    ok(sent_to_each(), "the first sends to each");
    clear();
    run_on_all(send_in_turn);
    for (unsigned i = 0; i < processor_count; i++)
        right = right && came(i) == processor_count - 1;
    ok(right, "each sends to each other");
    ok(sent_by_command(0, IPI | ICR_OTHERS, false, true), "to all others");
    ok(sent_by_command(0, IPI | ICR_ALL, true, true), "to all");
    ok(sent_by_command(0, IPI | ICR_SELF, true, false), "to itself");
    run_on_all(set_logical_id);
    ok(sent_logically(), "to sets of processors, by logical destination");
    ok(lowest_priority_is_one(), "to one out of all, by lowest priority");
    sender = 0;
    expect_nmi("which compute");
    sender = processor_count - 1;
    halted = true;
    expect_nmi("which halt");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors: how they start, and how they get work. */
#include "guest-stubs/smp/smp.h"

struct processor processor_table[PROCESSORS_MAX];
unsigned processor_count = 1;
bool processors_halt;

extern const u8 trampoline[], trampoline_end[];
extern volatile u32 trampoline_next, trampoline_cr3;
void smp_gdt_load(void);
_Noreturn void processor_main(u32 index, u32 cr0, u32 edx);

static volatile u32 waiting, barrier_round;

struct processor *this_processor(void)
{
    u32 selector;

    __asm__("mov %%gs, %0" : "=r"(selector));
    return &processor_table[((selector & 0xffff) - 0x20) / 8];
}

void processors_init(void)
{
    smp_gdt_load();
    for (unsigned i = 0; i < PROCESSORS_MAX; i++)
        processor_table[i].index = i;
    processor_table[0].arrived = 1;
}

void trampoline_install(void)
{
    volatile u8 *low = NULL;

    __asm__("" : "+r"(low)); /* the compiler knows that nothing is at NULL */
    for (const u8 *byte = trampoline; byte < trampoline_end; byte++)
        low[byte - trampoline] = *byte;
    trampoline_cr3 = (u32)read_cr3();
}

void trampoline_set_next(unsigned index)
{
    trampoline_next = index;
}

_Noreturn void processor_main(u32 index, u32 cr0, u32 edx)
{
    struct processor *self = &processor_table[index];

    interrupts_load();
    apic_enable();
    self->apic_id = apic_id();
    self->start_cr0 = cr0;
    self->start_edx = edx;
    __atomic_fetch_add(&self->arrived, 1, __ATOMIC_RELEASE);
    for (;;) {
        void (*work)(void) = __atomic_load_n(&self->work, __ATOMIC_ACQUIRE);
        if (work) {
            work();
            __atomic_store_n(&self->work, NULL, __ATOMIC_RELEASE);
        } else if (processors_halt) {
            halt_once(); /* whoever gives work interrupts, and that is taken after the HLT at the earliest */
        } else {
            relax();
        }
    }
}

void run_on_one(unsigned index, void (*function)(void))
{
    struct processor *processor = &processor_table[index];

    if (index == 0) {
        function();
        return;
    }
    __atomic_store_n(&processor->work, function, __ATOMIC_RELEASE);
    if (processors_halt)
        apic_send(processor->apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_WAKE);
    wait_until(!__atomic_load_n(&processor->work, __ATOMIC_ACQUIRE));
}

void run_on_all(void (*function)(void))
{
    for (unsigned i = 1; i < processor_count; i++)
        __atomic_store_n(&processor_table[i].work, function, __ATOMIC_RELEASE);
    if (processors_halt)
        apic_send(0, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
    function();
    for (unsigned i = 1; i < processor_count; i++)
        wait_until(!__atomic_load_n(&processor_table[i].work, __ATOMIC_ACQUIRE));
}

void barrier(void)
{
    u32 round = __atomic_load_n(&barrier_round, __ATOMIC_ACQUIRE);

    if (__atomic_add_fetch(&waiting, 1, __ATOMIC_ACQ_REL) == processor_count) {
        waiting = 0;
        __atomic_store_n(&barrier_round, round + 1, __ATOMIC_RELEASE);
    } else {
        wait_until(__atomic_load_n(&barrier_round, __ATOMIC_ACQUIRE) != round);
    }
}

unsigned results(u32 value)
{
    unsigned count = 0;

    for (unsigned i = 0; i < processor_count; i++)
        count += processor_table[i].result == value;
    return count;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the stub smp.elf share: processors that run functions, their local APICs, and counters of the interrupts
 * that came. 32 or 64 bits. Only the first processor prints.
 */
#ifndef GUEST_STUBS_SMP_SMP_H
#define GUEST_STUBS_SMP_SMP_H

#include "guest-stubs/lib/stub.h"

enum { PROCESSORS_MAX = 32, VECTORS = 256 };

/* What the stub handles. Any other vector ends it. */
enum {
    VECTOR_NMI = 2,
    VECTOR_GP = 13, /* the instruction, of 2 bytes, is skipped */
    VECTOR_WAKE = 0x31,
    VECTOR_LOW = 0x41,
    VECTOR_TIMER = 0x51,
    VECTOR_HIGH = 0x61,
    VECTOR_LEVEL = 0x71, /* calls level_work() before it ends */
    VECTOR_SPURIOUS = 0xff,
};

struct processor {
    u32 index;
    volatile u32 apic_id;
    volatile u32 start_cr0, start_edx; /* at its first instruction */
    volatile u32 arrived;              /* how often it was started */
    void (*volatile work)(void);
    volatile u32 counts[VECTORS];
    volatile u32 last_vector; /* of VECTOR_LOW, _HIGH: which came last */
    volatile u32 result;      /* of what it did last, as that says */
};

/* ---- processors.c ---- */
extern struct processor processor_table[PROCESSORS_MAX];
extern unsigned processor_count; /* that have been started, with the first */
extern bool processors_halt;     /* those without work execute HLT, and interrupts wake them */

struct processor *this_processor(void);
void processors_init(void);
/* Copies the start code to physical address 0, where a SIPI with vector 0 starts it. */
void trampoline_install(void);
/* The next processor that starts becomes this one of the table. */
void trampoline_set_next(unsigned index);
/* All of them, the first too, call function(); when all have returned, so does this. Interrupts are off in it. */
void run_on_all(void (*function)(void));
void run_on_one(unsigned index, void (*function)(void));
/* All of them wait for each other: for use in functions that run on all. */
void barrier(void);
/* How many processors have `value` as their result. */
unsigned results(u32 value);

/* ---- interrupts.c ---- */
void interrupts_init(void);
void interrupts_load(void); /* this processor's IDT */
extern void (*level_work)(void);

/* ---- local APIC ---- */
enum {
    APIC_BASE = (int)0xfee00000,
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SPURIOUS = 0xf0,
    APIC_ISR = 0x100,
    APIC_IRR = 0x200,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};
enum {
    ICR_FIXED = 0,
    ICR_LOWEST = 1 << 8,
    ICR_NMI = 4 << 8,
    ICR_INIT = 5 << 8,
    ICR_STARTUP = 6 << 8,
    ICR_LOGICAL = 1 << 11,
    ICR_PENDING = 1 << 12,
    ICR_ASSERT = 1 << 14,
    ICR_SELF = 1 << 18,
    ICR_ALL = 2 << 18,
    ICR_OTHERS = 3 << 18,
};
enum { LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17, LVT_TSC_DEADLINE = 2 << 17 };
enum { SPURIOUS_ENABLED = 1 << 8 };
enum {
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
    MSR_X2APIC_ICR = 0x830,
    MSR_X2APIC_SELF = 0x83f
};
enum { BASE_BSP = 1 << 8, BASE_X2APIC = 1 << 10, BASE_ENABLED = 1 << 11 };

extern bool x2apic; /* all processors use it */

u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
void apic_enable(void); /* this processor's: MSR 0x1b and the spurious vector's register */
u32 apic_id(void);
/* Sends an interrupt; `destination` does not count with ICR_SELF, _ALL and _OTHERS. */
void apic_send(u32 destination, u32 command);

/* ---- small things ---- */
static inline void interrupts_on(void)
{
    __asm__ volatile("sti; nop" : : : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* Waits for an interrupt, and takes it, with interrupts off before and after. */
static inline void halt_once(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* Interrupts that are pending now are taken. */
static inline void take_interrupts(void)
{
    interrupts_on();
    interrupts_off();
}

enum { PATIENCE = 30000000 };

/* A wait that is in vain ends the stub, and says for what it waited. */
#define wait_until(condition)                               \
    do {                                                    \
        for (u32 tries_ = 0; !(condition); tries_++) {      \
            if (tries_ == PATIENCE)                         \
                bail_out("waited in vain: %s", #condition); \
            relax();                                        \
        }                                                   \
    } while (0)

/* ---- the checks: each as many tests as its name's constant says ---- */
enum {
    TESTS_START = 7,
    TESTS_PARALLEL = 3,
    TESTS_IPI = 9,
    TESTS_APIC = 6,
    TESTS_TIMER = 8,
    TESTS_X2APIC = 7,
    TESTS_RESTART = 2,
    TESTS_PRIORITY = 5,
    TESTS_X2APIC_REGISTERS = 4
};
void check_start(void);
void check_parallel(void);
void check_ipi(void);
void check_apic(void);
void check_timer(void);
void check_x2apic(void);
void check_restart(void);
void check_priority(void);
void check_x2apic_registers(void); /* and check_priority() in x2APIC mode */

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the local APIC share: hv/dev/lapic*.c only. */
#ifndef HV_DEV_LAPIC_INTERNAL_H
#define HV_DEV_LAPIC_INTERNAL_H

#include "hv/dev/lapic.h"
#include "mm/atomic.h"

/* In lapic.attention. */
enum { LAPIC_POSTED = 1, LAPIC_POSTED_ERRORS = 2, LAPIC_POSTED_EVENTS = 4 };

/* Other processors read some of the registers, whole words without order. */
static inline u32 lapic_get(const struct lapic *lapic, u32 offset)
{
    return __atomic_load_n(&lapic->page[offset / 4], __ATOMIC_RELAXED);
}

static inline void lapic_set(struct lapic *lapic, u32 offset, u32 value)
{
    __atomic_store_n(&lapic->page[offset / 4], value, __ATOMIC_RELAXED);
}

/* Of the eight registers of ISR, TMR or IRR the one with `vector`. */
static inline u32 lapic_vector_register(u32 first, u8 vector)
{
    return first + (vector / 32u) * 16;
}

static inline u32 lapic_vector_bit(u8 vector)
{
    return 1u << vector % 32;
}

static inline bool lapic_is_enabled(const struct lapic *lapic)
{
    return atomic_read(&lapic->base) & LAPIC_BASE_ENABLED;
}

static inline bool lapic_is_x2apic(const struct lapic *lapic)
{
    return atomic_read(&lapic->base) & LAPIC_BASE_X2APIC;
}

static inline bool lapic_is_software_enabled(const struct lapic *lapic)
{
    return lapic_get(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLED;
}

/* The logical ID of x2APIC mode: cluster, and one bit of 16 (SDM 11.12.10.2). */
static inline u32 lapic_x2apic_ldr(const struct lapic *lapic)
{
    return lapic->id >> 4 << 16 | 1u << (lapic->id & 15);
}

/* Records errors that show at the next write of ESR, and raises the error interrupt if it is armed. */
void lapic_error(struct lapic *lapic, u32 errors);

/* Computes PPR from TPR and ISR, and stores it. */
u8 lapic_update_ppr(struct lapic *lapic);

void lapic_timer_reset(struct lapic *lapic);
u32 lapic_timer_current(struct lapic *lapic, u64 now);
/* The registers have these values now; the page is the caller's. */
void lapic_timer_set_lvt(struct lapic *lapic, u32 lvt, u64 now);
void lapic_timer_set_initial(struct lapic *lapic, u32 initial, u64 now);
void lapic_timer_set_divide(struct lapic *lapic, u32 divide, u64 now);
u64 lapic_timer_get_deadline(struct lapic *lapic, u64 now);
void lapic_timer_set_deadline(struct lapic *lapic, u64 deadline, u64 now);
/* `fires` follows from the rest; the TSC offset or the time may have jumped. */
void lapic_timer_rearm(struct lapic *lapic, u64 now);

#endif

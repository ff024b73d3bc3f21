/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APICs that record what they send and end. */
#ifndef TESTS_UNIT_LAPIC_SUPPORT_H
#define TESTS_UNIT_LAPIC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/lapic.h"

enum { APICS = 32, BUS_SHIFT = 4 };

static _Alignas(4096) u32 pages[APICS][LAPIC_PAGE_WORDS];
static struct lapic apics[APICS];
static struct lapic *const apic = &apics[0];
static struct {
    unsigned sends, ends;
    struct apic_message message;
    u8 ended;
} seen;

static void see_send(void *context, const struct apic_message *message)
{
    assert_ptr_equal(context, &seen);
    seen.sends++;
    seen.message = *message;
}

static void see_eoi(void *context, u8 vector)
{
    assert_ptr_equal(context, &seen);
    seen.ends++;
    seen.ended = vector;
}

static const struct lapic_ops recording_ops = { .send = see_send, .eoi = see_eoi };

/* All of them as after power-up; the first is the BSP. Their pages held garbage. */
static inline int start_apics(void **state)
{
    memset(&seen, 0, sizeof seen);
    memset(pages, 0xa5, sizeof pages);
    for (u32 i = 0; i < APICS; i++)
        lapic_init(&apics[i], pages[i], i, i == 0, BUS_SHIFT, &recording_ops, &seen);
    return 0;
}

static inline u32 get_at(u32 offset, u64 now)
{
    return (u32)lapic_mmio_read(apic, offset, 4, now);
}

static inline void set_at(u32 offset, u32 value, u64 now)
{
    lapic_mmio_write(apic, offset, 4, value, now);
}

static inline u32 get(u32 offset)
{
    return get_at(offset, 0);
}

static inline void set(u32 offset, u32 value)
{
    set_at(offset, value, 0);
}

/* The same, with the first one enabled by software. */
static inline int start_enabled_apics(void **state)
{
    start_apics(state);
    for (u32 i = 0; i < APICS; i++)
        lapic_mmio_write(&apics[i], LAPIC_SVR, 4, 0x1ff, 0);
    return 0;
}

static inline void enable_x2apic(struct lapic *lapic)
{
    assert_int_equal(lapic_base_write(lapic, lapic_base_read(lapic) | LAPIC_BASE_X2APIC), 0);
}

static inline u32 errors_now(void)
{
    set(LAPIC_ESR, 0);
    return get(LAPIC_ESR);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Two platforms that have met the same accesses, one of them quickly where that was possible: nobody can tell them apart. */
#ifndef TESTS_UNIT_PLATFORM_TWINS_H
#define TESTS_UNIT_PLATFORM_TWINS_H

#include <string.h>

#include "hv/dev/platform.h"

static inline bool uarts_agree(const struct uart *a, const struct uart *b)
{
    size_t first = offsetof(struct uart, ier), end = offsetof(struct uart, fifo_count) + 1;

    return memcmp((const u8 *)a + first, (const u8 *)b + first, end - first) == 0;
}

static inline bool cmos_agree(const struct cmos *a, const struct cmos *b)
{
    return a->index == b->index && memcmp(a->cells, b->cells, CMOS_SIZE) == 0 && a->start_seconds == b->start_seconds &&
           a->flags_ns == b->flags_ns && a->alarm_second == b->alarm_second;
}

static inline bool pits_agree(const struct platform *a, const struct platform *b)
{
    for (unsigned i = 0; i < PIT_COUNTERS; i++) {
        if (pit_next_edge(&a->pit, i, a->pit_ns) != pit_next_edge(&b->pit, i, b->pit_ns))
            return false;
    }
    return a->pit.port61 == b->pit.port61 && a->pit_ns == b->pit_ns;
}

static inline bool buses_agree(const struct port_bus *a, const struct port_bus *b)
{
    return a->absent_reads == b->absent_reads && a->absent_writes == b->absent_writes &&
           a->absent_seen == b->absent_seen && (!a->absent_seen || a->absent_first == b->absent_first);
}

/* The same time has come for both. */
static inline bool platforms_agree(const struct platform *a, const struct platform *b)
{
    return uarts_agree(&a->com1, &b->com1) && cmos_agree(&a->cmos, &b->cmos) && pits_agree(a, b) &&
           buses_agree(&a->bus, &b->bus) && memcmp(&a->pic, &b->pic, sizeof(a->pic)) == 0 &&
           memcmp(a->ioapic.entries, b->ioapic.entries, sizeof(a->ioapic.entries)) == 0 &&
           a->ioapic.lines == b->ioapic.lines && a->post_code == b->post_code && a->intr_high == b->intr_high &&
           a->lines == b->lines && a->pm.enable == b->pm.enable && a->pm.control == b->pm.control &&
           platform_next_event_ns(a) == platform_next_event_ns(b) &&
           platform_can_interrupt(a) == platform_can_interrupt(b);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt messages and how they reach local APICs. Everything here may run on any processor: it reads single words of the
 * registers and writes only what is posted. A guest that changes an ID, a mask or a mode while messages are on their way gets
 * one of the two outcomes.
 */
#include "hv/dev/lapic_internal.h"

enum {
    EVENT_INIT = 1u << 8,
    EVENT_NMI = 1u << 9,
    EVENT_SIPI = 1u << 10,
    EVENT_EXTINT = 1u << 11,
    SIPI_VECTOR = 0xff,

    ACCEPTED = 1,
    NOTIFY = 2,
};

/* What there is to look at was written before. Whether it is new. */
static bool raise(struct lapic *lapic, u32 attention)
{
    return !(atomic_or(&lapic->attention, attention) & attention);
}

bool lapic_post(struct lapic *lapic, u8 vector, bool level)
{
    u32 bit = lapic_vector_bit(vector);

    if (vector < 16) {
        atomic_or(&lapic->posted_errors, LAPIC_RECEIVE_ILLEGAL_VECTOR);
        return raise(lapic, LAPIC_POSTED_ERRORS);
    }
    /* First the trigger mode: pairs with collect_interrupts(), which takes the vector and then reads the mode. */
    if (level)
        atomic_or(&lapic->posted_level[vector / 32], bit);
    else if (atomic_read(&lapic->posted_level[vector / 32]) & bit)
        atomic_and(&lapic->posted_level[vector / 32], ~bit);
    atomic_or(&lapic->posted[vector / 32], bit);
    return raise(lapic, LAPIC_POSTED);
}

static bool post_event(struct lapic *lapic, u32 event)
{
    atomic_or(&lapic->events, event);
    return raise(lapic, LAPIC_POSTED_EVENTS);
}

bool lapic_post_nmi(struct lapic *lapic)
{
    return post_event(lapic, EVENT_NMI);
}

bool lapic_post_extint(struct lapic *lapic)
{
    return post_event(lapic, EVENT_EXTINT);
}

bool lapic_post_init(struct lapic *lapic)
{
    atomic_xchg(&lapic->events, EVENT_INIT);
    return raise(lapic, LAPIC_POSTED_EVENTS);
}

/* The first of several counts: after it the processor does not wait any more. */
bool lapic_post_sipi(struct lapic *lapic, u8 vector)
{
    u32 events = atomic_read(&lapic->events);

    do {
        if (events & EVENT_SIPI)
            return false;
    } while (!atomic_cmpxchg(&lapic->events, &events, (events & ~(u32)SIPI_VECTOR) | EVENT_SIPI | vector));
    return raise(lapic, LAPIC_POSTED_EVENTS);
}

bool lapic_needs_attention(const struct lapic *lapic)
{
    return atomic_read(&lapic->attention) != 0;
}

struct lapic_events lapic_take_events(struct lapic *lapic)
{
    u32 events;

    if (!(atomic_read(&lapic->attention) & LAPIC_POSTED_EVENTS))
        return (struct lapic_events){ 0 };
    /* First the flag, then the events: what comes in between sets the flag again. */
    atomic_and(&lapic->attention, ~(u32)LAPIC_POSTED_EVENTS);
    events = atomic_xchg(&lapic->events, 0);
    return (struct lapic_events){
        .init = events & EVENT_INIT,
        .nmi = events & EVENT_NMI,
        .sipi = events & EVENT_SIPI,
        .extint = events & EVENT_EXTINT,
        .sipi_vector = events & SIPI_VECTOR,
    };
}

/* SDM 11.6.2.2: 8 bits, flat or as 15 clusters of 4. */
static bool matches_xapic_logical(const struct lapic *lapic, u32 destination)
{
    u32 ldr = lapic_get(lapic, LAPIC_LDR) >> 24, model = lapic_get(lapic, LAPIC_DFR) >> 28;

    if (destination > 0xff)
        return false;
    if (model == 0xf)
        return ldr & destination;
    return model == 0 && ldr >> 4 == destination >> 4 && (ldr & destination & 15);
}

bool lapic_matches(const struct lapic *lapic, const struct apic_message *message)
{
    u32 destination = message->destination;

    if (!lapic_is_enabled(lapic))
        return false;
    if (destination == APIC_BROADCAST)
        return true;
    if (!message->logical)
        return destination == lapic->id;
    if (lapic_is_x2apic(lapic)) {
        u32 ldr = lapic_x2apic_ldr(lapic);
        return ldr >> 16 == destination >> 16 && (ldr & destination & 0xffff);
    }
    return matches_xapic_logical(lapic, destination);
}

static bool is_addressed(const struct lapic *lapic, const struct apic_message *message, const struct lapic *source)
{
    switch (message->shorthand) {
    case APIC_SELF:
        return lapic == source && lapic_is_enabled(lapic);
    case APIC_ALL:
        return lapic_is_enabled(lapic);
    case APIC_OTHERS:
        return lapic != source && lapic_is_enabled(lapic);
    default:
        return lapic_matches(lapic, message);
    }
}

/* ACCEPTED and NOTIFY. An APIC that is disabled by software takes only what is no interrupt request (SDM 11.4.7.2). */
static unsigned accept(struct lapic *lapic, const struct apic_message *message)
{
    switch (message->mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (!lapic_is_software_enabled(lapic))
            return 0;
        return (message->vector >= 16 ? ACCEPTED : 0u) |
               (lapic_post(lapic, message->vector, message->level) ? NOTIFY : 0u);
    case APIC_NMI:
        return ACCEPTED | (lapic_post_nmi(lapic) ? NOTIFY : 0u);
    case APIC_INIT:
        return ACCEPTED | (lapic_post_init(lapic) ? NOTIFY : 0u);
    case APIC_STARTUP:
        return ACCEPTED | (lapic_post_sipi(lapic, message->vector) ? NOTIFY : 0u);
    case APIC_EXTINT:
        return ACCEPTED | (lapic_post_extint(lapic) ? NOTIFY : 0u);
    case APIC_SMI: /* there is no firmware in system-management mode: the handler is a RSM */
        return ACCEPTED;
    default:
        return 0;
    }
}

/*
 * The index of who is addressed and has the lowest class of task priority, or `count`. Among equals the vector decides: one
 * vector stays at one processor, several are spread.
 */
static unsigned arbitrate(struct lapic *const *lapics, unsigned count, const struct apic_message *message,
                          const struct lapic *source)
{
    unsigned best = count;
    u32 best_class = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned index = (message->vector + i) % count;
        u32 class = lapic_get(lapics[index], LAPIC_TPR) >> 4 & 15;

        if (!lapic_is_software_enabled(lapics[index]) || !is_addressed(lapics[index], message, source))
            continue;
        if (best == count || class < best_class) {
            best = index;
            best_class = class;
        }
    }
    return best;
}

unsigned apic_deliver(struct lapic *const *lapics, unsigned count, const struct apic_message *message,
                      const struct lapic *source, void (*notify)(void *context, unsigned index), void *context)
{
    bool lowest = message->mode == APIC_LOWEST;
    unsigned chosen = lowest ? arbitrate(lapics, count, message, source) : count, accepted = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned result;

        if (lowest ? i != chosen : !is_addressed(lapics[i], message, source))
            continue;
        result = accept(lapics[i], message);
        if (result & NOTIFY)
            notify(context, i);
        accepted += result & ACCEPTED;
    }
    return accepted;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's interrupts and its states as a whole. See lapic.h. */
#include "hv/dev/lapic_internal.h"

enum {
    VERSION = 0x00050014, /* an integrated APIC whose last LVT entry is number 5 */
    SVR_RESET = 0xff,
    LAPIC_CHANGED_ALL = LAPIC_CHANGED_IRR | LAPIC_CHANGED_TMR,
};

/* What was posted to the processor that is reset now is lost, as what is on its way in a real one. */
static void forget_posted(struct lapic *lapic)
{
    atomic_and(&lapic->attention, ~(u32)(LAPIC_POSTED | LAPIC_POSTED_ERRORS));
    for (unsigned i = 0; i < 8; i++)
        atomic_xchg(&lapic->posted[i], 0);
    atomic_xchg(&lapic->posted_errors, 0);
}

void lapic_reset(struct lapic *lapic)
{
    forget_posted(lapic);
    for (u32 offset = 0; offset < PAGE_SIZE; offset += 4)
        lapic_set(lapic, offset, 0);
    lapic_set(lapic, LAPIC_ID, lapic_is_x2apic(lapic) ? lapic->id : lapic->id << 24);
    if (lapic_is_x2apic(lapic))
        lapic_set(lapic, LAPIC_LDR, lapic_x2apic_ldr(lapic));
    lapic_set(lapic, LAPIC_VERSION, VERSION);
    lapic_set(lapic, LAPIC_DFR, UINT32_MAX);
    lapic_set(lapic, LAPIC_SVR, SVR_RESET);
    for (u32 lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 16)
        lapic_set(lapic, lvt, LAPIC_LVT_MASKED);
    lapic->errors = 0;
    lapic->changed = LAPIC_CHANGED_ALL;
    lapic_timer_reset(lapic);
}

void lapic_init(struct lapic *lapic, u32 *page, u32 id, bool is_bsp, u8 bus_shift, const struct lapic_ops *ops,
                void *context)
{
    assert(id < 255);
    *lapic = (struct lapic){
        .page = page,
        .id = id,
        .bus_shift = bus_shift,
        .ops = ops,
        .context = context,
        .base = LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLED | (is_bsp ? LAPIC_BASE_BSP : 0),
    };
    lapic_reset(lapic);
}

void lapic_virtual_wire(struct lapic *lapic)
{
    lapic_set(lapic, LAPIC_SVR, SVR_RESET | LAPIC_SVR_ENABLED);
    lapic_set(lapic, LAPIC_LVT_LINT0, APIC_EXTINT << LAPIC_LVT_MODE_SHIFT);
    lapic_set(lapic, LAPIC_LVT_LINT1, APIC_NMI << LAPIC_LVT_MODE_SHIFT);
}

void lapic_save(struct lapic *lapic, struct lapic_state *state)
{
    lapic->changed |= lapic_collect(lapic); /* what was posted is in the page now; who asks next is told so */
    for (unsigned i = 0; i < LAPIC_PAGE_WORDS; i++)
        state->page[i] = lapic_get(lapic, i * 4);
    state->base = lapic->base;
    state->errors = lapic->errors;
    state->events = atomic_read(&lapic->events);
    state->timer = lapic->timer;
}

void lapic_restore(struct lapic *lapic, const struct lapic_state *state, u64 now)
{
    forget_posted(lapic);
    atomic_write(&lapic->base, state->base);
    for (unsigned i = 0; i < LAPIC_PAGE_WORDS; i++)
        lapic_set(lapic, i * 4, state->page[i]);
    lapic->errors = state->errors;
    atomic_xchg(&lapic->events, state->events);
    atomic_or(&lapic->attention, LAPIC_POSTED_EVENTS);
    lapic->timer = state->timer;
    lapic->changed = LAPIC_CHANGED_ALL;
    lapic_timer_rearm(lapic, now);
}

static void change_bits(struct lapic *lapic, u32 offset, u32 clear, u32 set)
{
    lapic_set(lapic, offset, (lapic_get(lapic, offset) & ~clear) | set);
}

static void collect_interrupts(struct lapic *lapic)
{
    for (u32 i = 0; i < 8; i++) {
        u32 vectors, level, tmr = LAPIC_TMR + i * 16;

        if (!atomic_read(&lapic->posted[i]))
            continue;
        vectors = atomic_xchg(&lapic->posted[i], 0); /* pairs with lapic_post(): the trigger mode is there already */
        level = vectors & atomic_read(&lapic->posted_level[i]);
        change_bits(lapic, LAPIC_IRR + i * 16, 0, vectors);
        lapic->changed |= LAPIC_CHANGED_IRR;
        if ((lapic_get(lapic, tmr) & vectors) != level) {
            change_bits(lapic, tmr, vectors, level);
            lapic->changed |= LAPIC_CHANGED_TMR;
        }
    }
}

u32 lapic_collect(struct lapic *lapic)
{
    u32 attention = atomic_read(&lapic->attention), changed;

    if (attention & LAPIC_POSTED_ERRORS) {
        atomic_and(&lapic->attention, ~(u32)LAPIC_POSTED_ERRORS);
        lapic_error(lapic, atomic_xchg(&lapic->posted_errors, 0));
        attention = atomic_read(&lapic->attention); /* that may have posted the error interrupt */
    }
    if (attention & LAPIC_POSTED) {
        /* First the flag, then the words: what comes in between sets the flag again. */
        atomic_and(&lapic->attention, ~(u32)LAPIC_POSTED);
        collect_interrupts(lapic);
    }
    changed = lapic->changed;
    lapic->changed = 0;
    return changed;
}

static int highest(const struct lapic *lapic, u32 first)
{
    for (u32 i = 8; i-- > 0;) {
        u32 vectors = lapic_get(lapic, first + i * 16);

        if (vectors)
            return (int)(i * 32 + 31 - (u32)__builtin_clz(vectors));
    }
    return LAPIC_NO_VECTOR;
}

int lapic_highest_irr(const struct lapic *lapic)
{
    return highest(lapic, LAPIC_IRR);
}

int lapic_highest_isr(const struct lapic *lapic)
{
    return highest(lapic, LAPIC_ISR);
}

/* SDM 11.8.3.1: whatever class is higher, and the low bits only with TPR's. */
u8 lapic_update_ppr(struct lapic *lapic)
{
    u32 tpr = lapic_get(lapic, LAPIC_TPR) & 0xff;
    int in_service = lapic_highest_isr(lapic);
    u32 service = in_service < 0 ? 0 : (u32)in_service & 0xf0;
    u32 ppr = (tpr & 0xf0) >= service ? tpr : service;

    lapic_set(lapic, LAPIC_PPR, ppr);
    return (u8)ppr;
}

int lapic_pending(struct lapic *lapic)
{
    int vector = lapic_highest_irr(lapic);
    u8 ppr = lapic_update_ppr(lapic);

    if (vector < 0 || !lapic_is_enabled(lapic) || (vector & 0xf0) <= (ppr & 0xf0))
        return LAPIC_NO_VECTOR;
    return vector;
}

void lapic_acknowledge(struct lapic *lapic, u8 vector)
{
    u32 bit = lapic_vector_bit(vector);

    change_bits(lapic, lapic_vector_register(LAPIC_IRR, vector), bit, 0);
    change_bits(lapic, lapic_vector_register(LAPIC_ISR, vector), 0, bit);
    lapic_update_ppr(lapic);
}

void lapic_ended(struct lapic *lapic, u8 vector)
{
    if (lapic_get(lapic, lapic_vector_register(LAPIC_TMR, vector)) & lapic_vector_bit(vector))
        lapic->ops->eoi(lapic->context, vector);
}

void lapic_eoi(struct lapic *lapic)
{
    int vector = lapic_highest_isr(lapic);

    if (vector < 0)
        return;
    change_bits(lapic, lapic_vector_register(LAPIC_ISR, (u8)vector), lapic_vector_bit((u8)vector), 0);
    lapic_update_ppr(lapic);
    lapic_ended(lapic, (u8)vector);
}

void lapic_eoi_exit_bitmap(const struct lapic *lapic, u64 bitmap[4])
{
    for (u32 i = 0; i < 4; i++) {
        bitmap[i] = lapic_get(lapic, LAPIC_TMR + i * 32);
        bitmap[i] |= (u64)lapic_get(lapic, LAPIC_TMR + i * 32 + 16) << 32;
    }
}

bool lapic_accepts_extint(const struct lapic *lapic)
{
    u32 lint0 = lapic_get(lapic, LAPIC_LVT_LINT0);

    if (!lapic_is_enabled(lapic)) /* then LINT0 is the processor's INTR pin (SDM 11.4.3) */
        return atomic_read(&lapic->base) & LAPIC_BASE_BSP;
    return !(lint0 & LAPIC_LVT_MASKED) && (lint0 >> LAPIC_LVT_MODE_SHIFT & 7) == APIC_EXTINT;
}

/* One interrupt until the guest writes ESR, which arms it again (SDM 11.5.3). */
void lapic_error(struct lapic *lapic, u32 errors)
{
    u32 lvt = lapic_get(lapic, LAPIC_LVT_ERROR);
    bool armed = lapic->errors == 0;

    if (!errors)
        return;
    lapic->errors |= errors;
    if (!armed || (lvt & LAPIC_LVT_MASKED))
        return;
    if ((lvt & 0xff) < 16)
        lapic->errors |= LAPIC_RECEIVE_ILLEGAL_VECTOR;
    else
        lapic_post(lapic, (u8)lvt, false);
}

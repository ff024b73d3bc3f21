/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's registers as the guest reaches them: by MMIO, by MSR, or through the processor. See lapic.h. */
#include "hv/dev/lapic_internal.h"

enum {
    READ = 1,    /* by MMIO */
    WRITE = 2,   /* by MMIO */
    X_READ = 4,  /* in x2APIC mode */
    X_WRITE = 8, /* in x2APIC mode */
    BOTH = READ | WRITE | X_READ | X_WRITE,

    ICR_BITS = 0xccfff,
    ICR_BUSY = 1u << 12,
    ICR_LOGICAL = 1u << 11,
    ICR_ASSERT = 1u << 14,
    ICR_LEVEL = 1u << 15,
    ICR_SHORTHAND_SHIFT = 18,
    X2APIC_ICR_HIGH = LAPIC_ICR + 4,

    LVT_DELIVERY_STATUS = 1u << 12,
    LVT_REMOTE_IRR = 1u << 14,
    DFR_ONES = 0x0fffffff,
};

/* `bits` can be written; `ignored` are read-only: a write of them is no error. All others are reserved. */
struct rule {
    u8 access;
    u32 bits, ignored;
};

static const struct rule rules[64] = {
    [LAPIC_ID / 16] = { READ | WRITE | X_READ, 0, 0 },
    [LAPIC_VERSION / 16] = { READ | X_READ, 0, 0 },
    [LAPIC_TPR / 16] = { BOTH, 0xff, 0 },
    [0x090 / 16] = { READ, 0, 0 }, /* APR */
    [LAPIC_PPR / 16] = { READ | X_READ, 0, 0 },
    [LAPIC_EOI / 16] = { READ | WRITE | X_WRITE, 0, 0 },
    [0x0c0 / 16] = { READ, 0, 0 }, /* RRD */
    [LAPIC_LDR / 16] = { READ | WRITE | X_READ, 0xff000000, 0 },
    [LAPIC_DFR / 16] = { READ | WRITE, ~(u32)DFR_ONES, 0 },
    [LAPIC_SVR / 16] = { BOTH, 0x3ff, 0 },
    [LAPIC_ISR / 16 ... LAPIC_IRR / 16 + 7] = { READ | X_READ, 0, 0 },
    [LAPIC_ESR / 16] = { BOTH, 0, 0 },
    [LAPIC_ICR / 16] = { BOTH, ICR_BITS, ICR_BUSY }, /* in x2APIC mode too processors ignore what was the busy bit */
    [LAPIC_ICR_HIGH / 16] = { READ | WRITE, 0xff000000, 0 },
    [LAPIC_LVT_TIMER / 16] = { BOTH, 0x700ff, LVT_DELIVERY_STATUS },
    [LAPIC_LVT_THERMAL / 16] = { BOTH, 0x107ff, LVT_DELIVERY_STATUS },
    [LAPIC_LVT_PERFORMANCE / 16] = { BOTH, 0x107ff, LVT_DELIVERY_STATUS },
    [LAPIC_LVT_LINT0 / 16] = { BOTH, 0x1a7ff, LVT_DELIVERY_STATUS | LVT_REMOTE_IRR },
    [LAPIC_LVT_LINT1 / 16] = { BOTH, 0x1a7ff, LVT_DELIVERY_STATUS | LVT_REMOTE_IRR },
    [LAPIC_LVT_ERROR / 16] = { BOTH, 0x100ff, LVT_DELIVERY_STATUS },
    [LAPIC_TIMER_INITIAL / 16] = { BOTH, UINT32_MAX, 0 },
    [LAPIC_TIMER_CURRENT / 16] = { READ | X_READ, 0, 0 },
    [LAPIC_TIMER_DIVIDE / 16] = { BOTH, 0xb, 0 },
    [LAPIC_SELF_IPI / 16] = { X_WRITE, 0xff, 0 },
};

static const struct rule *rule_of(u32 offset)
{
    static const struct rule reserved = { 0 };

    return offset / 16 < 64 ? &rules[offset / 16] : &reserved;
}

static void send_self(struct lapic *lapic, u8 vector)
{
    if (vector < 16)
        lapic_error(lapic, LAPIC_SEND_ILLEGAL_VECTOR);
    lapic_post(lapic, vector, false);
}

/*
 * SDM 11.6.1, Table 11-3. Trigger mode and level mean something only for the INIT level de-assert, which does nothing since the
 * Pentium 4. Combinations that the table calls invalid are not sent, but for an NMI, which processors do send.
 */
static void write_icr(struct lapic *lapic, u32 value, u32 destination)
{
    struct apic_message message = {
        .mode = (enum apic_mode)(value >> 8 & 7),
        .shorthand = (enum apic_shorthand)(value >> ICR_SHORTHAND_SHIFT & 3),
        .logical = value & ICR_LOGICAL,
        .vector = (u8)value,
        .destination = destination,
    };
    bool includes_self = message.shorthand == APIC_SELF || message.shorthand == APIC_ALL;

    switch (message.mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (message.shorthand == APIC_SELF && lapic_is_software_enabled(lapic)) {
            send_self(lapic, message.vector);
            return;
        }
        if (message.vector < 16)
            lapic_error(lapic, LAPIC_SEND_ILLEGAL_VECTOR);
        break;
    case APIC_NMI:
        if (message.shorthand == APIC_SELF)
            lapic_post_nmi(lapic);
        break;
    case APIC_INIT:
        if (includes_self || ((value & ICR_LEVEL) && !(value & ICR_ASSERT)))
            return;
        break;
    case APIC_SMI:
    case APIC_STARTUP:
        if (includes_self)
            return;
        break;
    default:
        return;
    }
    if (message.shorthand != APIC_SELF)
        lapic->ops->send(lapic->context, &message);
}

/* While it is disabled by software, every entry of the LVT is masked, and stays so (SDM 11.4.7.2). */
static void write_lvt(struct lapic *lapic, u32 offset, u32 value, u64 now)
{
    if (!lapic_is_software_enabled(lapic))
        value |= LAPIC_LVT_MASKED;
    lapic_set(lapic, offset, value);
    if (offset == LAPIC_LVT_TIMER)
        lapic_timer_set_lvt(lapic, value, now);
}

static void write_svr(struct lapic *lapic, u32 value, u64 now)
{
    lapic_set(lapic, LAPIC_SVR, value);
    if (value & LAPIC_SVR_ENABLED)
        return;
    for (u32 lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 16)
        write_lvt(lapic, lvt, lapic_get(lapic, lvt), now);
}

/* A write shows the errors since the one before, and forgets them. */
static void write_esr(struct lapic *lapic)
{
    lapic_set(lapic, LAPIC_ESR, lapic->errors);
    lapic->errors = 0;
}

/* A register that can be written gets `value`; the page may hold it already, with bits that do not belong there. */
static void write_register(struct lapic *lapic, u32 offset, u32 value, u64 now)
{
    value &= rule_of(offset)->bits;
    switch (offset) {
    case LAPIC_ID:
        lapic_set(lapic, LAPIC_ID, lapic->id << 24);
        break;
    case LAPIC_TPR:
        lapic_set(lapic, LAPIC_TPR, value);
        lapic_update_ppr(lapic);
        break;
    case LAPIC_EOI:
        lapic_set(lapic, LAPIC_EOI, 0);
        lapic_eoi(lapic);
        break;
    case LAPIC_DFR:
        lapic_set(lapic, LAPIC_DFR, value | DFR_ONES);
        break;
    case LAPIC_SVR:
        write_svr(lapic, value, now);
        break;
    case LAPIC_ESR:
        write_esr(lapic);
        break;
    case LAPIC_ICR:
        lapic_set(lapic, LAPIC_ICR, value);
        u32 destination = lapic_get(lapic, LAPIC_ICR_HIGH) >> 24;
        write_icr(lapic, value, destination == 0xff ? APIC_BROADCAST : destination);
        break;
    case LAPIC_LVT_TIMER:
    case LAPIC_LVT_THERMAL:
    case LAPIC_LVT_PERFORMANCE:
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
    case LAPIC_LVT_ERROR:
        write_lvt(lapic, offset, value, now);
        break;
    case LAPIC_TIMER_INITIAL:
        lapic_timer_set_initial(lapic, value, now);
        break;
    case LAPIC_TIMER_DIVIDE:
        lapic_set(lapic, LAPIC_TIMER_DIVIDE, value);
        lapic_timer_set_divide(lapic, value, now);
        break;
    default: /* LDR, ICR_HIGH */
        lapic_set(lapic, offset, value);
        break;
    }
}

static u32 read_register(struct lapic *lapic, u32 offset, u64 now)
{
    switch (offset) {
    case LAPIC_EOI:
        return 0;
    case LAPIC_PPR:
        return lapic_update_ppr(lapic);
    case LAPIC_TIMER_CURRENT:
        return lapic_timer_current(lapic, now);
    default:
        /* IRR and TMR: what was posted counts. The caller is told at its own lapic_collect(). */
        if (offset >= LAPIC_TMR && offset < LAPIC_ESR)
            lapic->changed |= lapic_collect(lapic);
        return lapic_get(lapic, offset);
    }
}

bool lapic_has_mmio(const struct lapic *lapic)
{
    return lapic_is_enabled(lapic) && !lapic_is_x2apic(lapic);
}

u64 lapic_mmio_read(struct lapic *lapic, u32 offset, unsigned size, u64 now)
{
    u64 mask = UINT64_MAX >> (64 - 8 * size);
    u32 byte = offset % 16;

    if (!lapic_has_mmio(lapic))
        return mask;
    if (!(rule_of(offset)->access & READ)) {
        lapic_error(lapic, LAPIC_ILLEGAL_REGISTER);
        return 0;
    }
    return byte < 4 ? (u64)read_register(lapic, offset - byte, now) >> (8 * byte) & mask : 0;
}

void lapic_mmio_write(struct lapic *lapic, u32 offset, unsigned size, u64 value, u64 now)
{
    u8 access = rule_of(offset)->access;

    if (!lapic_has_mmio(lapic))
        return;
    if (!(access & (READ | WRITE)))
        lapic_error(lapic, LAPIC_ILLEGAL_REGISTER);
    else if ((access & WRITE) && offset % 16 == 0 && size == 4)
        write_register(lapic, offset, (u32)value, now);
}

void lapic_wrote(struct lapic *lapic, u32 offset, u64 now)
{
    u32 value = lapic_get(lapic, offset);

    if (lapic_is_x2apic(lapic))
        (void)lapic_msr_write(lapic, LAPIC_MSR_FIRST + offset / 16, value, now);
    else
        lapic_mmio_write(lapic, offset, 4, value, now);
}

int lapic_msr_read(struct lapic *lapic, u32 msr, u64 *value, u64 now)
{
    u32 offset = (msr - LAPIC_MSR_FIRST) * 16;

    if (msr == LAPIC_MSR_TSC_DEADLINE) {
        *value = lapic_timer_get_deadline(lapic, now);
        return 0;
    }
    if (!lapic_is_x2apic(lapic) || !(rule_of(offset)->access & X_READ))
        return -EINVAL;
    *value = read_register(lapic, offset, now);
    if (offset == LAPIC_ICR)
        *value |= (u64)lapic_get(lapic, X2APIC_ICR_HIGH) << 32;
    return 0;
}

int lapic_msr_write(struct lapic *lapic, u32 msr, u64 value, u64 now)
{
    u32 offset = (msr - LAPIC_MSR_FIRST) * 16;
    const struct rule *rule = rule_of(offset);
    u64 bits = (u64)rule->bits | rule->ignored;

    if (msr == LAPIC_MSR_TSC_DEADLINE) {
        lapic_timer_set_deadline(lapic, value, now);
        return 0;
    }
    if (offset == LAPIC_ICR)
        bits |= 0xffffffffull << 32;
    if (!lapic_is_x2apic(lapic) || !(rule->access & X_WRITE) || (value & ~bits))
        return -EINVAL;
    switch (offset) {
    case LAPIC_ICR:
        lapic_set(lapic, LAPIC_ICR, (u32)value & rule->bits);
        lapic_set(lapic, X2APIC_ICR_HIGH, (u32)(value >> 32));
        write_icr(lapic, (u32)value, (u32)(value >> 32));
        break;
    case LAPIC_SELF_IPI:
        if (lapic_is_software_enabled(lapic))
            send_self(lapic, (u8)value);
        break;
    default:
        write_register(lapic, offset, (u32)value, now);
        break;
    }
    return 0;
}

u64 lapic_base_read(const struct lapic *lapic)
{
    return lapic->base;
}

/*
 * SDM 11.12.5.1: disabled - xAPIC - x2APIC, each step forward alone, and from everywhere back to disabled, where everything
 * is forgotten. Another address is refused: the page is one place in the memory map that all vCPUs of a VM share.
 */
int lapic_base_write(struct lapic *lapic, u64 value)
{
    bool enabled = value & LAPIC_BASE_ENABLED, x2apic = value & LAPIC_BASE_X2APIC;
    u64 flags = LAPIC_BASE_BSP | LAPIC_BASE_X2APIC | LAPIC_BASE_ENABLED;

    if ((value & ~flags) != LAPIC_DEFAULT_BASE || (x2apic && !enabled))
        return -EINVAL;
    if (x2apic && !lapic_is_enabled(lapic))
        return -EINVAL;
    if (enabled && !x2apic && lapic_is_x2apic(lapic))
        return -EINVAL;
    if (x2apic && !lapic_is_x2apic(lapic)) {
        lapic_set(lapic, LAPIC_ID, lapic->id);
        lapic_set(lapic, LAPIC_LDR, lapic_x2apic_ldr(lapic));
    }
    bool disables = !enabled && lapic_is_enabled(lapic);
    atomic_write(&lapic->base, value);
    if (disables)
        lapic_reset(lapic);
    return 0;
}

u8 lapic_cr8_read(const struct lapic *lapic)
{
    return lapic_get(lapic, LAPIC_TPR) >> 4 & 15;
}

void lapic_cr8_write(struct lapic *lapic, u8 value)
{
    lapic_set(lapic, LAPIC_TPR, (u32)(value & 15) << 4);
    lapic_update_ppr(lapic);
}

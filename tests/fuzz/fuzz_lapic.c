/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile guests at their interrupt controllers: four local APICs, the IOAPIC and the platform behind it. The input is a byte
 * that chooses the kind of guest, and records of eight bytes. A wild guest does anything; a disciplined one keeps to what
 * kernels do, so that no level-triggered interrupt may be lost.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/dev/lapic.h"
#include "hv/dev/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum {
    RECORD = 8,
    APICS = 4,
    FIRST_LEVEL_PIN = 16,
    FIRST_LEVEL_VECTOR = 0xe0,
    REMOTE_IRR = 0x4000,
    LEVEL = 0x8000,
    MASKED = 0x10000,
    MOST_MESSAGES = 100, /* that one step may cause */
};

static _Alignas(4096) u32 pages[APICS][LAPIC_PAGE_WORDS];
static struct lapic apics[APICS];
static struct platform platform;
static unsigned messages;
static u64 now;

static void console(void *context, u8 byte)
{
}

static void take_exit(void *context, u32 status)
{
}

static void reset(void *context)
{
}

static void notify(void *context, unsigned index)
{
    CHECK(index < APICS && lapic_needs_attention(&apics[index]));
}

static unsigned deliver_from(const struct apic_message *message, const struct lapic *source)
{
    struct lapic *const list[APICS] = { &apics[0], &apics[1], &apics[2], &apics[3] };
    unsigned accepted = apic_deliver(list, APICS, message, source, notify, NULL);

    CHECK(++messages <= MOST_MESSAGES);
    CHECK(accepted <= APICS && (message->mode != APIC_LOWEST || accepted <= 1));
    return accepted;
}

static bool deliver(void *context, const struct apic_message *message)
{
    return deliver_from(message, NULL) > 0;
}

static void send(void *context, const struct apic_message *message)
{
    CHECK(message->shorthand != APIC_SELF);
    deliver_from(message, context);
}

static void eoi(void *context, u8 vector)
{
    CHECK(vector >= 16);
    platform_eoi(&platform, vector);
}

static bool vector_in(const struct lapic *lapic, u32 first, u32 vector)
{
    return lapic->page[(first + vector / 32 * 16) / 4] >> vector % 32 & 1;
}

static u32 expected_ppr(const struct lapic *lapic)
{
    u32 tpr = lapic->page[LAPIC_TPR / 4], highest = 0;

    for (u32 vector = 0; vector < 256; vector++)
        highest = vector_in(lapic, LAPIC_ISR, vector) ? vector : highest;
    return tpr >> 4 >= highest >> 4 ? tpr : highest & 0xf0;
}

/* What holds of one APIC after every step. */
static void check_apic(struct lapic *lapic)
{
    const u32 *page = lapic->page;
    bool x2apic = lapic->base & LAPIC_BASE_X2APIC, enabled = lapic->base & LAPIC_BASE_ENABLED;
    int vector;

    CHECK((lapic->base & ~0xd00ull) == LAPIC_DEFAULT_BASE && (enabled || !x2apic));
    CHECK(page[LAPIC_ID / 4] == (x2apic ? lapic->id : lapic->id << 24) && page[LAPIC_VERSION / 4] == 0x50014);
    CHECK(!x2apic || page[LAPIC_LDR / 4] == 1u << lapic->id);
    CHECK((page[LAPIC_DFR / 4] & 0x0fffffff) == 0x0fffffff && page[LAPIC_TPR / 4] < 0x100);
    for (u32 lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 16)
        CHECK((page[LAPIC_SVR / 4] & LAPIC_SVR_ENABLED) || (page[lvt / 4] & LAPIC_LVT_MASKED));

    lapic_timer_run(lapic, now);
    CHECK(lapic_timer_next(lapic) > now);
    CHECK(lapic->timer.lvt == page[LAPIC_LVT_TIMER / 4] && lapic->timer.initial == page[LAPIC_TIMER_INITIAL / 4]);
    CHECK(lapic->timer.count <= lapic->timer.initial);

    lapic_collect(lapic);
    CHECK(!((page[LAPIC_IRR / 4] | page[LAPIC_ISR / 4] | page[LAPIC_TMR / 4]) & 0xffff));
    vector = lapic_pending(lapic);
    CHECK(page[LAPIC_PPR / 4] == expected_ppr(lapic));
    if (vector >= 0) {
        CHECK(enabled && vector_in(lapic, LAPIC_IRR, (u32)vector));
        CHECK((u32)vector >> 4 > page[LAPIC_PPR / 4] >> 4);
    } else if (enabled) {
        for (u32 v = 16; v < 256; v++)
            CHECK(!vector_in(lapic, LAPIC_IRR, v) || v >> 4 <= page[LAPIC_PPR / 4] >> 4);
    }
}

/* A level that is asserted and not masked has been sent, or nobody accepts it. */
static void check_levels(void)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        u64 entry = platform.ioapic.entries[pin];
        struct apic_message message = { .logical = entry & 0x800, .destination = (u32)(entry >> 56) };

        if (message.destination == 0xff)
            message.destination = APIC_BROADCAST;
        if (!(platform.ioapic.lines & 1u << pin) || (entry & (MASKED | REMOTE_IRR)) || !(entry & LEVEL) ||
            (entry & 0x600))
            continue;
        for (unsigned i = 0; i < APICS && (u8)entry >= 16; i++)
            CHECK(!lapic_matches(&apics[i], &message) || !(apics[i].page[LAPIC_SVR / 4] & LAPIC_SVR_ENABLED));
    }
}

static void take(struct lapic *lapic)
{
    int vector;

    lapic_collect(lapic);
    vector = lapic_pending(lapic);
    if (vector < 0)
        return;
    lapic_acknowledge(lapic, (u8)vector);
    CHECK(lapic_highest_isr(lapic) == vector && !vector_in(lapic, LAPIC_IRR, (u32)vector));
}

static void take_events(struct lapic *lapic)
{
    struct lapic_events events = lapic_take_events(lapic);

    if (events.init)
        lapic_reset(lapic);
    if (events.extint && platform.intr_high)
        platform_acknowledge(&platform);
}

static void post_event(struct lapic *lapic, u8 what)
{
    switch (what & 3) {
    case 0:
        lapic_post_init(lapic);
        break;
    case 1:
        lapic_post_sipi(lapic, what);
        break;
    case 2:
        lapic_post_nmi(lapic);
        break;
    default:
        lapic_post_extint(lapic);
        break;
    }
}

/* Offsets that the processor may write by itself, under APIC-register virtualization (SDM 31.4.3.2). */
static void write_as_processor(struct lapic *lapic, u32 offset, u32 value)
{
    static const u32 offsets[] = { LAPIC_ID,        LAPIC_TPR,       LAPIC_EOI,           LAPIC_LDR,
                                   LAPIC_DFR,       LAPIC_SVR,       LAPIC_ESR,           LAPIC_ICR,
                                   LAPIC_LVT_TIMER, LAPIC_LVT_ERROR, LAPIC_TIMER_INITIAL, LAPIC_TIMER_DIVIDE,
                                   LAPIC_LVT_LINT0 };

    if (!lapic_has_mmio(lapic))
        return;
    offset = offsets[offset % (sizeof offsets / sizeof offsets[0])];
    lapic->page[offset / 4] = value;
    lapic_wrote(lapic, offset, now);
}

/* The quick way, of a copy: it does the same as the other one, or nothing. It has no use for the page. */
static void write_deadline(struct lapic *lapic, u64 deadline, u64 until)
{
    struct lapic copy = *lapic;
    bool quick;

    copy.page = NULL;
    quick = lapic_deadline_write_quickly(&copy, deadline, now, until);
    if (!quick)
        CHECK(memcmp(&copy.timer, &lapic->timer, sizeof(copy.timer)) == 0);
    lapic_msr_write(lapic, LAPIC_MSR_TSC_DEADLINE, deadline, now);
    if (!quick)
        return;
    CHECK(memcmp(&copy.timer, &lapic->timer, sizeof(copy.timer)) == 0 && copy.timer.fires >= until);
    CHECK(memcmp(copy.posted, lapic->posted, sizeof(copy.posted)) == 0 && copy.attention == lapic->attention);
}

static void wild_step(const uint8_t *record)
{
    static struct lapic_state saved[APICS];
    static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1,  0x4d0, 0x4d1, 0x40,
                                 0x43, 0x70, 0x71, 0x3f8, 0x3f9, 0x3fc, 0x3fa };
    unsigned index = record[1] % APICS;
    struct lapic *lapic = &apics[index];
    u32 argument = (u32)(record[2] << 8 | record[3]), value;
    u64 wide;

    memcpy(&value, record + 4, sizeof value);
    wide = (u64)argument << (argument & 1 ? 48 : 32) | value;
    switch (record[0] % 20) {
    case 0:
    case 1:
    case 2:
        lapic_mmio_write(lapic, (argument << 4) & 0xff0, 4, value, now);
        break;
    case 3:
        lapic_mmio_write(lapic, argument & 0xfff, 1u << (argument >> 12 & 3), wide, now);
        break;
    case 4:
        CHECK(lapic_mmio_read(lapic, argument & 0xfff, 1, now) < 0x100);
        CHECK(lapic_mmio_read(lapic, argument & 0xff0, 4, now) <= UINT32_MAX);
        break;
    case 5:
    case 6:
        lapic_msr_write(lapic, LAPIC_MSR_FIRST + (argument & 0xff), record[1] & 0x80 ? wide : value, now);
        break;
    case 7:
        wide = 0;
        if (!lapic_msr_read(lapic, LAPIC_MSR_FIRST + (argument & 0xff), &wide, now))
            CHECK(lapic->base & LAPIC_BASE_X2APIC);
        break;
    case 8:
        lapic_base_write(lapic, record[1] & 0x80 ? wide : LAPIC_DEFAULT_BASE | (value & 0xd00));
        break;
    case 9:
        write_deadline(lapic, record[1] & 0x80 ? wide : now + argument, now + (value & 0xffff));
        break;
    case 10:
        lapic_set_tsc_offset(lapic, record[1] & 0x80 ? wide : argument, now);
        break;
    case 11:
        lapic_post(lapic, (u8)value, argument & 1);
        break;
    case 12:
        take(lapic);
        break;
    case 13:
        lapic_eoi(lapic);
        break;
    case 14:
        platform_mmio_write(&platform, 0x00, 4, argument & 0x3f, now);
        platform_mmio_write(&platform, record[1] & 0x40 ? 0x40 : 0x10, 4, value, now);
        break;
    case 15:
        platform_port_write(&platform, ports[argument % (sizeof ports / sizeof ports[0])], 1, value & 0xff, now);
        break;
    case 16:
        platform_set_irq(&platform, (argument & 15) == 2 ? 3 : argument & 15, value & 1);
        break;
    case 17:
        if (value & 0x100)
            post_event(lapic, (u8)value);
        else
            take_events(lapic);
        break;
    case 18:
        write_as_processor(lapic, argument, value);
        break;
    default:
        if (value & 1) {
            lapic_save(lapic, &saved[index]);
        } else if (saved[index].base) {
            lapic_restore(lapic, &saved[index], now);
        }
        break;
    }
}

static u64 *level_entry(unsigned index)
{
    return &platform.ioapic.entries[FIRST_LEVEL_PIN + index];
}

/* Pin 16 + i is level-triggered, with a vector of its own, for APIC i. */
static void start_disciplined(void)
{
    for (unsigned i = 0; i < APICS; i++) {
        *level_entry(i) = (u64)i << 56 | LEVEL | (FIRST_LEVEL_VECTOR + i * 5);
        lapic_mmio_write(&apics[i], LAPIC_SVR, 4, 0x1ff, now);
    }
}

static void disciplined_step(const uint8_t *record)
{
    struct lapic *lapic = &apics[record[1] % APICS];
    unsigned pin = FIRST_LEVEL_PIN + record[2] % APICS;

    switch (record[0] % 9) {
    case 0:
        ioapic_set_line(&platform.ioapic, pin, true);
        break;
    case 1:
        ioapic_set_line(&platform.ioapic, pin, false);
        break;
    case 2:
        lapic_post(lapic, 0x20 + record[3] % 0xc0, false);
        break;
    case 3:
        lapic_mmio_write(lapic, LAPIC_TPR, 4, record[3], now);
        break;
    case 4:
        take(lapic);
        break;
    case 5:
        lapic_mmio_write(lapic, LAPIC_EOI, 4, 0, now);
        break;
    case 6:
        platform_mmio_write(&platform, 0, 4, 0x10 + 2 * pin, now);
        platform_mmio_write(&platform, 0x10, 4, (platform.ioapic.entries[pin] & 0xffff) | (record[3] & 1 ? MASKED : 0),
                            now);
        break;
    case 7:
        lapic_mmio_write(lapic, LAPIC_SVR, 4, record[3] & 1 ? 0x1ff : 0xff, now);
        break;
    default:
        lapic_mmio_write(lapic, LAPIC_LVT_TIMER, 4, 0x20020 | (record[3] & 0x9f), now);
        lapic_mmio_write(lapic, LAPIC_TIMER_INITIAL, 4, record[4], now);
        break;
    }
}

/* Remote IRR says exactly whether the APIC has it: waiting or in service. */
static void check_disciplined(void)
{
    for (unsigned i = 0; i < APICS; i++) {
        u32 vector = (u32)*level_entry(i) & 0xff;
        bool has = vector_in(&apics[i], LAPIC_IRR, vector) || vector_in(&apics[i], LAPIC_ISR, vector);

        CHECK(has == !!(*level_entry(i) & REMOTE_IRR));
    }
}

/* Everybody takes and ends what there is; the lines are low. */
static void finish_disciplined(void)
{
    for (unsigned i = 0; i < APICS; i++) {
        ioapic_set_line(&platform.ioapic, FIRST_LEVEL_PIN + i, false);
        lapic_mmio_write(&apics[i], LAPIC_LVT_TIMER, 4, MASKED, now);
        lapic_mmio_write(&apics[i], LAPIC_TPR, 4, 0, now);
        for (unsigned left = 600; lapic_collect(&apics[i]), left > 0; left--) {
            if (lapic_pending(&apics[i]) >= 0)
                take(&apics[i]);
            else
                lapic_mmio_write(&apics[i], LAPIC_EOI, 4, 0, now);
        }
        CHECK(lapic_highest_irr(&apics[i]) < 0 && lapic_highest_isr(&apics[i]) < 0);
        CHECK(!(*level_entry(i) & REMOTE_IRR));
    }
}

static void start(void)
{
    static const struct lapic_ops ops = { .send = send, .eoi = eoi };
    static const struct platform_config config = { .memory = 64 << 20,
                                                   .unix_time = 1700000000,
                                                   .processors = APICS,
                                                   .console = console,
                                                   .exit = take_exit,
                                                   .reset = reset,
                                                   .power_off = reset,
                                                   .deliver = deliver };

    now = 0;
    messages = 0;
    for (u32 i = 0; i < APICS; i++)
        lapic_init(&apics[i], pages[i], i, i == 0, (u8)i, &ops, &apics[i]);
    platform_init(&platform, &config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool disciplined;

    if (size == 0)
        return 0;
    disciplined = data[0] & 1;
    start();
    if (disciplined)
        start_disciplined();
    for (data++, size--; size >= RECORD; data += RECORD, size -= RECORD) {
        messages = 0;
        now += (u64)(data[7] & 15) << (data[7] >> 4) * 3;
        if (disciplined)
            disciplined_step(data);
        else
            wild_step(data);
        platform_run(&platform, now);
        for (unsigned i = 0; i < APICS; i++)
            check_apic(&apics[i]);
        check_levels();
        if (disciplined)
            check_disciplined();
    }
    messages = 0;
    if (disciplined)
        finish_disciplined();
    return 0;
}

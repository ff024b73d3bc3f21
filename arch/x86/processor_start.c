/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See processor_start.h. Each processor is made an offer of a record and a stack, which it takes by compare-exchange after it
 * has seen that the offer is for its own APIC ID. So one that comes after nobody waits for it any more finds nothing, and
 * halts. Nothing that it uses until then is ever freed.
 */
#include "arch/x86/processor_start.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/delay.h"
#include "arch/x86/machine.h"
#include "arch/x86/page_entry.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"
#include "arch/x86/processor_join.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "mm/frame.h"
#include "mm/port.h"

enum { STACK_PAGES = 4, HALF_TABLE = 256, TABLE_ENTRIES = 512 };
enum { INIT_US = 10000, SECOND_STARTUP_US = 200, MOST_US = 100000, JOIN_US = 1000000 };

enum offer_state { OFFER_NONE, OFFER_MADE, OFFER_TAKEN, OFFER_JOINED, OFFER_REFUSED };

/* trampoline.nasm knows its layout. */
struct offer {
    u32 state; /* enum offer_state */
    u32 apic_id;
    u64 root;
    void *stack;
    struct processor *processor;
};

static_assert(offsetof(struct offer, apic_id) == 4 && offsetof(struct offer, root) == 8 &&
                  offsetof(struct offer, stack) == 16 && offsetof(struct offer, processor) == 24,
              "trampoline.nasm");

extern const u8 trampoline[], trampoline_end[];
extern const u8 trampoline_gdtr_base[], trampoline_far32[], trampoline_far64[], trampoline_root[];

struct offer processor_offer;
_Noreturn void processor_main(struct processor *processor); /* trampoline.nasm calls it */

static void (*run_processor)(void);
static char refusal[PROCESSOR_REASON_SIZE]; /* why the last one that refused did */

/* The first page is the trampoline, the others are its tables; only they need to lie where 32 bits reach. */
static void make_trampoline(hpa_t pages)
{
    u64 *tables[PROCESSOR_START_PAGES];
    u8 *code = phys_to_virt(pages);
    const u64 *own = phys_to_virt(paging_root());
    const u8 *const with_address[] = { trampoline_gdtr_base, trampoline_far32, trampoline_far64 };
    u32 root = (u32)(pages.v + PAGE_SIZE);

    memset(code, 0xcc, PAGE_SIZE);
    memcpy(code, trampoline, (size_t)(trampoline_end - trampoline));
    for (unsigned i = 0; i < sizeof(with_address) / sizeof(with_address[0]); i++) {
        u32 address;

        memcpy(&address, with_address[i], sizeof(address));
        address += (u32)pages.v;
        memcpy(code + (with_address[i] - trampoline), &address, sizeof(address));
    }
    memcpy(code + (trampoline_root - trampoline), &root, sizeof(root));

    for (unsigned i = 1; i < PROCESSOR_START_PAGES; i++) {
        tables[i] = phys_to_virt((hpa_t){ pages.v + i * PAGE_SIZE });
        memset(tables[i], 0, PAGE_SIZE);
        if (i > 1)
            tables[i - 1][0] = (pages.v + i * PAGE_SIZE) | PTE_PRESENT | PTE_ACCESSED;
    }
    tables[PROCESSOR_START_PAGES - 1][pages.v >> PAGE_SHIFT] = pages.v | PTE_PRESENT | PTE_ACCESSED; /* not writable */
    memcpy(tables[1] + HALF_TABLE, own + HALF_TABLE, HALF_TABLE * sizeof(*own));
}

/* What a processor has of its own; NULL: no memory. */
static struct processor *make_processor(unsigned number)
{
    char name[32];
    unsigned order = frame_order(sizeof(struct processor));
    pfn_t frame;

    if (frame_alloc(order, FRAME_CONTROL, &frame))
        return NULL;
    struct processor *processor = port_frame_address(frame);
    *processor = (struct processor){ .number = number };
    format_text(name, sizeof name, "scheduler %u", number);
    processor->stack = vmap_stack(STACK_PAGES, name);
    if (!processor->stack || frame_alloc(0, FRAME_CONTROL, &processor->vmxon_region) ||
        cpu_tables_make(&processor->tables, number))
        return NULL;
    return processor;
}

_Noreturn void processor_main(struct processor *processor)
{
    bool joined = processor_join(processor, refusal);
    u32 taken = OFFER_TAKEN;

    /* Unless it took so long that nobody waits any more. */
    if (__atomic_compare_exchange_n(&processor_offer.state, &taken, joined ? OFFER_JOINED : OFFER_REFUSED, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) &&
        joined)
        run_processor();
    for (;;) {
        cli();
        hlt();
    }
}

/* From the state `from`, which is then OFFER_NONE; false: it is in another one. */
static bool withdraw(u32 from)
{
    return __atomic_compare_exchange_n(&processor_offer.state, &from, OFFER_NONE, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/*
 * OFFER_JOINED, OFFER_REFUSED, OFFER_MADE: it did not come; OFFER_TAKEN: it came, and no more. The second start-up message is
 * for processors that missed the first one; one that runs ignores it.
 */
static enum offer_state wait_for(u32 apic_id, hpa_t page)
{
    apic_send_startup(apic_id, page);
    u64 start = rdtsc(), second = delay_ticks(SECOND_STARTUP_US), most = delay_ticks(MOST_US);
    bool sent = false;

    while (__atomic_load_n(&processor_offer.state, __ATOMIC_ACQUIRE) == OFFER_MADE && rdtsc() - start < most) {
        if (!sent && rdtsc() - start >= second) {
            apic_send_startup(apic_id, page);
            sent = true;
        }
        cpu_pause();
    }
    if (withdraw(OFFER_MADE))
        return OFFER_MADE;
    start = rdtsc();
    most = delay_ticks(JOIN_US);
    while (__atomic_load_n(&processor_offer.state, __ATOMIC_ACQUIRE) == OFFER_TAKEN && rdtsc() - start < most)
        cpu_pause();
    return withdraw(OFFER_TAKEN) ? OFFER_TAKEN : __atomic_load_n(&processor_offer.state, __ATOMIC_ACQUIRE);
}

/* OFFER_MADE: the record can be offered to another one. OFFER_TAKEN: nothing can be offered any more, for it may come back. */
static enum offer_state start(struct processor *processor, u32 apic_id, hpa_t page)
{
    processor->apic_id = apic_id;
    processor_offer.apic_id = apic_id;
    processor_offer.root = paging_root().v;
    processor_offer.stack = processor->stack;
    processor_offer.processor = processor;
    __atomic_store_n(&processor_offer.state, OFFER_MADE, __ATOMIC_RELEASE);
    enum offer_state state = wait_for(apic_id, page);

    if (state == OFFER_JOINED) {
        processor_add(processor);
    } else {
        log_line("the processor with APIC ID %u is not used: %s", apic_id,
                 state == OFFER_REFUSED ? refusal
                 : state == OFFER_TAKEN ? "it came, and got stuck; no other one is started any more"
                                        : "it does not answer");
    }
    return state;
}

void processors_start(hpa_t pages, unsigned most, void (*run)(void))
{
    const struct madt *madt = machine_madt();
    struct processor *next = NULL;
    u32 boot_id = processor_at(0)->apic_id;
    unsigned left_out = madt->processors_left_out, unreachable = 0, tried = 0;

    most = most < PROCESSOR_MAX ? most : PROCESSOR_MAX;
    if (madt->processor_count <= 1 || !apic_is_present())
        return;
    run_processor = run;
    make_trampoline(pages);
    /* All at once, so that there is one long wait only. Those that are not wanted stay as the firmware parked them. */
    for (unsigned i = 0; i < madt->processor_count && tried + 1 < most; i++) {
        if (madt->apic_ids[i] != boot_id && madt->apic_ids[i] <= apic_max_id()) {
            apic_send_init(madt->apic_ids[i]);
            tried++;
        }
    }
    delay_us(INIT_US);
    for (unsigned i = 0; i < madt->processor_count; i++) {
        u32 id = madt->apic_ids[i];

        if (id == boot_id)
            continue;
        if (id > apic_max_id()) {
            unreachable++;
        } else if (tried == 0) {
            left_out++;
        } else {
            tried--;
            next = next ? next : make_processor(processor_count());
            if (!next) {
                log_line("no memory to start the processor with APIC ID %u", id);
                return;
            }
            enum offer_state state = start(next, id, pages);
            if (state == OFFER_TAKEN)
                return;
            if (state != OFFER_MADE)
                next = NULL;
        }
    }
    if (unreachable)
        log_line("%u processors are not used: they need x2APIC mode, which the boot processor has not", unreachable);
    if (left_out)
        log_line("%u processors are left as they are: slat uses %u at most here", left_out, most);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: memory keeps what is written, and paging structures too, whatever the hypervisor does below. Pages are written,
 * changed and read back in random order through 4K pages of the guest's own; churn.t runs two of them on a slat that
 * changes their memory all the time. rounds=N on the command line; it ends before that when the word MAIL_STOP is set, which
 * only such a slat does. seed=N: another order. processors=N: so many do that at the same time, each with pages of its own; they
 * count in common ones, and some halt until the first one wakes them.
 *
 * A page of data has a count in its first word, and the others follow from a seed of the page. Of every fourth page both
 * have few values: so two guests often have equal ones. guest-stubs/remember.h says what lies where.
 *
 *   [guest remember]
 *   image = remember.elf
 *   memory = 16M
 *   expect-end = exit 0
 */
#include "guest-stubs/remember.h"
#include "guest-stubs/smp/smp.h"

enum {
    PAGE = REMEMBER_PAGE,
    WORDS = PAGE / 4,
    DATA_PAGES = REMEMBER_DATA_SIZE / PAGE,
    TOUCHES = 16,
    TABLE_ENTRIES = 1024,
    APIC_ENTRY = (int)((u32)APIC_BASE >> 22),
    COMMON_WORDS = REMEMBER_COMMON_SIZE / 4,
};
enum { PTE_PRESENT_WRITABLE = 3, PTE_ACCESSED = 1 << 5, PTE_DIRTY = 1 << 6, CR0_WRITE_PROTECT = 1 << 16 };

/* What a processor does, and what it finds. */
struct worker {
    u32 random_state, first, pages; /* its part of the data */
    u32 increments;                 /* of common words */
    u32 seen[PROCESSORS_MAX];       /* rounds of the others */
    unsigned wrong_data, wrong_count, wrong_constant, wrong_host, wrong_dirty, wrong_order, host_pages_read;
};

static u32 directory[TABLE_ENTRIES] __attribute__((aligned(4096)));
static u32 tables[REMEMBER_MEMORY / PAGE] __attribute__((aligned(4096)));
static u32 apic_table[TABLE_ENTRIES] __attribute__((aligned(4096)));
static u32 seeds[DATA_PAGES], counts[DATA_PAGES];
static struct worker workers[PROCESSORS_MAX];
static volatile u32 others_done;
static volatile bool over;
static u32 limit;

static u32 random(struct worker *worker, u32 below)
{
    worker->random_state = worker->random_state * 1664525 + 1013904223;
    return (u32)(((u64)worker->random_state * below) >> 32);
}

static u32 own_page(struct worker *worker)
{
    return worker->first + random(worker, worker->pages);
}

static uintptr_t page_at(u32 page)
{
    return REMEMBER_DATA + page * PAGE;
}

/* A twin has one of two seeds and four counts. */
static bool is_twin(u32 page)
{
    return page % 4 == 0;
}

static void tables_init(void)
{
    for (u32 i = 0; i < REMEMBER_MEMORY / PAGE; i++)
        tables[i] = i * PAGE | PTE_PRESENT_WRITABLE;
    for (u32 i = 0; i < REMEMBER_MEMORY / PAGE / TABLE_ENTRIES; i++)
        directory[i] = (u32)(uintptr_t)&tables[i * TABLE_ENTRIES] | PTE_PRESENT_WRITABLE;
    apic_table[(u32)APIC_BASE / PAGE % TABLE_ENTRIES] = (u32)APIC_BASE | PTE_PRESENT_WRITABLE;
    directory[APIC_ENTRY] = (u32)(uintptr_t)apic_table | PTE_PRESENT_WRITABLE;
}

static void paging_on(void)
{
    write_cr3((uintptr_t)directory);
    write_cr0(read_cr0() | CR0_PG | CR0_WRITE_PROTECT);
}

static void fill(u32 page, u32 seed)
{
    volatile u32 *words = (volatile u32 *)page_at(page);

    seeds[page] = seed;
    words[0] = counts[page];
    for (u32 i = 1; i < WORDS; i++)
        words[i] = remember_word(seed, i);
}

static void check(struct worker *worker, u32 page)
{
    const volatile u32 *words = (const volatile u32 *)page_at(page);

    worker->wrong_count += words[0] != counts[page];
    for (u32 i = 1; i < WORDS; i++)
        worker->wrong_data += words[i] != remember_word(seeds[page], i);
}

static void touch(struct worker *worker, u32 page)
{
    worker->wrong_count += peek(page_at(page)) != counts[page];
    counts[page] = is_twin(page) ? (counts[page] + 1) % 4 : counts[page] + 1;
    poke(page_at(page), counts[page]);
}

static void rewrite(struct worker *worker, u32 page)
{
    fill(page, is_twin(page) ? page + (random(worker, 2) << 16) : worker->random_state);
}

static void check_constant(struct worker *worker, u32 first, u32 count)
{
    for (u32 i = first; i < first + count; i++)
        worker->wrong_constant += peek(REMEMBER_CONSTANT + i * 4) != remember_word(REMEMBER_CONSTANT, i);
}

/* Pages that the host writes, one at once as a whole. One that it changed meanwhile is left. */
static void check_host_page(struct worker *worker, u32 page)
{
    uintptr_t at = REMEMBER_HOST + page * PAGE;
    u32 seed = peek(at);
    unsigned wrong = 0;

    if (seed == 0)
        return;
    for (u32 i = 1; i < WORDS; i++)
        wrong += peek(at + i * 4) != remember_word(seed, i);
    if (peek(at) == seed) {
        worker->wrong_host += wrong;
        worker->host_pages_read++;
    }
}

/* What the processor itself writes to memory: that a page was read, and that it was written. */
static void check_dirty(struct worker *worker, u32 page)
{
    volatile u32 *entry = &tables[page_at(page) / PAGE];
    u32 clean = page_at(page) | PTE_PRESENT_WRITABLE;

    *entry = clean;
    __asm__ volatile("invlpg (%0)" : : "r"(page_at(page)) : "memory");
    (void)peek(page_at(page));
    worker->wrong_dirty += *entry != (clean | PTE_ACCESSED);
    touch(worker, page);
    worker->wrong_dirty += *entry != (clean | PTE_ACCESSED | PTE_DIRTY);
}

/* A word is counted up by all, and everybody's round, which only grows, is seen by all: through the same frame. */
static void share(struct worker *worker)
{
    u32 *words = (u32 *)(uintptr_t)REMEMBER_COMMON, other = random(worker, processor_count);

    for (unsigned i = 0; i < TOUCHES; i++) {
        __atomic_fetch_add(&words[PROCESSORS_MAX + random(worker, COMMON_WORDS - PROCESSORS_MAX)], 1, __ATOMIC_SEQ_CST);
        worker->increments++;
    }
    u32 seen = __atomic_load_n(&words[other], __ATOMIC_SEQ_CST);
    worker->wrong_order += seen < worker->seen[other];
    worker->seen[other] = seen;
    __atomic_fetch_add(&words[this_processor()->index], 1, __ATOMIC_SEQ_CST);
}

static void one_round(struct worker *worker)
{
    u32 page = own_page(worker);

    for (unsigned i = 0; i < TOUCHES; i++)
        touch(worker, own_page(worker));
    check(worker, page);
    if (random(worker, 2))
        rewrite(worker, page);
    check_constant(worker, random(worker, REMEMBER_CONSTANT_SIZE / 4 - 64), 64);
    check_dirty(worker, own_page(worker));
    share(worker);
    if (random(worker, 4) == 0)
        check_host_page(worker, random(worker, REMEMBER_HOST_PAGES));
}

static void wake_others(void)
{
    if (processor_count > 1)
        apic_send(0, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
}

static void work_first(struct worker *worker)
{
    poke(MAIL_READY, REMEMBER_IS_READY);
    for (u32 round = 0; round < limit && !peek(MAIL_STOP);) {
        one_round(worker);
        poke(MAIL_ROUND, ++round);
        wake_others();
    }
    over = true;
    while (others_done != processor_count - 1)
        wake_others();
}

static void work_other(struct worker *worker)
{
    while (!over) {
        one_round(worker);
        if (random(worker, 8) == 0)
            halt_once();
    }
    __atomic_fetch_add(&others_done, 1, __ATOMIC_SEQ_CST);
}

static void work(void)
{
    u32 index = this_processor()->index;
    struct worker *worker = &workers[index];

    paging_on();
    for (u32 page = worker->first; page < worker->first + worker->pages; page++)
        fill(page, page);
    barrier();
    if (index == 0)
        work_first(worker);
    else
        work_other(worker);
    for (u32 page = worker->first; page < worker->first + worker->pages; page++)
        check(worker, page);
}

static void start_others(unsigned count)
{
    if (count == 1)
        return;
    outb(0x21, 0xff); /* no interrupt but those that the processors send each other */
    outb(0xa1, 0xff);
    interrupts_init();
    apic_enable();
    trampoline_install();
    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP);
    for (unsigned i = 1; i < count; i++)
        wait_until(processor_table[i].arrived);
    processor_count = count;
}

static struct worker sum_of_workers(void)
{
    struct worker sum = { 0 };

    for (unsigned i = 0; i < processor_count; i++) {
        sum.increments += workers[i].increments;
        sum.wrong_data += workers[i].wrong_data;
        sum.wrong_count += workers[i].wrong_count;
        sum.wrong_constant += workers[i].wrong_constant;
        sum.wrong_host += workers[i].wrong_host;
        sum.wrong_dirty += workers[i].wrong_dirty;
        sum.wrong_order += workers[i].wrong_order;
        sum.host_pages_read += workers[i].host_pages_read;
    }
    return sum;
}

void stub_main(void)
{
    u32 count = (u32)argument("processors", 1), counted = 0;

    plan(7);
    limit = (u32)argument("rounds", 200);
    if (memory_end() < REMEMBER_MEMORY)
        bail_out("this stub needs 16M");
    if (count == 0 || count > PROCESSORS_MAX)
        bail_out("1 to %u processors", (unsigned)PROCESSORS_MAX);
    processors_init();
    tables_init();
    start_others(count);
    for (u32 i = 0; i < count; i++) {
        workers[i].random_state = (u32)argument("seed", 1) + i * 0x9e3779b9u;
        workers[i].pages = DATA_PAGES / count;
        workers[i].first = i * workers[i].pages;
    }
    for (u32 i = 0; i < REMEMBER_CONSTANT_SIZE / 4; i++)
        poke(REMEMBER_CONSTANT + i * 4, remember_word(REMEMBER_CONSTANT, i));
    run_on_all(work);

    struct worker sum = sum_of_workers();
    check_constant(&sum, 0, REMEMBER_CONSTANT_SIZE / 4);
    for (u32 i = PROCESSORS_MAX; i < COMMON_WORDS; i++)
        counted += peek(REMEMBER_COMMON + i * 4);
    print("# %u rounds, %u pages of the host's read\n", peek(MAIL_ROUND), sum.host_pages_read);
    ok(sum.wrong_data == 0, "data stays as it was written (%u words do not)", sum.wrong_data);
    ok(sum.wrong_count == 0, "no write is lost (%u counts are wrong)", sum.wrong_count);
    ok(sum.wrong_constant == 0, "what is not written stays (%u words do not)", sum.wrong_constant);
    ok(sum.wrong_host == 0, "what the host writes is seen as a whole (%u words are not)", sum.wrong_host);
    ok(sum.wrong_dirty == 0, "the processor's own marks stay (%u do not)", sum.wrong_dirty);
    ok(counted == sum.increments, "what processors count together is right (%u of %u)", counted, sum.increments);
    ok(sum.wrong_order == 0, "what others write is seen in its order (%u times not)", sum.wrong_order);
}

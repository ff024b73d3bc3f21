/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: memory keeps what is written, and paging structures too, whatever the hypervisor does below. Pages are written,
 * changed and read back in random order through 4K pages of the guest's own; churn.t runs two of them on a slat that
 * changes their memory all the time. rounds=N on the command line; it ends before that when the word MAIL_STOP is set, which
 * only such a slat does. seed=N: another order.
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
#include "guest-stubs/lib/stub.h"

enum {
    PAGE = REMEMBER_PAGE,
    WORDS = PAGE / 4,
    DATA_PAGES = REMEMBER_DATA_SIZE / PAGE,
    TOUCHES = 16,
    TABLE_ENTRIES = 1024
};
enum { PTE_PRESENT_WRITABLE = 3, PTE_ACCESSED = 1 << 5, PTE_DIRTY = 1 << 6, CR0_WRITE_PROTECT = 1 << 16 };

static u32 directory[TABLE_ENTRIES] __attribute__((aligned(4096)));
static u32 tables[REMEMBER_MEMORY / PAGE] __attribute__((aligned(4096)));
static u32 seeds[DATA_PAGES], counts[DATA_PAGES];
static u32 random_state;
static unsigned wrong_data, wrong_count, wrong_constant, wrong_host, wrong_dirty, host_pages_read;

static u32 random(u32 below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (u32)(((u64)random_state * below) >> 32);
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

static void paging_on(void)
{
    for (u32 i = 0; i < REMEMBER_MEMORY / PAGE; i++)
        tables[i] = i * PAGE | PTE_PRESENT_WRITABLE;
    for (u32 i = 0; i < REMEMBER_MEMORY / PAGE / TABLE_ENTRIES; i++)
        directory[i] = (u32)(uintptr_t)&tables[i * TABLE_ENTRIES] | PTE_PRESENT_WRITABLE;
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

static void check(u32 page)
{
    const volatile u32 *words = (const volatile u32 *)page_at(page);

    wrong_count += words[0] != counts[page];
    for (u32 i = 1; i < WORDS; i++)
        wrong_data += words[i] != remember_word(seeds[page], i);
}

static void touch(u32 page)
{
    wrong_count += peek(page_at(page)) != counts[page];
    counts[page] = is_twin(page) ? (counts[page] + 1) % 4 : counts[page] + 1;
    poke(page_at(page), counts[page]);
}

static void rewrite(u32 page)
{
    fill(page, is_twin(page) ? page + (random(2) << 16) : random_state);
}

static void check_constant(u32 first, u32 count)
{
    for (u32 i = first; i < first + count; i++)
        wrong_constant += peek(REMEMBER_CONSTANT + i * 4) != remember_word(REMEMBER_CONSTANT, i);
}

/* Pages that the host writes, one at once as a whole. One that it changed meanwhile is left. */
static void check_host_page(u32 page)
{
    uintptr_t at = REMEMBER_HOST + page * PAGE;
    u32 seed = peek(at);
    unsigned wrong = 0;

    if (seed == 0)
        return;
    for (u32 i = 1; i < WORDS; i++)
        wrong += peek(at + i * 4) != remember_word(seed, i);
    if (peek(at) == seed) {
        wrong_host += wrong;
        host_pages_read++;
    }
}

/* What the processor itself writes to memory: that a page was read, and that it was written. */
static void check_dirty(u32 page)
{
    volatile u32 *entry = &tables[page_at(page) / PAGE];
    u32 clean = page_at(page) | PTE_PRESENT_WRITABLE;

    *entry = clean;
    __asm__ volatile("invlpg (%0)" : : "r"(page_at(page)) : "memory");
    (void)peek(page_at(page));
    wrong_dirty += *entry != (clean | PTE_ACCESSED);
    touch(page);
    wrong_dirty += *entry != (clean | PTE_ACCESSED | PTE_DIRTY);
}

static void one_round(void)
{
    u32 page = random(DATA_PAGES);

    for (unsigned i = 0; i < TOUCHES; i++)
        touch(random(DATA_PAGES));
    check(page);
    if (random(2))
        rewrite(page);
    check_constant(random(REMEMBER_CONSTANT_SIZE / 4 - 64), 64);
    check_dirty(random(DATA_PAGES));
    if (random(4) == 0)
        check_host_page(random(REMEMBER_HOST_PAGES));
}

void stub_main(void)
{
    u32 limit = (u32)argument("rounds", 200), round = 0;

    plan(5);
    random_state = (u32)argument("seed", 1);
    if (memory_end() < REMEMBER_MEMORY)
        bail_out("this stub needs 16M");
    paging_on();
    for (u32 i = 0; i < REMEMBER_CONSTANT_SIZE / 4; i++)
        poke(REMEMBER_CONSTANT + i * 4, remember_word(REMEMBER_CONSTANT, i));
    for (u32 page = 0; page < DATA_PAGES; page++)
        fill(page, page);
    poke(MAIL_READY, REMEMBER_IS_READY);
    while (round < limit && !peek(MAIL_STOP)) {
        one_round();
        poke(MAIL_ROUND, ++round);
    }
    for (u32 page = 0; page < DATA_PAGES; page++)
        check(page);
    check_constant(0, REMEMBER_CONSTANT_SIZE / 4);
    print("# %u rounds, %u pages of the host's read\n", round, host_pages_read);
    ok(wrong_data == 0, "data stays as it was written (%u words do not)", wrong_data);
    ok(wrong_count == 0, "no write is lost (%u counts are wrong)", wrong_count);
    ok(wrong_constant == 0, "what is not written stays (%u words do not)", wrong_constant);
    ok(wrong_host == 0, "what the host writes is seen as a whole (%u words are not)", wrong_host);
    ok(wrong_dirty == 0, "the processor's own marks stay (%u do not)", wrong_dirty);
}

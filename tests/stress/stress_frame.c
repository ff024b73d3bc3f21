/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/frame.c, mm/frame_record.c and mm/pool.c: threads take, split, free and retire blocks, set records and counts,
 * and use the same pools. Each frame has an owner here; its memory bears the owner's mark, which the sanitizer watches too.
 */
#include "tests/stress/stress.h"

#include "mm/frame_record.h"
#include "mm/pool.h"

enum { THREADS = 4, FRAMES = 4096, HELD = 64, MAX_RETIRED = 256, SHARED = 4, MAX_SHARES = 2, CHECK_PERIOD = 64 };
enum { OWNER_FREE = 0, OWNER_ALL = 0xfffe, OWNER_RETIRED = 0xffff }; /* others: number of the thread + 1 */

struct block {
    pfn_t pfn;
    unsigned order;
    enum frame_kind kind;
    bool has_record;
};

struct small {
    u64 words[6];
};
struct large {
    u64 words[160];
};
POOL(small_pool, struct small);
POOL(large_pool, struct large);

static u32 owners[FRAMES];
static u64 retired;

/* Everybody's: with counts, on both sides of a border between two pages of records, that have no other records. */
static pfn_t shared[SHARED];
static pfn_t shared_block;
enum { SHARED_ORDER = 10 };

static _Thread_local struct {
    unsigned number;
    u64 *seed;
    struct block blocks[HELD];
    unsigned count;
    struct small *small[HELD];
    struct large *large[HELD];
    u64 shares[SHARED];
    u64 reserved;
} my;

static u64 below(u64 limit)
{
    return random_below(my.seed, limit);
}

static void own(pfn_t pfn, u32 from, u32 to)
{
    STRESS_CHECK(__atomic_exchange_n(&owners[pfn.v - PORT_HOST_BASE], to, __ATOMIC_RELAXED) == from);
}

static void mark_block(struct block block)
{
    for (u64 i = 0; i < 1ull << block.order; i++) {
        pfn_t pfn = { block.pfn.v + i };
        u64 *words = port_frame_address(pfn);

        own(pfn, OWNER_FREE, my.number + 1);
        words[0] = words[1] = words[511] = pfn.v << 16 | my.number;
    }
}

static void check_block(struct block block, bool goes, u32 to)
{
    for (u64 i = 0; i < 1ull << block.order; i++) {
        pfn_t pfn = { block.pfn.v + i };
        const u64 *words = port_frame_address(pfn);
        u64 mark = pfn.v << 16 | my.number;

        STRESS_CHECK(words[0] == mark && words[1] == mark && words[511] == mark);
        STRESS_CHECK(frame_kind_of(pfn) == block.kind);
        if (goes)
            own(pfn, my.number + 1, to);
    }
    if (block.has_record)
        STRESS_CHECK(frame_record_get(block.pfn) == port_frame_address(block.pfn));
}

static void take_block(void)
{
    struct block block = { .order = (unsigned)below(below(8) == 0 ? 8 : 3), .kind = 1 + below(FRAME_KIND_COUNT - 1) };

    if (my.count == HELD || frame_alloc(block.order, block.kind, &block.pfn) != 0)
        return;
    mark_block(block);
    if (block.kind == FRAME_TABLE)
        block.has_record = frame_record_set(block.pfn, port_frame_address(block.pfn)) == 0;
    my.blocks[my.count++] = block;
}

static bool may_retire(void)
{
    return below(64) == 0 && __atomic_load_n(&retired, __ATOMIC_RELAXED) < MAX_RETIRED;
}

/* A block, or one half of it. */
static void give_block(void)
{
    if (my.count == 0)
        return;

    unsigned victim = (unsigned)below(my.count);
    struct block *held = &my.blocks[victim];
    struct block block = *held;
    if (block.order > 0 && my.count < HELD && below(2) == 0) {
        /* The lower half stays, with the record. */
        block.order = --held->order;
        block.pfn.v += 1ull << block.order;
        block.has_record = false;
    } else {
        *held = my.blocks[--my.count];
    }
    bool retires = block.order == 0 && may_retire();
    check_block(block, true, retires ? OWNER_RETIRED : OWNER_FREE);
    if (block.has_record)
        frame_record_clear(block.pfn);
    if (retires) {
        __atomic_fetch_add(&retired, 1, __ATOMIC_RELAXED);
        frame_retire_allocated(block.pfn, block.kind);
    } else {
        frame_free(block.pfn, block.order, block.kind);
    }
}

/* Records come and go without anything else that orders the threads. */
static void toggle_record(void)
{
    struct block *block = &my.blocks[my.count == 0 ? 0 : below(my.count)];

    if (my.count == 0 || block->kind != FRAME_TABLE)
        return;
    if (block->has_record)
        frame_record_clear(block->pfn);
    block->has_record = !block->has_record && frame_record_set(block->pfn, port_frame_address(block->pfn)) == 0;
    STRESS_CHECK(!block->has_record || frame_record_get(block->pfn) == port_frame_address(block->pfn));
}

static void retire_any(void)
{
    pfn_t pfn = { PORT_HOST_BASE + below(FRAMES) };

    STRESS_CHECK(frame_kind_of(pfn) != FRAME_KIND_COUNT);
    if (may_retire() && frame_retire(pfn) == 0) {
        own(pfn, OWNER_FREE, OWNER_RETIRED);
        __atomic_fetch_add(&retired, 1, __ATOMIC_RELAXED);
        STRESS_CHECK(frame_kind_of(pfn) == FRAME_ABSENT && frame_retire(pfn) == -ENOENT);
    }
}

static void share(void)
{
    unsigned i = (unsigned)below(SHARED);
    u64 value;

    STRESS_CHECK(frame_count_get(shared[i]) >= my.shares[i]);
    if (my.shares[i] == MAX_SHARES || (my.shares[i] > 0 && below(4) != 0)) {
        STRESS_CHECK(frame_count_add(shared[i], -1, &value) == 0);
        my.shares[i]--;
    } else if (frame_count_add(shared[i], 1, &value) == 0) {
        my.shares[i]++;
    } else {
        return;
    }
    STRESS_CHECK(value >= my.shares[i] && value <= THREADS * MAX_SHARES);
}

static void reserve(void)
{
    u64 count = 1 + below(100);

    STRESS_CHECK(frame_free_for_guests() <= FRAMES - my.reserved);
    if (my.reserved > 0) {
        frame_unreserve(my.reserved);
        my.reserved = 0;
    } else if (frame_reserve(count) == 0) {
        my.reserved = count;
    }
}

/* Takes an object where there is none, gives it where there is one: `words` words with a mark. */
static void toggle_object(struct pool *pool, u64 **object, unsigned words, u64 mark)
{
    if (*object == NULL) {
        *object = pool_alloc(pool);
        for (unsigned i = 0; i < words && *object != NULL; i++) {
            STRESS_CHECK((*object)[i] == 0);
            (*object)[i] = mark;
        }
    } else {
        for (unsigned i = 0; i < words; i++)
            STRESS_CHECK((*object)[i] == mark);
        pool_free(pool, *object);
        *object = NULL;
    }
}

static void toggle_small(unsigned i)
{
    u64 *words = (u64 *)my.small[i];

    toggle_object(&small_pool, &words, sizeof(struct small) / sizeof(u64), (uintptr_t)&my.small[i]);
    my.small[i] = (struct small *)words;
}

static void toggle_large(unsigned i)
{
    u64 *words = (u64 *)my.large[i];

    toggle_object(&large_pool, &words, sizeof(struct large) / sizeof(u64), (uintptr_t)&my.large[i]);
    my.large[i] = (struct large *)words;
}

static void check_all(void)
{
    struct frame_stats stats = frame_get_stats();
    u64 used = 0;

    for (unsigned kind = 1; kind < FRAME_KIND_COUNT; kind++)
        used += stats.used[kind];
    STRESS_CHECK(stats.free + used + stats.retired == stats.total && stats.reserved >= my.reserved);
    for (unsigned i = 0; i < my.count; i++)
        check_block(my.blocks[i], false, 0);
}

static void step(void)
{
    switch (below(16)) {
    case 0:
        retire_any();
        break;
    case 1:
        reserve();
        break;
    case 2 ... 4:
        share();
        break;
    case 5 ... 6:
        toggle_small((unsigned)below(HELD));
        break;
    case 7:
        toggle_large((unsigned)below(HELD));
        break;
    case 8 ... 10:
        toggle_record();
        break;
    case 11 ... 13:
        take_block();
        break;
    default:
        give_block();
    }
}

static void give_all(void)
{
    u64 value;

    while (my.count > 0)
        give_block();
    for (unsigned i = 0; i < SHARED; i++)
        STRESS_CHECK(frame_count_add(shared[i], -(s64)my.shares[i], &value) == 0);
    for (unsigned i = 0; i < HELD; i++) {
        if (my.small[i] != NULL)
            toggle_small(i);
        if (my.large[i] != NULL)
            toggle_large(i);
    }
    frame_unreserve(my.reserved);
}

static void actor(unsigned number, u64 *seed)
{
    my.number = number;
    my.seed = seed;
    for (u64 i = 0; !stress_is_over(); i++) {
        step();
        if (i % CHECK_PERIOD == 0)
            check_all();
    }
    give_all();
}

static void take_shared(void)
{
    STRESS_CHECK(frame_alloc(SHARED_ORDER, FRAME_GUEST, &shared_block) == 0);
    for (u64 i = 0; i < 1ull << SHARED_ORDER; i++)
        own((pfn_t){ shared_block.v + i }, OWNER_FREE, OWNER_ALL);
    for (unsigned i = 0; i < SHARED; i++)
        shared[i] = (pfn_t){ shared_block.v + 512 - SHARED / 2 + i };
}

static void give_shared(void)
{
    for (u64 i = 0; i < 1ull << SHARED_ORDER; i++)
        own((pfn_t){ shared_block.v + i }, OWNER_ALL, OWNER_FREE);
    for (unsigned i = 0; i < SHARED; i++)
        STRESS_CHECK(frame_count_get(shared[i]) == 0);
    frame_free(shared_block, SHARED_ORDER, FRAME_GUEST);
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    port_host_start(FRAMES);
    take_shared();
    stress_run(THREADS, actor);
    give_shared();

    struct frame_stats stats = frame_get_stats();
    STRESS_CHECK(stats.free + retired == FRAMES && stats.retired == retired && stats.reserved == 0);
    for (u64 i = 0; i < FRAMES; i++) {
        u32 expected = frame_kind_of((pfn_t){ PORT_HOST_BASE + i }) == FRAME_ABSENT ? OWNER_RETIRED : OWNER_FREE;

        STRESS_CHECK(owners[i] == expected);
    }
    port_host_forget();
    return stress_end("frames, records and pools used by several threads");
}

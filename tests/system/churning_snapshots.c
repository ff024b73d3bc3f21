/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of guests, and measurements of how fast they write. A guest is held while it is reset, and has its memory as before
 * when it runs again: it cannot see anything of that.
 */
#include "hv/lib/string.h"
#include "mm/dirty_rate.h"
#include "mm/snapshot.h"
#include "tests/system/churning.h"

enum { SNAPSHOT_MAX = 2, STILL = 8 };

/* What a guest's memory was. */
struct saved {
    struct snapshot *memory; /* NULL: none */
    u64 sum;
};

static struct saved saved[GUEST_MAX][SNAPSHOT_MAX];

static struct measurement {
    struct dirty_rate rate;
    bool is_on;
    u32 round; /* of the guest, after the last sample */
} measurements[GUEST_MAX];

static unsigned nests_left = 6; /* each takes long */
static u64 chunk[CHUNK_PAGES][PAGE_SIZE / 8];

static struct measurement *measurement_of(const struct guest *guest)
{
    return &measurements[guest - guests];
}

static struct saved *random_saved(const struct guest *guest)
{
    return &saved[guest - guests][random_below(SNAPSHOT_MAX)];
}

/* ---- snapshots; the guest is held */

static int sum_memory(struct vm_memory *vm, u64 *sum)
{
    int error = 0;

    *sum = 0;
    for (u64 page = 0; page < USED_PAGES && error == 0; page += CHUNK_PAGES) {
        error = read_pages(vm, page, CHUNK_PAGES, chunk);
        for (unsigned i = 0; i < CHUNK_PAGES; i++) {
            for (unsigned j = 0; j < telling_size(page) / 8; j++)
                *sum = (*sum << 7 | *sum >> 57) + telling_word(page, chunk[i][j]);
        }
    }
    return error;
}

static int expect_sum(struct vm_memory *vm, u64 sum)
{
    u64 found;
    int error = sum_memory(vm, &found);

    return error != 0 ? error : found != sum ? -EIO : 0;
}

/* What the guest would see, if it were not undone. */
static int spoil(struct vm_memory *vm)
{
    u64 page = random_below(USED_PAGES), count = 1 + random_below(64);
    int error = 0;

    if (random_below(4) == 0)
        return vm_memory_balloon(vm, gfn(page), count < USED_PAGES - page ? count : USED_PAGES - page);
    for (u64 i = page; i < USED_PAGES && i < page + count && error == 0; i++) {
        u64 word = random_below(1ull << 32);

        error =
            vm_memory_write(vm, (gpa_t){ i * PAGE_SIZE + random_below(telling_size(i) / 8) * 8 }, &word, sizeof(word));
    }
    return error;
}

/* Back to where `sum` was the memory's. */
static int reset_to(struct vm_memory *vm, struct snapshot *snapshot, u64 sum)
{
    struct snapshot_result result;
    int error = snapshot_reset(snapshot, &result);

    if (error == 0 && result.restored > result.examined)
        error = -ERANGE;
    return error != 0 ? error : expect_sum(vm, sum);
}

/* To a snapshot below, and back over it. */
static int nest(struct vm_memory *vm, struct saved *outer)
{
    struct saved inner;
    int error = spoil(vm);

    if (error == 0)
        error = sum_memory(vm, &inner.sum);
    if (error == 0)
        error = snapshot_take(vm, &inner.memory);
    if (error != 0)
        return error;
    error = spoil(vm);
    if (error == 0)
        error = reset_to(vm, outer->memory, outer->sum);
    if (error == 0)
        error = reset_to(vm, inner.memory, inner.sum);
    snapshot_drop(inner.memory);
    return error != 0 ? error : reset_to(vm, outer->memory, outer->sum);
}

static int take(struct vm_memory *vm, struct saved *to)
{
    int error = sum_memory(vm, &to->sum);

    if (error == 0)
        error = snapshot_take(vm, &to->memory);
    if (error != 0 || nests_left == 0 || random_below(2))
        return error;
    nests_left--;
    return nest(vm, to);
}

static int take_snapshot(struct guest *guest, struct vm_memory *vm)
{
    struct saved *to = random_saved(guest);

    if (to->memory != NULL || !hold_guest(guest))
        return DECLINED;
    int error = take(vm, to);
    release_guest(guest);
    guest->still = STILL;
    return error;
}

static void drop(struct saved *from)
{
    snapshot_drop(from->memory);
    from->memory = NULL;
}

/* To one that was taken long ago, and back to what is now. */
static int go_and_return(struct vm_memory *vm, struct saved *from)
{
    struct saved now;
    int error = sum_memory(vm, &now.sum);

    if (error == 0)
        error = snapshot_take(vm, &now.memory);
    if (error != 0)
        return error;
    error = reset_to(vm, from->memory, from->sum);
    if (error == 0)
        error = reset_to(vm, now.memory, now.sum);
    snapshot_drop(now.memory);
    if (error == -ESTALE || random_below(2))
        drop(from);
    return error == -ESTALE ? DECLINED : error;
}

static int reset(struct guest *guest, struct vm_memory *vm)
{
    struct saved *from = random_saved(guest);

    if (from->memory == NULL || !hold_guest(guest))
        return DECLINED;
    int error = go_and_return(vm, from);
    release_guest(guest);
    return error;
}

static int drop_snapshot(struct guest *guest, struct vm_memory *vm)
{
    struct saved *from = random_saved(guest);

    if (from->memory == NULL || !hold_guest(guest))
        return DECLINED;
    drop(from);
    release_guest(guest);
    return 0;
}

/* ---- measurements */

static int begin(struct vm_memory *vm, struct measurement *measurement)
{
    enum rate_method method = random_below(2) ? RATE_BY_LOG : RATE_BY_D_BITS;
    int error = dirty_rate_begin(vm, method, random_below(2), &measurement->rate);

    if (error == -ENOTSUP && method == RATE_BY_D_BITS && !mm_caps()->access_dirty)
        error = dirty_rate_begin(vm, RATE_BY_LOG, random_below(2), &measurement->rate);
    measurement->is_on = error == 0;
    return error != 0 ? error : vm_memory_read(vm, (gpa_t){ MAIL_ROUND }, &measurement->round, sizeof(u32));
}

/* A log finds at least the page in which a guest counts; D bits may have gone with a zap. */
static int sample(struct vm_memory *vm, struct measurement *measurement)
{
    struct dirty_sample found;
    u32 before = 0, after = 0;
    int error = vm_memory_read(vm, (gpa_t){ MAIL_ROUND }, &before, sizeof(before));

    dirty_rate_sample(&measurement->rate, &found);
    if (error == 0)
        error = vm_memory_read(vm, (gpa_t){ MAIL_ROUND }, &after, sizeof(after));
    if (found.new_pages > found.pages ||
        (measurement->rate.method == RATE_BY_LOG && before > measurement->round && found.pages == 0))
        error = -EIO;
    measurement->round = after;
    return error;
}

static void end(struct measurement *measurement)
{
    if (measurement->is_on)
        dirty_rate_end(&measurement->rate);
    measurement->is_on = false;
}

/* The guest runs meanwhile. */
static int measure(struct guest *guest, struct vm_memory *vm)
{
    struct measurement *measurement = measurement_of(guest);
    int error;

    if (!guest->is_ready || (!measurement->is_on && is_logged_for_rate(guest)) || !use_guest(guest))
        return DECLINED;
    error = measurement->is_on ? sample(vm, measurement) : begin(vm, measurement);
    if (error == 0 && random_below(5) == 0)
        end(measurement);
    unuse_guest(guest);
    return error;
}

bool is_measured(const struct guest *guest)
{
    return measurements[guest - guests].is_on;
}

void forget_guest(struct guest *guest)
{
    end(measurement_of(guest));
    memset(saved[guest - guests], 0, sizeof(saved[0]));
}

struct kind snapshot_kinds[SNAPSHOT_KINDS] = {
    { .name = "measure", .operate = measure, .wanted = 30 },
    { .name = "snapshot", .operate = take_snapshot, .wanted = 10 },
    { .name = "reset", .operate = reset, .wanted = 3, .is_dear = true },
    { .name = "drop-snapshot", .operate = drop_snapshot, .wanted = 3 },
};

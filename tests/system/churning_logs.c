/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations of dirty logging. Of a guest that is logged there is a copy, kept by what harvests say as a migration does:
 * a write that none of them names shows when the two are compared, with the guest's processor outside. None of them may
 * change what a guest sees.
 */
#include "arch/x86/vcpu.h"
#include "mm/dirty_ring.h"
#include "mm/recover.h"
#include "tests/system/churning.h"

enum { LOG_USERS = DIRTY_RATE + 1, ALL_FLAGS = DIRTY_LAZY | DIRTY_ALL_AT_FIRST | DIRTY_MANUAL };

/* A user's log of a guest's memory. */
struct log {
    struct vm_memory *copy; /* in a VM without a processor; NULL: it is not logged */
    bool is_manual;
    struct page_set *reported; /* of the last harvest, to be rearmed; NULL: nothing is */
};

static struct log logs[GUEST_MAX][LOG_USERS];
static u64 chunk[CHUNK_PAGES][PAGE_SIZE / 8], other_chunk[CHUNK_PAGES][PAGE_SIZE / 8];

static struct log *log_of(const struct guest *guest, enum dirty_user user)
{
    return &logs[guest - guests][user];
}

static bool is_random(unsigned below)
{
    return random_below(below) == 0;
}

/* One of those that there are. False: there is none. */
static bool find_log(const struct guest *guest, bool manual, enum dirty_user *user)
{
    unsigned first = random_below(LOG_USERS);

    for (unsigned i = 0; i < LOG_USERS; i++) {
        *user = (enum dirty_user)((first + i) % LOG_USERS);
        if (log_of(guest, *user)->copy != NULL && (!manual || log_of(guest, *user)->is_manual))
            return true;
    }
    return false;
}

bool is_logged_for_rate(const struct guest *guest)
{
    return log_of(guest, DIRTY_RATE)->copy != NULL;
}

static int copy_range(const struct log *log, struct vm_memory *vm, u64 page, u64 count)
{
    int error = read_pages(vm, page, count, chunk);

    return error != 0 ? error : write_pages(log->copy, page, count, chunk);
}

static int copy_pages(const struct log *log, struct vm_memory *vm, const struct page_set *pages)
{
    int error = 0;

    for (u64 word = page_set_next(pages, 0); word != PAGE_SET_END; word = page_set_next(pages, word + 1)) {
        for (u64 bits = page_set_get(pages, word); bits != 0 && error == 0;) {
            unsigned first = (unsigned)__builtin_ctzll(bits);
            u64 others = ~(bits >> first), count = others == 0 ? 64 : (u64)__builtin_ctzll(others);

            error = copy_range(log, vm, word * PAGE_SET_WORD + first, count);
            bits &= first + count < 64 ? ~0ull << (first + count) : 0;
        }
    }
    return error;
}

static int copy_all(const struct log *log, struct vm_memory *vm)
{
    int error = 0;

    for (u64 page = 0; page < PAGES && error == 0; page += CHUNK_PAGES)
        error = copy_range(log, vm, page, CHUNK_PAGES);
    return error;
}

static int create_copy(struct log *log)
{
    struct backing *backing;
    int error = backing_create(PAGES, BACKING_ON_DEMAND, &backing);

    if (error != 0)
        return error;
    error = vm_memory_create(&log->copy);
    if (error == 0)
        error = vm_memory_add_slot(log->copy, 0, gfn(0), PAGES, backing, 0, 0, LEVEL_4K);
    backing_put(backing);
    return error;
}

static void drop_copy(struct log *log)
{
    struct vm_memory *copy = log->copy;

    page_set_destroy(log->reported);
    *log = (struct log){ 0 };
    if (copy != NULL)
        vm_memory_destroy(copy);
}

/* Who logs first says how large pages are split. */
static int start_log(struct guest *guest, struct vm_memory *vm)
{
    enum dirty_user user = (enum dirty_user)random_below(LOG_USERS);
    struct log *log = log_of(guest, user);
    u32 flags = random_below(ALL_FLAGS + 1);

    if (log->copy != NULL || (user == DIRTY_RATE && is_measured(guest)))
        return DECLINED;
    int error = create_copy(log);
    if (error == 0)
        error = vm_memory_start_log(vm, 0, user, flags);
    log->is_manual = flags & DIRTY_MANUAL;
    return error != 0 || (flags & DIRTY_ALL_AT_FIRST) ? error : copy_all(log, vm);
}

static int rearm_reported(struct log *log, enum dirty_user user, struct vm_memory *vm)
{
    int error = vm_memory_rearm(vm, 0, user, log->reported);

    if (error == 0)
        error = copy_pages(log, vm, log->reported);
    page_set_destroy(log->reported);
    log->reported = NULL;
    return error;
}

/* The copy is as the memory was when it began, or later; with `manual` after rearm_reported(). */
static int harvest_range(struct log *log, enum dirty_user user, struct vm_memory *vm, gfn_t first, u64 npages)
{
    struct page_set *report;
    int error = vm_memory_create_report(vm, 0, &report);

    if (error != 0)
        return error;
    error = vm_memory_harvest(vm, 0, user, first, npages, report);
    if (error == 0 && log->is_manual) {
        page_set_destroy(log->reported);
        log->reported = report;
        return 0;
    }
    if (error == 0)
        error = copy_pages(log, vm, report);
    page_set_destroy(report);
    return error;
}

static int harvest(struct guest *guest, struct vm_memory *vm)
{
    enum dirty_user user;
    u64 first = is_random(2) ? 0 : random_below(PAGES);

    if (!find_log(guest, false, &user))
        return DECLINED;
    return harvest_range(log_of(guest, user), user, vm, gfn(first), first == 0 ? PAGES : 1 + random_below(PAGES));
}

/* What the last harvest has found, or else what is found now. */
static int rearm(struct guest *guest, struct vm_memory *vm)
{
    enum dirty_user user;
    int error = 0;

    if (!find_log(guest, true, &user))
        return DECLINED;
    struct log *log = log_of(guest, user);
    if (log->reported == NULL)
        error = harvest_range(log, user, vm, gfn(0), PAGES);
    return error != 0 ? error : rearm_reported(log, user, vm);
}

static int stop_log(struct guest *guest, struct vm_memory *vm)
{
    enum dirty_user user;

    if (!find_log(guest, false, &user))
        return DECLINED;
    int error = vm_memory_stop_log(vm, 0, user);
    drop_copy(log_of(guest, user));
    return error;
}

static int compare_all(const struct log *log, struct vm_memory *vm)
{
    u64 differs = 0;
    int error = 0;

    for (u64 page = 0; page < USED_PAGES && error == 0; page += CHUNK_PAGES) {
        error = read_pages(vm, page, CHUNK_PAGES, chunk);
        if (error == 0)
            error = read_pages(log->copy, page, CHUNK_PAGES, other_chunk);
        for (unsigned i = 0; i < CHUNK_PAGES && error == 0; i++) {
            for (unsigned j = 0; j < telling_size(page) / 8; j++)
                differs |= telling_word(page, chunk[i][j] ^ other_chunk[i][j]);
        }
    }
    return error == 0 && differs != 0 ? -EIO : error;
}

/* The guest is held: the log is empty afterwards, and stays so. */
static int empty_log(struct log *log, enum dirty_user user, struct vm_memory *vm)
{
    struct page_set *report;
    int error = harvest_range(log, user, vm, gfn(0), PAGES);

    if (error == 0 && log->is_manual)
        error = rearm_reported(log, user, vm);
    if (error == 0)
        error = vm_memory_create_report(vm, 0, &report);
    if (error != 0)
        return error;
    error = vm_memory_harvest(vm, 0, user, gfn(0), PAGES, report);
    if (error == 0 && page_set_count(report) != 0)
        error = -EEXIST;
    page_set_destroy(report);
    return error;
}

/* The last step of a migration: no write is lost. */
static int compare(struct guest *guest, struct vm_memory *vm)
{
    enum dirty_user user;

    if (!find_log(guest, false, &user) || !hold_guest(guest))
        return DECLINED;
    struct log *log = log_of(guest, user);
    int error = empty_log(log, user, vm);
    if (error == 0)
        error = compare_all(log, vm);
    release_guest(guest);
    return error;
}

/* Slots that come, move and go while they are logged. */
static int log_other(struct guest *guest, struct vm_memory *vm)
{
    u32 id = is_random(2) ? SPARE_ID : ALIAS_ID;
    struct page_set *report;
    int error = vm_memory_start_log(vm, id, DIRTY_OPERATOR, random_below(ALL_FLAGS + 1));

    if (error == -ENOENT)
        return DECLINED;
    if (error != -EEXIST)
        return error;
    error = vm_memory_create_report(vm, id, &report);
    if (error != 0)
        return error;
    error = vm_memory_harvest(vm, id, DIRTY_OPERATOR, gfn(0), ~0ull, report);
    if (error == 0)
        error = vm_memory_rearm(vm, id, DIRTY_OPERATOR, report);
    if (error == 0 && is_random(3))
        error = vm_memory_stop_log(vm, id, DIRTY_OPERATOR);
    page_set_destroy(report);
    return error;
}

static int open_ring(struct guest *guest, struct vm_memory *vm)
{
    u64 entries = DIRTY_RING_MIN << random_below(2);
    int result = DECLINED;

    if (!hold_guest(guest))
        return DECLINED;
    for (unsigned i = 0; i < VCPU_MAX; i++) {
        int error = guest->vcpus[i] != NULL ? vcpu_memory_open_ring(&guest->vcpus[i]->mmu, entries) : -EEXIST;

        if (error != -EEXIST && result >= 0)
            result = error;
    }
    release_guest(guest);
    guest->has_ring |= result == 0;
    return result;
}

static int close_ring(struct guest *guest, struct vm_memory *vm)
{
    if (!guest->has_ring || !hold_guest(guest))
        return DECLINED;
    for (unsigned i = 0; i < VCPU_MAX; i++) {
        if (guest->vcpus[i] != NULL)
            vcpu_memory_close_ring(&guest->vcpus[i]->mmu);
    }
    release_guest(guest);
    guest->has_ring = false;
    return 0;
}

/* What is taken out of a ring is taken out of the log. */
static int reap(struct guest *guest, struct vm_memory *vm)
{
    struct log *log = log_of(guest, DIRTY_OPERATOR);
    struct page_set *report;

    if (!guest->has_ring)
        return DECLINED;
    int error = page_set_create(0, PAGES, false, &report);
    if (error != 0)
        return error;
    u64 taken = vm_memory_reap(vm, DIRTY_OPERATOR, 1 + random_below(DIRTY_RING_MIN), report);
    if (log->copy != NULL)
        error = copy_pages(log, vm, report);
    page_set_destroy(report);
    return error == 0 && taken == 0 ? DECLINED : error;
}

static int recover(struct vm_memory *vm, enum recover_how how)
{
    struct recover_result result;

    return vm_memory_recover(vm, gfn(0), ~0ull, how, random_below(4), &result);
}

static int recover_in_place(struct guest *guest, struct vm_memory *vm)
{
    return recover(vm, RECOVER_IN_PLACE);
}

static int recover_compact(struct guest *guest, struct vm_memory *vm)
{
    return recover(vm, RECOVER_COMPACT);
}

static int recover_lazily(struct guest *guest, struct vm_memory *vm)
{
    return recover(vm, RECOVER_LAZILY);
}

void drop_copies(void)
{
    for (unsigned i = 0; i < GUEST_MAX * LOG_USERS; i++)
        drop_copy(&logs[i / LOG_USERS][i % LOG_USERS]);
}

struct kind log_kinds[LOG_KINDS] = {
    { .name = "start-log", .operate = start_log, .wanted = 24 },
    { .name = "harvest", .operate = harvest, .wanted = 60 },
    { .name = "rearm", .operate = rearm, .wanted = 10 },
    { .name = "stop-log", .operate = stop_log, .wanted = 16 },
    { .name = "compare", .operate = compare, .wanted = 10, .is_dear = true },
    { .name = "log-other", .operate = log_other, .wanted = 30 },
    { .name = "open-ring", .operate = open_ring, .wanted = 10 },
    { .name = "close-ring", .operate = close_ring, .wanted = 8 },
    { .name = "reap", .operate = reap, .wanted = 30 },
    { .name = "recover-in-place", .operate = recover_in_place, .wanted = 12 },
    { .name = "recover-compact", .operate = recover_compact, .wanted = 12 },
    { .name = "recover-lazily", .operate = recover_lazily, .wanted = 12 },
};

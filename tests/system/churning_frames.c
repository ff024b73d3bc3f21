/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations that change the frames behind a guest's memory, and clones of it. None of them may change what it sees. */
#include "hv/lib/string.h"
#include "mm/vm.h"
#include "tests/system/churning.h"

enum {
    MIRROR_MAX = 2,
    MARK_MAX = 8,
    TWINS = (REMEMBER_DATA + REMEMBER_DATA_SIZE / 2) / REMEMBER_PAGE, /* the half of the data that guests share */
    TWINS_END = (REMEMBER_DATA + REMEMBER_DATA_SIZE) / REMEMBER_PAGE,
};

/* A clone of a guest's memory, shown in a VM without a processor. */
struct mirror {
    struct vm_memory *vm; /* NULL: none */
    bool has_constant;
    unsigned marks;
    struct {
        u32 page, seed;
    } mark[MARK_MAX]; /* what was written to it */
};

static struct mirror mirrors[MIRROR_MAX];
static u32 buffer[REMEMBER_PAGE / 4], expected[REMEMBER_PAGE / 4];

static void fill(u32 *words, u32 seed, u32 first)
{
    for (u32 i = 0; i < REMEMBER_PAGE / 4; i++)
        words[i] = remember_word(seed, first + i);
}

struct backing *memory_of(struct vm_memory *vm)
{
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    struct backing *backing = memslots_find_id(set, 0)->backing;

    backing_get(backing);
    memslots_read_end(set);
    return backing;
}

/* Often those that all processors of the guest write all the time: who keeps an old translation loses writes to them. */
static int migrate(struct guest *guest, struct vm_memory *vm)
{
    struct backing *backing = memory_of(vm);
    u64 page = random_below(2) ? REMEMBER_COMMON / REMEMBER_PAGE : random_below(PAGES);
    int error = 0;

    for (unsigned i = 0; i < 8 && page < PAGES && error == 0; i++)
        error = backing_migrate(backing, page++);
    backing_put(backing);
    return error == -ENOENT ? DECLINED : error;
}

/*
 * All regions that the guest uses, so that there is something large to split again. It counts where data moves; not where
 * pages are shared, or nothing is small.
 */
static int compact(struct guest *guest, struct vm_memory *vm)
{
    struct backing *backing = memory_of(vm);
    int result = DECLINED;

    for (u64 page = 0; page < PAGES && (result == 0 || result == DECLINED); page += level_pages(LEVEL_2M)) {
        struct backing_page found = { .level = LEVEL_4K };
        bool is_small = backing_lookup(backing, page, &found) != 0 || found.level == LEVEL_4K;
        bool is_data = page >= REMEMBER_DATA / REMEMBER_PAGE && page < REMEMBER_SPARE / REMEMBER_PAGE;
        int error = backing_compact(backing, page);

        if (error != -EBUSY && (error != 0 || (is_small && is_data)))
            result = error;
    }
    backing_put(backing);
    return result;
}

static int clone(struct guest *guest, struct vm_memory *vm)
{
    struct mirror *mirror = &mirrors[random_below(MIRROR_MAX)];
    struct backing *backing, *copy;

    if (mirror->vm != NULL)
        return DECLINED;
    *mirror = (struct mirror){ .has_constant = guest->is_ready };
    backing = memory_of(vm);
    int error = backing_clone(backing, &copy);
    backing_put(backing);
    if (error != 0)
        return error;
    error = vm_memory_create(&mirror->vm);
    if (error == 0)
        error = vm_memory_add_slot(mirror->vm, 0, gfn(0), PAGES, copy, 0, 0, LEVEL_1G);
    backing_put(copy);
    return error;
}

static bool has(struct vm_memory *vm, u64 page, u32 seed, u32 first)
{
    fill(expected, seed, first);
    return vm_memory_read(vm, page_gpa(page), buffer, REMEMBER_PAGE) == 0 &&
           memcmp(buffer, expected, REMEMBER_PAGE) == 0;
}

/* Writes to a clone: a copy is made from the other side. */
static int write_clone(struct guest *guest, struct vm_memory *vm)
{
    struct mirror *mirror = &mirrors[random_below(MIRROR_MAX)];
    u32 page = random_below(PAGES), seed = random_below(1ull << 32);

    if (mirror->vm == NULL || mirror->marks == MARK_MAX)
        return DECLINED;
    for (unsigned i = 0; i < mirror->marks; i++) {
        if (mirror->mark[i].page == page)
            return DECLINED;
    }
    if (random_below(2))
        vm_memory_populate(mirror->vm, gfn(page), 1 + random_below(64));
    fill(buffer, seed, 0);
    int error = vm_memory_write(mirror->vm, page_gpa(page), buffer, REMEMBER_PAGE);
    if (error == 0) {
        mirror->mark[mirror->marks].page = page;
        mirror->mark[mirror->marks++].seed = seed;
    }
    return error;
}

static bool is_marked(const struct mirror *mirror, u64 page)
{
    for (unsigned i = 0; i < mirror->marks; i++) {
        if (mirror->mark[i].page == page)
            return true;
    }
    return false;
}

static bool constant_stands(struct vm_memory *vm, const struct mirror *mirror)
{
    u32 page = random_below(REMEMBER_CONSTANT_SIZE / REMEMBER_PAGE), at = REMEMBER_CONSTANT / REMEMBER_PAGE + page;

    return (mirror != NULL && is_marked(mirror, at)) || has(vm, at, REMEMBER_CONSTANT, page * (REMEMBER_PAGE / 4));
}

static int drop_clone(struct guest *guest, struct vm_memory *vm)
{
    struct mirror *mirror = &mirrors[random_below(MIRROR_MAX)];
    bool stands = true;

    if (mirror->vm == NULL)
        return DECLINED;
    for (unsigned i = 0; i < mirror->marks; i++)
        stands &= has(mirror->vm, mirror->mark[i].page, mirror->mark[i].seed, 0);
    for (unsigned i = 0; i < 4 && mirror->has_constant; i++)
        stands &= constant_stands(mirror->vm, mirror);
    struct vm_memory *gone = mirror->vm;
    vm_memory_destroy(gone);
    mirror->vm = NULL;
    return stands ? 0 : -EIO;
}

/* The same pages of two guests, which both have written in the same way. */
static int share(struct guest *guest, struct vm_memory *vm)
{
    struct guest *other = &guests[random_below(guest_count)];
    struct backing *a, *b;
    u64 page = TWINS + random_below((TWINS_END - TWINS) / 4) * 4;
    int error = DECLINED;

    if (other->vm == NULL || !guest->is_ready || !other->is_ready || !use_guest(other))
        return DECLINED;
    a = memory_of(vm);
    b = memory_of(other->vm);
    unuse_guest(other);
    for (unsigned i = 0; i < 16 && page < TWINS_END; i++, page += 4) {
        int result = a == b ? DECLINED : backing_share(a, page, b, page);

        if (result == 0 || (result != -EINVAL && error == DECLINED))
            error = result;
    }
    backing_put(a);
    backing_put(b);
    return error;
}

static int punch(struct guest *guest, struct vm_memory *vm)
{
    u64 first = REMEMBER_SPARE / REMEMBER_PAGE, page = first + random_below(PAGES - first),
        count = 1 + random_below(PAGES - page);

    if (random_below(2))
        return vm_memory_balloon(vm, gfn(page), count);
    if (random_below(4) == 0)
        return vm_memory_zero(vm, page_gpa(page),
                              8 * PAGE_SIZE < (PAGES - page) * PAGE_SIZE ? 8 * PAGE_SIZE : PAGE_SIZE);
    struct backing *backing = memory_of(vm);
    int error = backing_punch(backing, page, count);
    backing_put(backing);
    return error;
}

/* A frame is taken out of the machine. */
static int retire(struct guest *guest, struct vm_memory *vm)
{
    struct backing *backing = memory_of(vm);
    struct backing_page found;
    int error = backing_lookup(backing, random_below(PAGES), &found);

    if (error == 0)
        error = memory_retire(found.pfn, true);
    backing_put(backing);
    return error == -ENOENT || error == -EBUSY ? DECLINED : error;
}

static int read(struct guest *guest, struct vm_memory *vm)
{
    u32 round;

    if (!guest->is_ready)
        return DECLINED;
    int error = vm_memory_read(vm, (gpa_t){ MAIL_ROUND }, &round, sizeof(round));
    if (error != 0)
        return error;
    if (round < guest->round || !constant_stands(vm, NULL))
        return -EIO;
    guest->round = round;
    return 0;
}

static int write(struct guest *guest, struct vm_memory *vm)
{
    u32 page = random_below(REMEMBER_HOST_PAGES), at = REMEMBER_HOST / REMEMBER_PAGE + page;

    if (guest->host_seed[page] != 0) {
        fill(expected, guest->host_seed[page], 0);
        expected[0] = guest->host_seed[page];
        if (vm_memory_read(vm, page_gpa(at), buffer, REMEMBER_PAGE) != 0 ||
            memcmp(buffer, expected, REMEMBER_PAGE) != 0)
            return -EIO;
    }
    guest->host_seed[page] = 1 + random_below(1u << 31);
    fill(buffer, guest->host_seed[page], 0);
    buffer[0] = guest->host_seed[page];
    return vm_memory_write(vm, page_gpa(at), buffer, REMEMBER_PAGE);
}

void drop_clones(void)
{
    for (unsigned i = 0; i < MIRROR_MAX; i++) {
        if (mirrors[i].vm != NULL)
            vm_memory_destroy(mirrors[i].vm);
    }
}

struct kind frame_kinds[FRAME_KINDS] = {
    { .name = "migrate", .operate = migrate, .wanted = 60 },
    { .name = "compact", .operate = compact, .wanted = 6 },
    { .name = "clone", .operate = clone, .wanted = 12 },
    { .name = "write-clone", .operate = write_clone, .wanted = 30 },
    { .name = "drop-clone", .operate = drop_clone, .wanted = 10 },
    { .name = "share", .operate = share, .wanted = 30 },
    { .name = "punch", .operate = punch, .wanted = 20 },
    { .name = "retire", .operate = retire, .wanted = 10, .is_dear = true },
    { .name = "read", .operate = read, .wanted = 40 },
    { .name = "write", .operate = write, .wanted = 40 },
};

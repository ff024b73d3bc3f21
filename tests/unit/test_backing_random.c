/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All operations on backings, thousands in a random order, against a flat model of contents: with memory to spare and
 * without, in one piece and in crumbs.
 */
#include "tests/unit/backing_support.h"

enum { RAM = 12288, BACKINGS = 5, MAX_PAGES = 1300, STEPS = 3000, LOST = -1 };

/* What each page of each backing holds; a page without a frame and a page of zeros are the same here. */
static struct {
    struct backing *backing;
    u64 npages;
    s64 page[MAX_PAGES];
} model[BACKINGS];

static u64 seed, next_content, retired;

static u64 below(u64 limit)
{
    return random_below(&seed, limit);
}

/* Any backing that there is, or BACKINGS. */
static unsigned any(void)
{
    unsigned first = (unsigned)below(BACKINGS);

    for (unsigned i = 0; i < BACKINGS; i++) {
        if (model[(first + i) % BACKINGS].backing != NULL)
            return (first + i) % BACKINGS;
    }
    return BACKINGS;
}

static unsigned none(void)
{
    for (unsigned i = 0; i < BACKINGS; i++) {
        if (model[i].backing == NULL)
            return i;
    }
    return BACKINGS;
}

static void check_page(unsigned b, u64 page)
{
    struct backing_page found;

    if (model[b].page[page] == LOST)
        assert_int_equal(backing_lookup(model[b].backing, page, &found), -EIO);
    else
        assert_int_equal(content(model[b].backing, page), model[b].page[page]);
}

static void check_all(void)
{
    for (unsigned b = 0; b < BACKINGS; b++) {
        for (u64 page = 0; model[b].backing != NULL && page < model[b].npages; page++)
            check_page(b, page);
    }
}

static void do_create(void)
{
    unsigned b = none();

    if (b == BACKINGS)
        return;
    u64 npages = below(3) == 0 ? 512 * (1 + below(2)) : 1 + below(MAX_PAGES);
    if (backing_create(npages, below(2) ? BACKING_ON_DEMAND : 0, &model[b].backing) != 0)
        return;
    model[b].npages = npages;
    memset(model[b].page, 0, sizeof(model[b].page));
}

static void do_put(void)
{
    unsigned b = any();

    if (b == BACKINGS || below(4) != 0)
        return;
    backing_put(model[b].backing);
    model[b].backing = NULL;
}

static void do_write(unsigned b, u64 page)
{
    struct backing_page found;
    int error = backing_resolve(model[b].backing, page, 1 + (enum level)below(3), true, &found);

    assert_true(error == 0 || error == (model[b].page[page] == LOST ? -EIO : -ENOMEM));
    if (error != 0)
        return;
    assert_true(found.writable);
    assert_false(frame_is_shared(found.pfn));
    /* Few contents, so that there are pages to share. */
    u64 value = below(3) == 0 ? below(3) : ++next_content;
    for (u64 i = 0; i < WORDS; i++)
        ((u64 *)port_frame_address(found.pfn))[i] = value * (i + 1);
    model[b].page[page] = (s64)value;
}

static void do_read(unsigned b, u64 page)
{
    struct backing_page found, again;

    if (backing_resolve(model[b].backing, page, 1 + (enum level)below(3), false, &found) != 0)
        return;
    /* The whole piece that it tells of: contiguous, and of one kind. */
    u64 first = page & ~(level_pages(found.level) - 1);
    for (u64 i = 0; i < level_pages(found.level); i++) {
        again = lookup(model[b].backing, first + i);
        assert_int_equal(again.pfn.v, found.pfn.v - page + first + i);
        assert_int_equal(again.writable, found.writable);
        assert_int_equal(again.level, found.level);
    }
}

static void do_punch(unsigned b, u64 page)
{
    u64 npages = below(model[b].npages - page) + 1;

    if (below(2) && npages > 20)
        npages = 1 + below(20);
    int error = backing_punch(model[b].backing, page, npages);
    assert_true(error == 0 || error == -ENOMEM);
    for (u64 i = page; i < page + npages; i++) {
        /* Without memory a part may be as it was. */
        if (error == 0 || model[b].page[i] == LOST || content(model[b].backing, i) == 0)
            model[b].page[i] = 0;
    }
}

static void do_populate(unsigned b, u64 page)
{
    u64 npages = below(model[b].npages - page) + 1;
    int error = backing_populate(model[b].backing, page, npages);

    for (u64 i = page; error != -ENOMEM && i < page + npages; i++)
        assert_true(has_frame(model[b].backing, i));
}

static void do_compact(unsigned b, u64 page)
{
    int error = backing_compact(model[b].backing, page);

    assert_true(error == 0 || error == -ENOMEM || error == -EINVAL || error == -EIO || error == -EBUSY);
    if (error == 0)
        assert_int_equal(lookup(model[b].backing, page).level, LEVEL_2M);
}

static void do_clone(unsigned from)
{
    unsigned to = none();

    if (to == BACKINGS || backing_clone(model[from].backing, &model[to].backing) != 0)
        return;
    model[to].npages = model[from].npages;
    memcpy(model[to].page, model[from].page, sizeof(model[to].page));
}

static void do_share(unsigned a, u64 page_a)
{
    unsigned b = any();
    u64 page_b = below(model[b].npages);

    /* Looks for a partner: most pages have none. */
    for (u64 i = 0; i < model[b].npages && model[b].page[page_b] != model[a].page[page_a]; i++)
        page_b = (page_b + 1) % model[b].npages;
    bool frames = has_frame(model[a].backing, page_a) && has_frame(model[b].backing, page_b) &&
                  model[a].page[page_a] != LOST && model[b].page[page_b] != LOST;
    bool equal = model[a].page[page_a] == model[b].page[page_b];
    int error = backing_share(model[a].backing, page_a, model[b].backing, page_b);
    if (error == -ENOMEM)
        return;
    assert_int_equal(error, !frames ? -ENOENT : equal ? 0 : -EINVAL);
    if (error == 0)
        assert_int_equal(lookup(model[a].backing, page_a).pfn.v, lookup(model[b].backing, page_b).pfn.v);
}

static void do_retire(unsigned b, u64 page)
{
    bool has_content = below(3) != 0;
    struct backing_page found, other;

    /* Memory becomes less each time. */
    if (below(4) != 0 || backing_lookup(model[b].backing, page, &found) != 0)
        return;
    bool leads[BACKINGS][MAX_PAGES] = { 0 };
    for (unsigned i = 0; i < BACKINGS; i++) {
        for (u64 p = 0; model[i].backing != NULL && p < model[i].npages; p++)
            leads[i][p] = backing_lookup(model[i].backing, p, &other) == 0 && other.pfn.v == found.pfn.v;
    }
    int error = memory_retire(found.pfn, has_content);
    assert_true(error == 0 || error == -ENOMEM);
    retired += error == 0;
    for (unsigned i = 0; i < BACKINGS; i++) {
        for (u64 p = 0; model[i].backing != NULL && p < model[i].npages; p++) {
            if (leads[i][p] && !has_content && backing_lookup(model[i].backing, p, &other) == -EIO)
                model[i].page[p] = LOST;
        }
    }
    assert_int_equal(frame_kind_of(found.pfn), error == 0 ? FRAME_ABSENT : FRAME_GUEST);
}

static void step(void)
{
    unsigned b = any();

    if (b == BACKINGS) {
        do_create();
        return;
    }
    u64 page = below(model[b].npages);
    switch (below(24)) {
    case 0:
        do_create();
        break;
    case 1:
        do_put();
        break;
    case 2 ... 9:
        do_write(b, page);
        break;
    case 10 ... 11:
        do_read(b, page);
        break;
    case 12 ... 13:
        do_punch(b, page);
        break;
    case 14:
        do_populate(b, page);
        break;
    case 15 ... 16:
        (void)backing_migrate(model[b].backing, page);
        break;
    case 17 ... 18:
        do_compact(b, page);
        break;
    case 19:
        do_clone(b);
        break;
    case 20 ... 21:
        do_share(b, page);
        break;
    default:
        do_retire(b, page);
        break;
    }
}

static void run(u64 first_seed, bool is_scarce)
{
    seed = first_seed;
    next_content = 10;
    retired = 0;
    memset(model, 0, sizeof(model));
    port_host_start(RAM);
    for (unsigned i = 0; i < STEPS; i++) {
        bool is_tight = is_scarce && below(3) == 0;

        if (is_tight)
            port_host_take_all_but(below(20));
        step();
        check_audit();
        if (is_tight)
            port_host_give_back();
        if (i % 25 == 0)
            check_all();
    }
    check_all();
    for (unsigned b = 0; b < BACKINGS; b++) {
        if (model[b].backing != NULL)
            backing_put(model[b].backing);
    }
    check_frames(0);
    assert_true(retired > 10);
    assert_int_equal(frame_get_stats().retired, retired);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
    stop_retired(NULL);
}

static void test_random_operations(void **state)
{
    for (u64 i = 1; i <= 4; i++)
        run(i, false);
}

static void test_random_operations_with_little_memory(void **state)
{
    for (u64 i = 11; i <= 14; i++)
        run(i, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_random_operations_with_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

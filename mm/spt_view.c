/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Views of a VM: their life, and changes of what they permit. A view has a root for each number of levels that a vCPU asked
 * for. What is equal to the memory as it is it shares, so a change costs what differs: the tables whose role the change
 * turns are given up in all its trees, and come again, private or shared, when they are needed.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/spt_dying.h"

enum { MAX_VIEWS = 511 }; /* with the memory as it is, as many roots as an EPTP list has */
static_assert(MAX_VIEWS < 1 << 16, "role.view can tell them apart");

static struct view *find_view(const struct spt *spt, u32 id)
{
    for (const struct list_node *node = spt->views.next; node != &spt->views; node = node->next) {
        struct view *view = container_of(node, struct view, link);

        if (view->id == id)
            return view;
    }
    return NULL;
}

struct view *spt_find_view(const struct spt *spt, u32 id)
{
    struct view *view = find_view(spt, id);

    return view == NULL || view->dropped ? NULL : view;
}

int spt_create_view(struct spt *spt, u32 *id)
{
    struct view *view = view_create(0);
    u32 free = 1;

    if (view == NULL)
        return -ENOMEM;
    rwlock_lock(&spt->lock);
    while (free <= MAX_VIEWS && find_view(spt, free) != NULL)
        free++;
    if (free <= MAX_VIEWS) {
        view->id = free;
        list_add(&spt->views, &view->link);
    }
    rwlock_unlock(&spt->lock);
    if (free > MAX_VIEWS) {
        view_destroy(view);
        return -ENOSPC;
    }
    *id = free;
    return 0;
}

/* Widens [*first, *end) to the whole of every table that an edge of it lies in and that does not belong to the view. */
static void widen(struct spt *spt, const struct spt_root *root, gfn_t edge, gfn_t *first, gfn_t *end)
{
    struct spt_iter it;

    if (edge.v >= spt_end(root->page).v)
        return;
    spt_iter_start(&it, spt, root->page, edge);
    while (ept_is_table(it.old, it.level)) {
        const struct shadow_page *table = shadow_page_of(ept_frame(it.old));

        if (table->role.word != spt_role(root->view, it.gfn, it.level - 1).word) {
            first->v = it.gfn.v < first->v ? it.gfn.v : first->v;
            end->v = spt_iter_end(&it).v > end->v ? spt_iter_end(&it).v : end->v;
            return;
        }
        spt_iter_down(&it, edge);
    }
}

/*
 * One step of zapping what the view's trees have in the range: those that it has now, and in those that die the view's own
 * tables, which are still found by what they are.
 */
static gfn_t zap_view_step(struct spt *spt, const struct view *view, const struct spt_root *mine, gfn_t first,
                           gfn_t end, struct tlb_gather *gather)
{
    for (struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        struct spt_root *root = container_of(node, struct spt_root, link);

        if (root->view == view)
            end = spt_zap_range(spt, root->page, first, end, ZAP_UNLIKE, view, gather);
    }
    for (; mine != NULL; mine = mine->next)
        end = spt_zap_range(spt, mine->page, first, end, ZAP_OWN, view, gather);
    return end;
}

/* Under the lock: changes the view, and gives its roots the tables that they need now. */
static void change_view(struct spt *spt, struct view *view, gfn_t *first, gfn_t *end, struct spt_graves *graves,
                        struct table_cache *cache, struct spt_root **mine)
{
    gfn_t left = *first, right = { end->v - 1 };

    for (struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        struct spt_root *root = container_of(node, struct spt_root, link);

        if (root->view != view)
            continue;
        if (root->page->role.word != spt_role(view, (gfn_t){ 0 }, root->top).word)
            spt_root_replace_table(spt, root, graves, cache, mine);
        widen(spt, root, left, first, end);
        widen(spt, root, right, first, end);
    }
}

static int protect_view(struct spt *spt, u32 id, gfn_t first, gfn_t end, u64 permissions)
{
    VIEW_SPARE(spare);
    TABLE_CACHE(cache);
    GRAVES(graves);
    TLB_GATHER(gather, spt->vm);
    struct spt_root *mine = NULL;

    if (view_prepare(&spare) != 0 || spt_lock_with_spares(spt, &graves, &cache) != 0)
        return -ENOMEM;
    struct view *view = spt_find_view(spt, id);
    if (view == NULL) {
        rwlock_unlock(&spt->lock);
        return -ENOENT;
    }
    view_set(view, &spare, first, end, permissions);
    change_view(spt, view, &first, &end, &graves, &cache, &mine);
    if (mine != NULL)
        tlb_gather_note(&gather);
    for (;;) {
        first = zap_view_step(spt, view, mine, first, end, &gather);
        tlb_gather_join(&gather);
        rwlock_unlock(&spt->lock);
        if (gather.count >= ZAP_STEP || first.v == end.v)
            tlb_gather_finish(&gather);
        if (first.v == end.v)
            break;
        port_yield();
        rwlock_lock(&spt->lock);
    }
    spt_take_apart(spt, mine);
    return 0;
}

/* Takes the roots of `view` out of use, if no vCPU has one; the result is the chain of them. */
static int withdraw_roots(struct spt *spt, const struct view *view, struct spt_root **mine)
{
    struct list_node *next;

    for (struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        const struct spt_root *root = container_of(node, struct spt_root, link);

        if (root->view == view && root->users != 0)
            return -EBUSY;
    }
    for (struct list_node *node = spt->roots.next; node != &spt->roots; node = next) {
        struct spt_root *root = container_of(node, struct spt_root, link);

        next = node->next;
        if (root->view != view)
            continue;
        list_remove(&root->link);
        counter_add(&spt->root_count, -1);
        list_add(&spt->dying, &root->link);
        root->next = *mine;
        *mine = root;
    }
    return 0;
}

static int drop_view(struct spt *spt, u32 id)
{
    struct spt_root *mine = NULL;

    rwlock_lock(&spt->lock);
    struct view *view = spt_find_view(spt, id);
    int error = view == NULL ? -ENOENT : withdraw_roots(spt, view, &mine);
    if (error == 0)
        view->dropped = true;
    rwlock_unlock(&spt->lock);
    if (error != 0)
        return error;

    spt_take_apart(spt, mine);
    rwlock_lock(&spt->lock);
    list_remove(&view->link);
    rwlock_unlock(&spt->lock);
    view_destroy(view);
    return 0;
}

/*
 * One change at a time: until the tables of a change are gone they are found by what they are, and another change could need
 * the same keys for something else (H3).
 */
static bool begin_change(struct spt *spt)
{
    return atomic_xchg(&spt->changing_views, 1) == 0;
}

static void end_change(struct spt *spt)
{
    atomic_write(&spt->changing_views, 0);
}

int spt_protect_view(struct spt *spt, u32 id, gfn_t first, gfn_t end, u64 permissions)
{
    if (!begin_change(spt))
        return -EBUSY;
    int error = protect_view(spt, id, first, end, permissions);
    end_change(spt);
    return error;
}

int spt_drop_view(struct spt *spt, u32 id)
{
    if (!begin_change(spt))
        return -EBUSY;
    int error = drop_view(spt, id);
    end_change(spt);
    return error;
}

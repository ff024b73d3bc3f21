/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/spt_dying.h. */
#include "mm/spt_dying.h"

#include "mm/atomic.h"
#include "mm/pool.h"
#include "mm/port.h"

POOL(root_pool, struct spt_root);

struct spt_root *spt_root_alloc(struct view *view, unsigned levels)
{
    struct spt_root *root = pool_alloc(&root_pool);

    if (root != NULL)
        *root = (struct spt_root){ .view = view, .top = (enum level)levels };
    return root;
}

void spt_root_free(struct spt_root *root)
{
    pool_free(&root_pool, root);
}

struct shadow_page *spt_root_table(struct spt *spt, const struct spt_root *root, struct table_cache *cache)
{
    struct shadow_page *page = table_cache_take(cache);

    page->gfn = (gfn_t){ 0 };
    page->role = spt_role(root->view, page->gfn, root->top);
    shadow_page_fill(page, EPT_EMPTY, 0);

    struct shadow_page *table = spt_table_get(spt, page);
    if (table != page)
        table_cache_return(cache, page);
    return table;
}

static struct spt_root *take_grave(struct spt_graves *graves)
{
    struct spt_root *grave = graves->first;

    graves->first = grave->next;
    graves->count--;
    return grave;
}

void spt_graves_free(struct spt_graves *graves)
{
    while (graves->count != 0)
        spt_root_free(take_grave(graves));
}

static int add_graves(struct spt_graves *graves, unsigned count)
{
    while (graves->count < count) {
        struct spt_root *grave = spt_root_alloc(NULL, LEVEL_512G);

        if (grave == NULL)
            return -ENOMEM;
        grave->next = graves->first;
        graves->first = grave;
        graves->count++;
    }
    return 0;
}

static unsigned count_roots(const struct spt *spt)
{
    unsigned count = 0;

    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next)
        count++;
    return count;
}

int spt_lock_with_spares(struct spt *spt, struct spt_graves *graves, struct table_cache *cache)
{
    for (;;) {
        rwlock_lock(&spt->lock);
        unsigned count = count_roots(spt);
        if (graves->count >= count && cache->count >= count)
            return 0;
        rwlock_unlock(&spt->lock);
        if (add_graves(graves, count) != 0 || table_cache_fill(cache, count) != 0)
            return -ENOMEM;
    }
}

void spt_root_replace_table(struct spt *spt, struct spt_root *root, struct spt_graves *graves,
                            struct table_cache *cache, struct spt_root **mine)
{
    struct spt_root *grave = take_grave(graves);

    *grave = (struct spt_root){ .top = root->top, .page = root->page, .next = *mine };
    *mine = grave;
    list_add(&spt->dying, &grave->link);
    /* Pairs with the read in vcpu_memory_enter(). */
    atomic_write(&root->page, spt_root_table(spt, root, cache));
}

/* Takes a dying root apart, which no vCPU has any more. The lock is not held. */
static void take_one_apart(struct spt *spt, struct spt_root *root)
{
    TLB_GATHER(gather, spt->vm);
    gfn_t at = { 0 };
    bool gone = false;

    while (!gone) {
        rwlock_lock(&spt->lock);
        gfn_t end = spt_end(root->page);

        /* What somebody else has, too, is theirs. */
        if (root->page->references == 1)
            at = spt_zap_range(spt, root->page, at, end, ZAP_TREE, NULL, &gather);
        gone = root->page->references > 1 || at.v == end.v;
        if (gone) {
            list_remove(&root->link);
            spt_table_put(spt, root->page, &gather);
        }
        rwlock_unlock(&spt->lock);
        if (gather.count >= ZAP_STEP || gone)
            tlb_gather_finish(&gather);
        port_yield();
    }
    spt_root_free(root);
}

void spt_take_apart(struct spt *spt, struct spt_root *mine)
{
    while (mine != NULL) {
        struct spt_root *next = mine->next;

        take_one_apart(spt, mine);
        mine = next;
    }
}

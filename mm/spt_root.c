/* SPDX-License-Identifier: BSD-2-Clause */
/* Roots: their life, and all of them at once. Their death is mm/spt_dying.c, views are mm/spt_view.c. */
#include "mm/atomic.h"
#include "mm/spt_dying.h"
#include "mm/vm.h"

int spt_create(struct spt *spt, struct vm_memory *vm)
{
    TABLE_CACHE(cache);
    struct spt_root *base = spt_root_alloc(NULL, mm_caps()->levels);

    *spt = (struct spt){ .vm = vm, .base = base };
    list_init(&spt->roots);
    list_init(&spt->dying);
    list_init(&spt->views);
    list_init(&spt->pages);
    list_init(&spt->executed);
    if (base == NULL)
        return -ENOMEM;
    if (table_cache_fill(&cache, 1) != 0) {
        spt_root_free(base);
        return -ENOMEM;
    }
    base->page = spt_root_table(spt, base, &cache);
    list_add(&spt->roots, &base->link);
    spt->root_count = 1;
    return 0;
}

void spt_destroy(struct spt *spt)
{
    while (!list_is_empty(&spt->roots)) {
        struct spt_root *root = container_of(spt->roots.next, struct spt_root, link);

        assert(root->users == 0);
        rwlock_lock(&spt->lock);
        list_remove(&root->link);
        list_add(&spt->dying, &root->link);
        root->next = NULL;
        rwlock_unlock(&spt->lock);
        spt_take_apart(spt, root);
    }
    while (!list_is_empty(&spt->views)) {
        struct view *view = container_of(spt->views.next, struct view, link);

        list_remove(&view->link);
        view_destroy(view);
    }
    assert(list_is_empty(&spt->dying) && list_is_empty(&spt->pages) && counter_read(&spt->tables) == 0);
    if (spt->hash != NULL)
        shadow_hash_destroy(spt->hash);
}

void spt_root_get(struct spt *spt, struct spt_root *root)
{
    rwlock_lock(&spt->lock);
    root->users++;
    rwlock_unlock(&spt->lock);
}

void spt_root_put(struct spt *spt, struct spt_root *root)
{
    rwlock_lock(&spt->lock);
    assert(root->users != 0);
    root->users--;
    rwlock_unlock(&spt->lock);
}

static struct spt_root *find_root(const struct spt *spt, const struct view *view, enum level top)
{
    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        struct spt_root *root = container_of(node, struct spt_root, link);

        if (root->view == view && root->top == top)
            return root;
    }
    return NULL;
}

/*
 * From now on every table is found by its key. In one step: while a table was missing in the hash, a second one with its key
 * could come to be (H2). That is about 20 ns for each table, once in the life of a VM that wants views.
 */
static void activate_hash(struct spt *spt, struct shadow_hash *hash)
{
    for (struct list_node *node = spt->pages.next; node != &spt->pages; node = node->next) {
        struct shadow_page *page = container_of(node, struct shadow_page, link);

        if (shadow_hash_find_or_add(hash, page) != page)
            assert(!"a VM without a hash has one table for each key");
    }
    /* Pairs with the reads in spt_table_get() and put_reference(): who finds the hash finds it full (H5). */
    atomic_write(&spt->hash, hash);
}

/* About as many tables as the VM can have when all that is mapped now is mapped 4K. */
static u64 expected_tables(const struct spt *spt)
{
    return counter_read(&spt->tables) + spt_mapped(spt, LEVEL_2M) + spt_mapped(spt, LEVEL_1G) * EPT_ENTRIES;
}

/* What a new root needs, and the second one besides. */
struct root_spares {
    struct spt_root *root;
    struct shadow_hash *hash;
    struct table_cache cache;
};

static void free_spares(struct root_spares *spares)
{
    if (spares->root != NULL)
        spt_root_free(spares->root);
    if (spares->hash != NULL)
        shadow_hash_destroy(spares->hash);
    table_cache_drain(&spares->cache);
}

static int prepare_root(struct spt *spt, unsigned levels, struct root_spares *spares)
{
    spares->root = spt_root_alloc(NULL, levels);
    if (atomic_read(&spt->hash) == NULL)
        spares->hash = shadow_hash_create(expected_tables(spt));
    if (spares->root == NULL || (atomic_read(&spt->hash) == NULL && spares->hash == NULL))
        return -ENOMEM;
    return table_cache_fill(&spares->cache, 1);
}

static struct spt_root *add_root(struct spt *spt, struct view *view, struct root_spares *spares)
{
    struct spt_root *root = spares->root;

    spares->root = NULL;
    if (spt->hash == NULL) {
        activate_hash(spt, spares->hash);
        spares->hash = NULL;
    }
    root->view = view;
    root->page = spt_root_table(spt, root, &spares->cache);
    list_add(spt->roots.previous, &root->link);
    counter_add(&spt->root_count, 1);
    return root;
}

/* 0, -ENOENT (no such view), -EAGAIN (no such root, and nothing is prepared for one). */
static int try_open(struct spt *spt, u32 id, enum level top, struct root_spares *spares, struct spt_root **opened)
{
    int error = 0;

    rwlock_lock(&spt->lock);
    struct view *view = id == 0 ? NULL : spt_find_view(spt, id);
    struct spt_root *root = find_root(spt, view, top);
    if (view == NULL && id != 0)
        error = -ENOENT;
    else if (root == NULL && spares->root == NULL)
        error = -EAGAIN;
    else if (root == NULL)
        root = add_root(spt, view, spares);
    if (error == 0) {
        root->users++;
        *opened = root;
    }
    rwlock_unlock(&spt->lock);
    return error;
}

int spt_root_open(struct spt *spt, u32 id, unsigned levels, struct spt_root **opened)
{
    __attribute__((cleanup(free_spares))) struct root_spares spares = { .cache = { LIST_EMPTY(spares.cache.pages),
                                                                                   0 } };

    if (levels != LEVEL_512G && levels != LEVEL_256T)
        return -EINVAL;
    int error = try_open(spt, id, (enum level)levels, &spares, opened);
    if (error != -EAGAIN)
        return error;
    if (prepare_root(spt, levels, &spares) != 0)
        return -ENOMEM;
    return try_open(spt, id, (enum level)levels, &spares, opened);
}

int spt_invalidate_all(struct spt *spt)
{
    TABLE_CACHE(cache);
    GRAVES(graves);
    TLB_GATHER(gather, spt->vm);
    struct spt_root *mine = NULL;

    if (spt_lock_with_spares(spt, &graves, &cache) != 0)
        return -ENOMEM;
    spt->generation++;
    for (struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next)
        spt_root_replace_table(spt, container_of(node, struct spt_root, link), &graves, &cache, &mine);
    tlb_gather_note(&gather);
    rwlock_unlock(&spt->lock);
    /* Every vCPU loads its new root before it enters again (G2); only then the first step that yields. */
    tlb_gather_finish(&gather);
    spt_take_apart(spt, mine);
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/table_cache.h. */
#include "mm/table_cache.h"

int table_cache_fill(struct table_cache *cache, unsigned count)
{
    while (cache->count < count) {
        struct shadow_page *page = shadow_page_alloc();

        if (page == NULL)
            return -ENOMEM;
        table_cache_return(cache, page);
    }
    return 0;
}

struct shadow_page *table_cache_take(struct table_cache *cache)
{
    if (list_is_empty(&cache->pages))
        return NULL;

    struct shadow_page *page = container_of(cache->pages.next, struct shadow_page, link);
    list_remove(&page->link);
    cache->count--;
    return page;
}

void table_cache_return(struct table_cache *cache, struct shadow_page *page)
{
    list_add(&cache->pages, &page->link);
    cache->count++;
}

void table_cache_drain(struct table_cache *cache)
{
    struct shadow_page *page;

    while (page = table_cache_take(cache), page != NULL)
        shadow_page_free(page);
}

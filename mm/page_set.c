/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/page_set.h. */
#include "mm/page_set.h"

#include "mm/frame.h"
#include "mm/pool.h"
#include "mm/port.h"

enum { CHUNKS_PER_FRAME = PAGE_SIZE / sizeof(struct page_set_chunk *), SUMMARIES = PAGE_SET_WORDS / PAGE_SET_WORD };

POOL(set_pool, struct page_set);
POOL(chunk_pool, struct page_set_chunk);

/* Room for more pointers than are in the set itself. NULL: no memory. */
__attribute__((noinline)) static struct page_set_chunk **make_chunks(struct page_set *set, u64 count)
{
    unsigned order = 0;
    pfn_t frame;

    while (order <= FRAME_MAX_ORDER && (u64)CHUNKS_PER_FRAME << order < count)
        order++;
    if (order > FRAME_MAX_ORDER || frame_alloc(order, FRAME_CONTROL, &frame) != 0)
        return NULL;
    set->order = order;
    return port_frame_address(frame);
}

static void fill_chunks(struct page_set_chunk **chunks, u64 count, bool full)
{
    for (u64 i = 0; i < count; i++)
        chunks[i] = full ? PAGE_SET_ALL : NULL;
}

/* Not a part of what follows: a small set is made without a call, and that is most of what a log of few pages costs. */
__attribute__((noinline)) static int make_large(struct page_set *set, u64 count, bool full)
{
    struct page_set_chunk **chunks = make_chunks(set, count);

    if (chunks == NULL) {
        *set = (struct page_set){ 0 };
        return -ENOMEM;
    }
    fill_chunks(chunks, count, full);
    set->chunks = chunks;
    return 0;
}

int page_set_init(struct page_set *set, u64 first, u64 end, bool full)
{
    u64 first_chunk = first / PAGE_SET_CHUNK, chunk_count = (end - 1) / PAGE_SET_CHUNK - first_chunk + 1;

    assert(first < end);
    set->first = first;
    set->end = end;
    set->first_chunk = first_chunk;
    set->chunk_count = (u32)chunk_count;
    if (chunk_count > PAGE_SET_FEW)
        return make_large(set, chunk_count, full);
    /* They are NULL. */
    if (full)
        fill_chunks(set->few, chunk_count, true);
    set->chunks = set->few;
    return 0;
}

void page_set_release(struct page_set *set)
{
    for (u64 i = 0; i < set->chunk_count; i++) {
        if (set->chunks[i] != NULL && set->chunks[i] != PAGE_SET_ALL)
            pool_free(&chunk_pool, set->chunks[i]);
    }
    if (set->chunk_count > PAGE_SET_FEW)
        frame_free(port_frame_of(set->chunks), set->order, FRAME_CONTROL);
    *set = (struct page_set){ 0 };
}

int page_set_create(u64 first, u64 end, bool full, struct page_set **set)
{
    struct page_set *created = pool_alloc(&set_pool);

    if (created == NULL)
        return -ENOMEM;
    if (page_set_init(created, first, end, full) != 0) {
        pool_free(&set_pool, created);
        return -ENOMEM;
    }
    *set = created;
    return 0;
}

void page_set_destroy(struct page_set *set)
{
    if (set == NULL)
        return;
    page_set_release(set);
    pool_free(&set_pool, set);
}

/* The pages of a word that can be in the set. */
static u64 mask_of(const struct page_set *set, u64 word)
{
    u64 first = word * PAGE_SET_WORD, mask = ~0ull;

    if (set->first > first)
        mask &= set->first - first < PAGE_SET_WORD ? ~0ull << (set->first - first) : 0;
    if (set->end < first + PAGE_SET_WORD)
        mask &= set->end > first ? ~(~0ull << (set->end - first)) : 0;
    return mask;
}

/* Whether the set can hold something of the word; and then the number of its chunk. */
static bool is_in_range(const struct page_set *set, u64 word, u64 *index)
{
    *index = word / PAGE_SET_WORDS - set->first_chunk;
    return *index < set->chunk_count;
}

static bool has_memory(const struct page_set_chunk *chunk)
{
    return chunk != NULL && chunk != PAGE_SET_ALL;
}

struct page_set_chunk *page_set_make_chunk(struct page_set *set, u64 index)
{
    struct page_set_chunk *found = atomic_read(&set->chunks[index]), *made;

    if (found != NULL)
        return has_memory(found) ? found : NULL;
    made = pool_alloc(&chunk_pool);
    if (!atomic_cmpxchg(&set->chunks[index], &found, made != NULL ? made : PAGE_SET_ALL)) {
        if (made != NULL)
            pool_free(&chunk_pool, made);
        return has_memory(found) ? found : NULL;
    }
    return made;
}

/* Gives a chunk that holds everything the memory to hold less. NULL: there is none. */
static struct page_set_chunk *spell_out(struct page_set *set, u64 index)
{
    struct page_set_chunk *expected = PAGE_SET_ALL, *made = pool_alloc(&chunk_pool);
    u64 first = (set->first_chunk + index) * PAGE_SET_WORDS;

    if (made == NULL)
        return NULL;
    for (u64 i = 0; i < PAGE_SET_WORDS; i++) {
        made->words[i] = mask_of(set, first + i);
        if (made->words[i] != 0)
            made->summary[i / PAGE_SET_WORD] |= 1ull << i % PAGE_SET_WORD;
    }
    if (atomic_cmpxchg(&set->chunks[index], &expected, made))
        return made;
    /* Somebody else has. */
    pool_free(&chunk_pool, made);
    return expected;
}

void page_set_put_hint(struct page_set_chunk *chunk, u64 word)
{
    atomic_or(&chunk->summary[word / PAGE_SET_WORD], 1ull << word % PAGE_SET_WORD);
}

void page_set_add_word(struct page_set *set, u64 word, u64 bits)
{
    u64 index, in_chunk = word % PAGE_SET_WORDS;

    if (!is_in_range(set, word, &index))
        return;
    bits &= mask_of(set, word);
    if (bits == 0)
        return;

    struct page_set_chunk *chunk = atomic_read(&set->chunks[index]);
    if (!has_memory(chunk))
        chunk = page_set_make_chunk(set, index);
    if (chunk == NULL)
        return;
    atomic_or(&chunk->words[in_chunk], bits);
    page_set_hint(chunk, in_chunk);
}

void page_set_add_range(struct page_set *set, u64 first, u64 end)
{
    first = first > set->first ? first : set->first;
    end = end < set->end ? end : set->end;
    for (u64 page = first; page < end;) {
        u64 next = (page | (PAGE_SET_WORD - 1)) + 1, from = ~0ull << page % PAGE_SET_WORD;

        page_set_add_word(set, page / PAGE_SET_WORD, next > end ? from & ~(~0ull << end % PAGE_SET_WORD) : from);
        page = next;
    }
}

void page_set_add_set(struct page_set *set, const struct page_set *from)
{
    u64 done = 0;

    for (u64 word = page_set_next(from, 0); word != PAGE_SET_END; word = page_set_next(from, word + 1)) {
        page_set_add_word(set, word, page_set_get(from, word));
        if (++done % PAGE_SET_WORDS == 0)
            port_yield();
    }
}

bool page_set_has(const struct page_set *set, u64 page)
{
    return page_set_get(set, page / PAGE_SET_WORD) >> page % PAGE_SET_WORD & 1;
}

/* The first word of the chunk, from `word` on, that has a hint. PAGE_SET_WORDS: none. */
static u64 next_in_chunk(const struct page_set_chunk *chunk, u64 word)
{
    u64 hints = atomic_read(&chunk->summary[word / PAGE_SET_WORD]) & ~0ull << word % PAGE_SET_WORD;

    for (word /= PAGE_SET_WORD; hints == 0 && ++word < SUMMARIES;)
        hints = atomic_read(&chunk->summary[word]);
    return hints == 0 ? PAGE_SET_WORDS : word * PAGE_SET_WORD + (u64)__builtin_ctzll(hints);
}

u64 page_set_next(const struct page_set *set, u64 word)
{
    u64 first = set->first / PAGE_SET_WORD, last = (set->end - 1) / PAGE_SET_WORD;

    word = word > first ? word : first;
    while (word <= last) {
        u64 index = word / PAGE_SET_WORDS - set->first_chunk;
        const struct page_set_chunk *chunk = atomic_read(&set->chunks[index]);

        if (chunk == PAGE_SET_ALL)
            return word;
        u64 found = chunk == NULL ? PAGE_SET_WORDS : next_in_chunk(chunk, word % PAGE_SET_WORDS);
        word = (set->first_chunk + index) * PAGE_SET_WORDS + found;
        if (found != PAGE_SET_WORDS)
            return word;
    }
    return PAGE_SET_END;
}

u64 page_set_get(const struct page_set *set, u64 word)
{
    u64 index;

    if (!is_in_range(set, word, &index))
        return 0;

    const struct page_set_chunk *chunk = atomic_read(&set->chunks[index]);
    if (chunk == NULL)
        return 0;
    return chunk == PAGE_SET_ALL ? mask_of(set, word) : atomic_read(&chunk->words[word % PAGE_SET_WORDS]);
}

u64 page_set_take(struct page_set *set, u64 word, u64 mask)
{
    u64 index, in_chunk = word % PAGE_SET_WORDS, hint = 1ull << in_chunk % PAGE_SET_WORD;

    if (!is_in_range(set, word, &index))
        return 0;

    struct page_set_chunk *chunk = atomic_read(&set->chunks[index]);
    if (chunk == NULL)
        return 0;
    if (chunk == PAGE_SET_ALL)
        chunk = spell_out(set, index);
    if (chunk == NULL)
        return mask_of(set, word) & mask;
    /* The hint first: what is added from here on puts it back. */
    atomic_and(&chunk->summary[in_chunk / PAGE_SET_WORD], ~hint);
    u64 taken = atomic_and(&chunk->words[in_chunk], ~mask) & mask;
    if (~mask != 0 && atomic_read(&chunk->words[in_chunk]) != 0)
        atomic_or(&chunk->summary[in_chunk / PAGE_SET_WORD], hint);
    return taken;
}

void page_set_clear(struct page_set *set)
{
    for (u64 word = page_set_next(set, 0); word != PAGE_SET_END; word = page_set_next(set, word + 1)) {
        (void)page_set_take(set, word, ~0ull);
        if (word % PAGE_SET_WORDS == PAGE_SET_WORDS - 1)
            port_yield();
    }
}

u64 page_set_count(const struct page_set *set)
{
    u64 count = 0, done = 0;

    for (u64 word = page_set_next(set, 0); word != PAGE_SET_END; word = page_set_next(set, word + 1)) {
        for (u64 bits = page_set_get(set, word); bits != 0; bits &= bits - 1)
            count++;
        if (++done % PAGE_SET_WORDS == 0)
            port_yield();
    }
    return count;
}

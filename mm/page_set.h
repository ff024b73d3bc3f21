/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sparse set of page numbers: which pages were written. It may come to hold more than was put into it, where memory
 * does not suffice, and never less: so nothing here can fail after it was created, and it is for uses where one page
 * too many only costs time.
 *
 * Pages are handled in words of 64, aligned; a word is named by its number, page / 64. Time to find what is in the
 * set is in proportion to what is in it, not to its range: chunks of 16,384 pages come to be when something is put
 * into them, and inside a chunk a bit for each word says where to look.
 *
 * Any number of processors may add and take at once. A page that is added while its word is taken is either in what
 * is taken, or in the set afterwards. No lock; nothing yields but where it says so.
 */
#ifndef MM_PAGE_SET_H
#define MM_PAGE_SET_H

#include "mm/atomic.h"

enum { PAGE_SET_WORD = 64, PAGE_SET_WORDS = 256, PAGE_SET_CHUNK = PAGE_SET_WORD * PAGE_SET_WORDS };

/* Most sets are small: they need no memory but their own before something is put into them. */
enum { PAGE_SET_FEW = 2 };

struct page_set_chunk {
    u64 words[PAGE_SET_WORDS];
    u64 summary[PAGE_SET_WORDS / PAGE_SET_WORD]; /* a bit for each word: it may have something */
};

/* It is not copied: `chunks` may point into it. */
struct page_set {
    /* set once: */
    u64 first, end;  /* pages */
    u64 first_chunk; /* the number of the first chunk: `first` / PAGE_SET_CHUNK */
    u32 chunk_count;
    u32 order;                      /* of the block of frames with `chunks` */
    struct page_set_chunk **chunks; /* `few`, where that is enough */
    /* atomic: each NULL: nothing is in it; PAGE_SET_ALL: everything is */
    struct page_set_chunk *few[PAGE_SET_FEW];
};

#define PAGE_SET_ALL ((struct page_set_chunk *)1)
#define PAGE_SET_END (~0ull)

/* For pages [first, end), empty, or with all of them in it. The time does not depend on which. 0, -ENOMEM. */
int page_set_create(u64 first, u64 end, bool full, struct page_set **set);

/* Nobody uses it any more. NULL is allowed. */
void page_set_destroy(struct page_set *set);

/* The same for a set that is a part of something else: `set`, which is all zeros then, or still. */
int page_set_init(struct page_set *set, u64 first, u64 end, bool full);
void page_set_release(struct page_set *set);

/* The chunk, which is there or is made. NULL: everything is in it; so it is from now on where it cannot be made. */
struct page_set_chunk *page_set_make_chunk(struct page_set *set, u64 index);

/* The hint for a word of the chunk is missing: sets it. */
void page_set_put_hint(struct page_set_chunk *chunk, u64 word);

/*
 * After something was put into a word of the chunk. Who takes the word clears the hint first: if it is there still,
 * what was put in is found (both are ordered).
 */
static inline void page_set_hint(struct page_set_chunk *chunk, u64 word)
{
    if (!(atomic_read(&chunk->summary[word / PAGE_SET_WORD]) >> word % PAGE_SET_WORD & 1))
        page_set_put_hint(chunk, word);
}

/* Adds a page in [first, end). Whether it is new. */
static inline bool page_set_add(struct page_set *set, u64 page)
{
    u64 index = page / PAGE_SET_CHUNK - set->first_chunk, bit = 1ull << page % PAGE_SET_WORD;
    u64 word = page / PAGE_SET_WORD % PAGE_SET_WORDS;
    struct page_set_chunk *chunk = atomic_read(&set->chunks[index]);

    if (__builtin_expect((uintptr_t)chunk <= (uintptr_t)PAGE_SET_ALL, false)) {
        chunk = page_set_make_chunk(set, index);
        if (chunk == NULL)
            return false;
    }
    if (atomic_or(&chunk->words[word], bit) & bit)
        return false;
    page_set_hint(chunk, word);
    return true;
}

/* Adds the pages of a word that `bits` has. Those outside [first, end) are left out. */
void page_set_add_word(struct page_set *set, u64 word, u64 bits);

/* Adds [first, end), the part of it that the set can hold. */
void page_set_add_range(struct page_set *set, u64 first, u64 end);

/* Adds what `from` has, where both have it in their range. Yields. */
void page_set_add_set(struct page_set *set, const struct page_set *from);

bool page_set_has(const struct page_set *set, u64 page);

/* The number of the first word, from `word` on, that may have something in it; PAGE_SET_END: there is none. */
u64 page_set_next(const struct page_set *set, u64 word);

/* What is in a word. 0 also where the word is outside of the set. */
u64 page_set_get(const struct page_set *set, u64 word);

/* Takes the pages of `mask` out of a word: those that were in it. What memory does not suffice to take alone stays. */
u64 page_set_take(struct page_set *set, u64 word, u64 mask);

/* Takes out all that can be: where there is no memory to leave less in it than everything, that stays. Yields. */
void page_set_clear(struct page_set *set);

/* How many pages are in it. Yields. */
u64 page_set_count(const struct page_set *set);

#endif

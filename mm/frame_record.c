/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sparse array of mm/frame_record.h. A directory word is the pfn of the page << PAGE_SHIFT | number of records in it.
 * Writers hold the lock; they publish with release what frame_record_get() reads without it.
 */
#include "mm/frame_record.h"

#include "mm/frame.h"
#include "mm/mem.h"
#include "mm/port.h"
#include "mm/spinlock.h"

enum { RECORDS = 512 };
static_assert(RECORDS * sizeof(u64) == PAGE_SIZE, "a page of records");
static_assert(RECORDS < PAGE_SIZE, "the number fits below the pfn");

/* A record is 0: none, a pointer, or count << 1 | IS_COUNT. */
enum { IS_COUNT = 1 };

static struct spinlock lock; /* every word of the directory, and the pages of records */

static u64 *page_of(u64 word)
{
    return port_frame_address((pfn_t){ word >> PAGE_SHIFT });
}

/* The lock is held: no other processor writes. */
static u64 record_read(pfn_t pfn)
{
    u64 word = *frame_directory(pfn);

    return word == 0 ? 0 : page_of(word)[pfn.v % RECORDS];
}

/* The lock is held; there is a record, or `record` is one. Only that the first of a page appears can fail. */
static int record_write(pfn_t pfn, u64 record)
{
    u64 *directory = frame_directory(pfn);
    u64 word = *directory;

    if (word == 0) {
        pfn_t page;

        if (frame_alloc(0, FRAME_CONTROL, &page) != 0)
            return -ENOMEM;
        memset(port_frame_address(page), 0, PAGE_SIZE);
        word = page.v << PAGE_SHIFT;
    }

    u64 *place = &page_of(word)[pfn.v % RECORDS];
    word += (u64)(record != 0) - (u64)(*place != 0);
    __atomic_store_n(place, record, __ATOMIC_RELEASE);
    if (word % PAGE_SIZE != 0) {
        __atomic_store_n(directory, word, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n(directory, 0, __ATOMIC_RELEASE);
        frame_free((pfn_t){ word >> PAGE_SHIFT }, 0, FRAME_CONTROL);
    }
    return 0;
}

static bool is_pointer(u64 record)
{
    return record != 0 && !(record & IS_COUNT);
}

int frame_record_set(pfn_t pfn, void *record)
{
    u64 value = (u64)(uintptr_t)record;

    assert(is_pointer(value));
    spin_lock(&lock);

    bool is_first = record_read(pfn) == 0;
    int error = is_first ? record_write(pfn, value) : 0;
    spin_unlock(&lock);
    assert(is_first);
    return error;
}

void *frame_record_get(pfn_t pfn)
{
    /* pairs with record_write() */
    u64 word = __atomic_load_n(frame_directory(pfn), __ATOMIC_ACQUIRE);
    u64 record = word == 0 ? 0 : __atomic_load_n(&page_of(word)[pfn.v % RECORDS], __ATOMIC_ACQUIRE);

    return is_pointer(record) ? (void *)(uintptr_t)record : NULL;
}

void frame_record_clear(pfn_t pfn)
{
    spin_lock(&lock);

    bool is_right = is_pointer(record_read(pfn));
    if (is_right)
        record_write(pfn, 0);
    spin_unlock(&lock);
    assert(is_right);
}

u64 frame_count_get(pfn_t pfn)
{
    spin_lock(&lock);

    u64 record = record_read(pfn);
    spin_unlock(&lock);
    assert(!is_pointer(record));
    return record >> 1;
}

int frame_count_add(pfn_t pfn, s64 change, u64 *value)
{
    spin_lock(&lock);

    u64 record = record_read(pfn);
    u64 count = (record >> 1) + (u64)change;
    bool is_right = !is_pointer(record) && (s64)count >= 0;
    int error = 0;
    if (is_right && change != 0)
        error = record_write(pfn, count == 0 ? 0 : count << 1 | IS_COUNT);
    spin_unlock(&lock);
    assert(is_right);
    if (error == 0)
        *value = count;
    return error;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat that changes the memory of its guests all the time, for churn.t. churning_memory.c is the task that does it, with
 * what it needs to know of the guests' tasks; the operations are in churning_tables.c and churning_frames.c.
 */
#ifndef TESTS_SYSTEM_CHURNING_H
#define TESTS_SYSTEM_CHURNING_H

#include "guest-stubs/remember.h"
#include "mm/backing_change.h"
#include "mm/vm_memory.h"

enum {
    GUEST_MAX = 4,
    VIEW_MAX = 2,
    PAGES = REMEMBER_MEMORY / REMEMBER_PAGE,
};

/* What an operation comes to besides 0 and an error, which is a failure: there was nothing to do. */
enum { DECLINED = 1 };

struct guest {
    struct vm_memory *vm; /* NULL: it has ended */
    u32 views[VIEW_MAX];  /* 0: none */
    u32 wanted, selected; /* views; the guest's own task selects */
    u32 round, host_seed[REMEMBER_HOST_PAGES];
    bool is_ready, has_spare, has_alias, is_limited, is_stopped;
    u32 spare_flags;
    gfn_t alias;
};

extern struct guest guests[GUEST_MAX];
extern unsigned guest_count;

/* An operation on a VM that stays while it runs. 0, DECLINED (there was nothing to do), or an error. */
struct kind {
    const char *name;
    int (*operate)(struct guest *guest, struct vm_memory *vm);
    unsigned wanted, done, declined;
};
enum { TABLE_KINDS = 13, FRAME_KINDS = 10 };
extern struct kind table_kinds[TABLE_KINDS], frame_kinds[FRAME_KINDS];

/* The clones that are left. */
void drop_clones(void);

/* What is behind a guest's memory, with a reference. */
struct backing *memory_of(struct vm_memory *vm);

/* 0 … below - 1, always the same ones in a row. */
u32 random_below(u64 below);

static inline gpa_t page_gpa(u64 page)
{
    return (gpa_t){ page * PAGE_SIZE };
}

static inline gfn_t gfn(u64 number)
{
    return (gfn_t){ number };
}

#endif

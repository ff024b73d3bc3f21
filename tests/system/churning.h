/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat that changes the memory of its guests all the time, for churn.t. churning_memory.c is the task that does it, with
 * what it needs to know of the guests' tasks; the operations are in churning_tables.c, churning_frames.c, churning_logs.c and
 * churning_snapshots.c.
 */
#ifndef TESTS_SYSTEM_CHURNING_H
#define TESTS_SYSTEM_CHURNING_H

#include "guest-stubs/remember.h"
#include "mm/backing_change.h"
#include "mm/vm.h"

enum {
    GUEST_MAX = 4,
    VCPU_MAX = 4,
    VIEW_MAX = 2,
    PAGES = REMEMBER_MEMORY / REMEMBER_PAGE,
    USED_PAGES = REMEMBER_SPARE / REMEMBER_PAGE,
    CHUNK_PAGES = 64, /* are read at once: with every read others run */
    /* Ids of slots that come and go. Slot 0 is the guest's memory. */
    SPARE_ID = 100,
    ALIAS_ID = 101,
};

/* What an operation comes to besides 0 and an error, which is a failure: there was nothing to do. */
enum { DECLINED = 1 };

struct vcpu;
struct vm;

struct guest {
    /* atomic: written by its own tasks */
    struct vm_memory *vm;           /* NULL: it has ended */
    struct vcpu *vcpus[VCPU_MAX];   /* NULL: it has not run yet */
    u32 selected[VCPU_MAX], wanted; /* views; a vCPU's own task selects */
    struct vm *owner;

    /* the churning task's: */
    u32 views[VIEW_MAX]; /* 0: none */
    u32 round, host_seed[REMEMBER_HOST_PAGES];
    bool is_ready, has_spare, has_alias, is_limited, is_stopped, has_ring;
    u32 spare_flags;
    u32 still; /* so many changes of slots are left out, because there is a snapshot to go back to */
    gfn_t alias;
};

extern struct guest guests[GUEST_MAX];
extern unsigned guest_count;

/* An operation on a VM that stays while it runs. 0, DECLINED (there was nothing to do), or an error. */
struct kind {
    const char *name;
    int (*operate)(struct guest *guest, struct vm_memory *vm);
    unsigned wanted;
    bool is_dear; /* it takes long: not more often than wanted */
    unsigned done, declined;
};
enum { TABLE_KINDS = 13, FRAME_KINDS = 10, LOG_KINDS = 12, SNAPSHOT_KINDS = 4 };
extern struct kind table_kinds[TABLE_KINDS], frame_kinds[FRAME_KINDS], log_kinds[LOG_KINDS],
    snapshot_kinds[SNAPSHOT_KINDS];

/* Many pages at once: what backs them is found without the delays that other accesses meet. */
int read_pages(struct vm_memory *vm, u64 page, u64 count, void *to);
int write_pages(struct vm_memory *vm, u64 page, u64 count, const void *from);

/* The clones, and the copies of guests that are logged, that are left. */
void drop_clones(void);
void drop_copies(void);

/* Its memory is about to go. */
void forget_guest(struct guest *guest);

/*
 * Between use and unuse the guest stays; false: it has ended. Between hold and release its vCPUs are outside, too, with all
 * that they have written logged.
 */
bool use_guest(const struct guest *guest);
void unuse_guest(const struct guest *guest);
bool hold_guest(const struct guest *guest);
void release_guest(const struct guest *guest);

/* Both have a log as DIRTY_RATE: a measurement, and start-log. */
bool is_measured(const struct guest *guest);
bool is_logged_for_rate(const struct guest *guest);

/* What is behind a guest's memory, with a reference. */
struct backing *memory_of(struct vm_memory *vm);

/* 0 … below - 1. */
u32 random_below(u64 below);

static inline gpa_t page_gpa(u64 page)
{
    return (gpa_t){ page * PAGE_SIZE };
}

/* How much of a page is looked at to know it from what it was: whoever writes a page of data writes its first word, too. */
static inline u64 telling_size(u64 page)
{
    return page < REMEMBER_DATA / REMEMBER_PAGE ? REMEMBER_PAGE : 64;
}

/*
 * Words of a page, as far as somebody answers for them. Where EPT has no A/D bits, the emulator sets those of the guest's own
 * tables, which lie below the mail, without asking EPT; a processor would have a violation.
 */
static inline u64 telling_word(u64 page, u64 word)
{
    const u64 marks = 0x0000006000000060;

    return page < REMEMBER_MAIL / REMEMBER_PAGE && !mm_caps()->access_dirty ? word & ~marks : word;
}

/* Whether the slots of the guest are to stay for now. */
static inline bool is_still(struct guest *guest)
{
    return guest->still != 0 && guest->still-- != 0;
}

static inline gfn_t gfn(u64 number)
{
    return (gfn_t){ number };
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests' memory must look like, as flat arrays: for each VM which page of which backing a gfn shows, for each page what
 * was written to it last. Two words of a page stand for all of it, its first and its last; each write is a value of its own.
 *
 * While an operation is in progress an access may find what was before or what will be after; once it has returned, only the
 * latter. So an operation is announced before the call, and settled after it.
 */
#ifndef TESTS_HARDWARE_REFERENCE_H
#define TESTS_HARDWARE_REFERENCE_H

#include "mm/backing_change.h"
#include "mm/dirty_log.h"
#include "tests/hardware/machine.h"

enum {
    REF_VMS = 2,
    REF_SLOTS = 5,
    REF_BACKINGS = 6,
    REF_PAGES = 1100,
    REF_SPACE = 3072, /* gfns */
    REF_REGIONS = REF_SPACE / 512,
    REF_VIEWS = 3, /* with the memory as it is */
    REF_WORDS = 2
};

struct ref_page {
    u64 value[REF_WORDS], stamp[REF_WORDS]; /* and when it was written */
    u64 pending[REF_WORDS];                 /* what the hypervisor is writing */
    bool is_pending[REF_WORDS];
    unsigned punching, losing; /* operations in progress */
    u64 punched, lost_at;      /* when that was last so */
    bool lost;
};

struct ref_backing {
    struct backing *backing; /* NULL: there is none */
    u64 npages;
    unsigned users; /* operations in progress */
    struct ref_page page[REF_PAGES];
};

struct ref_slot {
    struct ref_backing *backing; /* NULL: there is none */
    u64 base, npages, offset;
    bool read_only;
};

struct ref_view {
    bool exists, changing;
    u32 id;
    unsigned users;                       /* vCPUs */
    u8 now[REF_SPACE], before[REF_SPACE]; /* permissions; different only while they are being changed */
};

/* What the users of a slot's dirty log are still to be told. */
struct ref_log {
    struct ref_user {
        bool active, manual;
        u64 since;
        u64 owed[REF_PAGES];     /* when the page was written, since it was reported; 0: it was not */
        u64 reported[REF_PAGES]; /* when that was */
    } users[DIRTY_USERS];
};

struct ref_vm {
    struct vm_memory *vm; /* NULL: there is none now */
    unsigned users;       /* operations in progress */
    unsigned vcpus;
    bool closing;

    struct ref_slot slots[REF_SLOTS];
    bool changing;        /* slots[changed] */
    bool rival, rivalled; /* another task tries too, or tried meanwhile: one of the two is told -EBUSY */
    unsigned slots_held;  /* operations that need them to stay */
    unsigned changed;
    struct ref_slot before; /* what slots[changed] was */
    struct ref_log logs[REF_SLOTS];
    struct ref_user *starting; /* or stopping, or what has not ended yet; NULL: none of both is in progress */
    u64 started;               /* when that was last so */
    bool reaping;
    struct ref_view views[REF_VIEWS];
    unsigned selecting; /* vCPUs that go from one view to another */
    bool dropping;      /* a view */
    u64 hot;            /* a gfn where an operation was lately */
    u64 moved;          /* when slots or views changed last */

    /* When it was taken away, and when something in the region was last mapped. */
    u64 zapped[REF_SPACE], protected[REF_SPACE];
    u64 mapped[REF_REGIONS];
    unsigned mapping[REF_REGIONS];
};

struct reference {
    u64 clock, logged_writes; /* of guests and of the hypervisor, to pages whose log has a user */
    u64 reports;              /* pages in them */
    unsigned losses;          /* losses of frames in progress: any page that has got that frame may be hit */
    struct ref_vm vms[REF_VMS];
    struct ref_backing backings[REF_BACKINGS];
};
extern struct reference *reference;

void ref_start(void);
void ref_stop(void);

u64 ref_now(void);

/* A value that was never written before, to be written to this page. */
u64 ref_token(const struct ref_backing *backing, u64 page);

/* NULL: none. While slots are being changed, as they will be. */
struct ref_slot *ref_slot_at(struct ref_vm *vm, u64 gfn);
struct ref_page *ref_page_at(const struct ref_slot *slot, u64 gfn);

/* Whether slots or views have changed since, or are changing. */
bool ref_moved_since(const struct ref_vm *vm, u64 stamp);

/* A guest's access came through to `frame`: may it, there? Reads or writes the frame. */
void ref_guest_access(struct ref_vm *vm, unsigned view, u64 gfn, u32 access, pfn_t frame);

/* Something of the region may become mapped from now on, until now. */
void ref_mapping_begin(struct ref_vm *vm, u64 first, u64 npages);
void ref_mapping_end(struct ref_vm *vm, u64 first, u64 npages);

/* What a page holds now; false: it is lost. */
bool ref_peek(const struct ref_backing *backing, u64 page, u64 value[REF_WORDS]);

/* A punch that began at `start` has returned: what the page holds is zero, or was written since, or it was not `done`. */
void ref_settle_punch(struct ref_backing *backing, u64 page, u64 start, bool done);

/* A loss of the page's frame has returned. */
void ref_settle_loss(struct ref_backing *backing, u64 page);

/* Nothing is in progress: every page holds what it must. */
void ref_check_all(void);

/* ---- dirty logs: tests/hardware/reference_log.c */

/* A page of a slot is written now; `slot` is of `vm`, or its `before`. */
void ref_log_write(struct ref_vm *vm, const struct ref_slot *slot, u64 gfn);

/* The hypervisor has written to it, some time since `start`. */
void ref_log_written(struct ref_vm *vm, const struct ref_slot *slot, u64 gfn, u64 start);

/* The content of a page has changed, some time since `start`, wherever it is shown. */
void ref_log_changed(const struct ref_backing *backing, u64 page, u64 start);

/* `pages` (gfns) have been reported. */
void ref_log_settle(struct ref_vm *vm, unsigned id, enum dirty_user user, const struct page_set *pages);

/* Every page of the slot will be reported. */
void ref_log_owe_all(struct ref_vm *vm, unsigned id, enum dirty_user user);

/* Nothing is in progress, and nobody is in a guest: what is owed is in the logs. */
void ref_check_logs(void);

#endif

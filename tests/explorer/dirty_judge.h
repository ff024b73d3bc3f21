/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No write is lost: a write is owed to each user of the scene's dirty log from the step that does it until a report that names
 * its page; what is owed at the end must be in one more report (C10, C11). The first JUDGED pages of the slot are judged.
 */
#ifndef TESTS_EXPLORER_DIRTY_JUDGE_H
#define TESTS_EXPLORER_DIRTY_JUDGE_H

#include "mm/dirty_log.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"

enum { JUDGED = 4 };

extern struct judge_user {
    bool active;
    bool owed[JUDGED];
    unsigned reported[JUDGED]; /* how often */
    struct page_set *report;   /* of the last harvest */
} judge_users[DIRTY_USERS];

/* In a setup: before the VM is made, a processor with PML or without; after that, its guests' writes are judged. */
void judge_start_machine(bool logs);
void judge_guests(bool logs);

/* Both guests have written page 0, guest 0 is still inside, and writes on without a walk. */
void judge_write_first(void);

void judge_start_user(enum dirty_user user, u32 flags);
void judge_stop_user(enum dirty_user user);

/* Of the whole slot; what is reported is not owed any more. */
int judge_try_harvest(enum dirty_user user);
void judge_harvest(enum dirty_user user);
void judge_forget_report(enum dirty_user user);
void judge_settle(enum dirty_user user);

/* The page was written now, by somebody else than a guest. */
void judge_owe(u64 gfn);

/* An actor: the guest writes page 0 twice, and leaves after each. */
void judge_write(unsigned guest);

/* The end: nobody is inside, all that is owed is reported, and all invariants hold. Takes all apart. */
void judge_check(void);

/* Setups `start`_pml and `start`_wp of a setup that is told whether the processor logs; and a scenario with each. */
#define MACHINES(start)           \
    static void start##_pml(void) \
    {                             \
        start(true);              \
    }                             \
    static void start##_wp(void)  \
    {                             \
        start(false);             \
    }

#define SCENARIO_IN_BOTH(name, start, ...)                   \
    SCENARIO(name##_pml, .setup = start##_pml, __VA_ARGS__); \
    SCENARIO(name##_wp, .setup = start##_wp, __VA_ARGS__)

#endif

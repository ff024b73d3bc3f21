/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenes (tests/hardware/scene.h) whose slot is logged: each test in three machines, that log modifications (PML), that only
 * have A and D bits, and that have neither. The slot is mapped 2M where nobody logs it.
 */
#ifndef TESTS_HARDWARE_LOG_SCENE_H
#define TESTS_HARDWARE_LOG_SCENE_H

#include "mm/dirty_log.h"
#include "tests/hardware/scene.h"

/* OPERATOR: a processor without a vCPU in these tests, that may harvest while another one waits in its flush. */
enum { SLOT = 0, REGION = 512, OPERATOR = 3 };

extern struct page_set *log_report; /* of the last harvest */

int log_scene_with_pml(void **state);
int log_scene_protecting(void **state);
int log_scene_without_bits(void **state);
int log_scene_finish(void **state);

#define LOG_SCENE_TEST(test)                                                         \
    { #test "_pml", test, log_scene_with_pml, log_scene_finish, NULL },              \
        { #test "_protecting", test, log_scene_protecting, log_scene_finish, NULL }, \
    {                                                                                \
#test "_without_bits", test, log_scene_without_bits, log_scene_finish, NULL  \
    }

/* For the operator, who is the user of the log unless it says otherwise. */
void log_start(u32 flags);
void log_stop(void);
void log_harvest(enum dirty_user user);

void log_leave_all(void);

/* What the operator is told when nobody is in the guest. */
void assert_reported(u64 gfn);
void assert_only_reported(u64 gfn); /* and nothing else */
void assert_nothing_reported(void);

#endif

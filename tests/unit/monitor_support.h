/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests for the tests and the fuzzer of hv/monitor*.c: two VMs with memory and with a processor that never runs, tasks that do
 * what a test says, a clock that moves when it is read.
 */
#ifndef TESTS_UNIT_MONITOR_SUPPORT_H
#define TESTS_UNIT_MONITOR_SUPPORT_H

#include "hv/monitor.h"
#include "hv/vm.h"
#include "tests/unit/mm_support.h"

#define MS 1000000ull

extern struct vm left, right; /* 8 MiB in one slot, and 4 GiB in two; on demand, up to 2M */
extern u64 now_ns;
extern char said[1 << 16];                /* the answer to the last command, a line each */
extern struct monitor_context context;    /* of the last command */
extern void (*on_task_yield)(void);       /* once */
extern unsigned snapshots, resets, drops; /* calls of vm_snapshot_…() */
extern unsigned arrivals;                 /* calls of vm_input_arrived() */

/* Of the next command; NULL after start_guests(). */
extern bool (*context_cancelled)(void *argument);
extern void (*context_connect)(void *argument, struct vm *vm);

int execute(const char *line);
int execute_as(struct vm *self, const char *line);

/* Faults on the pages [first, end). */
void touch(struct vm *vm, u64 first, u64 end, u32 access);

/* For on_task_yield: */
void end_command(void);
void end_guests(void);
void print_and_end(void);

void start_guests(const struct mm_caps *caps);
void stop_guests(void);

static inline int start_monitor(void **state)
{
    start_guests(&port_host_caps);
    return 0;
}

/* Whatever was said: nobody works on a guest any more. */
static inline int stop_monitor(void **state)
{
    assert_int_equal(left.users + right.users, 0);
    assert_false(left.is_commanded || right.is_commanded);
    assert_sound();
    stop_guests();
    return 0;
}

#define MONITOR_TEST(test) cmocka_unit_test_setup_teardown(test, start_monitor, stop_monitor)

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Coroutines of one thread, each with a stack of its own: what runs is chosen by the test alone. */
#ifndef TESTS_HARDWARE_FIBER_H
#define TESTS_HARDWARE_FIBER_H

#include <stdbool.h>

struct fiber;

/* It begins with the first fiber_run(). When `run` returns the fiber has ended. */
struct fiber *fiber_create(void (*run)(void *argument), void *argument);
void fiber_destroy(struct fiber *fiber);

/* From the thread's own stack: runs `fiber` until it pauses or ends. Whether it can go on. */
bool fiber_run(struct fiber *fiber);

/* From a fiber: back to who runs it. */
void fiber_pause(void);

/* NULL: the thread's own stack. */
struct fiber *fiber_current(void);

#endif

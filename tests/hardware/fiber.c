/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/fiber.h. The address sanitizer is told of every switch, because it keeps a picture of the stack. */
#include "tests/hardware/fiber.h"

#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK = 256 << 10 };

struct fiber {
    ucontext_t context;
    void (*run)(void *argument);
    void *argument;
    void *shadow; /* the sanitizer's */
    bool ended;
    char *stack;
};

static ucontext_t thread;
static const void *thread_stack;
static size_t thread_size;
static struct fiber *current;

static void begin(void)
{
    struct fiber *fiber = current;

    __sanitizer_finish_switch_fiber(NULL, &thread_stack, &thread_size);
    fiber->run(fiber->argument);
    fiber->ended = true;
    __sanitizer_start_switch_fiber(NULL, thread_stack, thread_size);
    setcontext(&thread);
}

struct fiber *fiber_create(void (*run)(void *argument), void *argument)
{
    struct fiber *fiber = calloc(1, sizeof(*fiber));

    fiber->stack = malloc(STACK);
    fiber->run = run;
    fiber->argument = argument;
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK;
    makecontext(&fiber->context, begin, 0);
    return fiber;
}

void fiber_destroy(struct fiber *fiber)
{
    free(fiber->stack);
    free(fiber);
}

bool fiber_run(struct fiber *fiber)
{
    void *shadow;

    if (fiber->ended)
        return false;
    current = fiber;
    __sanitizer_start_switch_fiber(&shadow, fiber->stack, STACK);
    swapcontext(&thread, &fiber->context);
    __sanitizer_finish_switch_fiber(shadow, NULL, NULL);
    current = NULL;
    return !fiber->ended;
}

void fiber_pause(void)
{
    struct fiber *fiber = current;

    __sanitizer_start_switch_fiber(&fiber->shadow, thread_stack, thread_size);
    swapcontext(&fiber->context, &thread);
    __sanitizer_finish_switch_fiber(fiber->shadow, &thread_stack, &thread_size);
}

struct fiber *fiber_current(void)
{
    return current;
}

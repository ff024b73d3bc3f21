/* SPDX-License-Identifier: BSD-2-Clause */
/* See stack.h. */
#include "arch/x86/stack.h"

#include "hv/lib/format.h"

static struct stack stacks[STACK_MAX];
static unsigned stack_count;

int stack_add(const char *name, u64 bottom, u64 top)
{
    struct stack *stack = &stacks[stack_count];

    if (stack_count == STACK_MAX)
        return -ENOSPC;
    format_text(stack->name, sizeof stack->name, "%s", name);
    stack->bottom = bottom;
    stack->top = top;
    /* Pairs with the load in stack_get(): a report on another processor sees a whole record. */
    __atomic_store_n(&stack_count, stack_count + 1, __ATOMIC_RELEASE);
    return 0;
}

const struct stack *stack_get(unsigned index)
{
    return index < __atomic_load_n(&stack_count, __ATOMIC_ACQUIRE) ? &stacks[index] : NULL;
}

const struct stack *stack_find(u64 address)
{
    const struct stack *stack;

    for (unsigned i = 0; (stack = stack_get(i)) != NULL; i++) {
        if (address >= stack->bottom && address <= stack->top)
            return stack;
    }
    return NULL;
}

const struct stack *stack_find_guard(u64 address)
{
    const struct stack *stack;

    for (unsigned i = 0; (stack = stack_get(i)) != NULL; i++) {
        if (address < stack->bottom && address >= stack->bottom - PAGE_SIZE)
            return stack;
    }
    return NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of all stacks and their names. Reports of faults ask it what an address is, and backtraces follow frame pointers
 * only inside a stack that stands here. Stacks are never removed. Writers come one at a time; readers need no lock.
 */
#ifndef ARCH_X86_STACK_H
#define ARCH_X86_STACK_H

#include "mm/types.h"

enum { STACK_NAME_SIZE = 32, STACK_MAX = 640 };

/* The page below `bottom` is not mapped: the stack's guard page. */
struct stack {
    char name[STACK_NAME_SIZE];
    u64 bottom; /* lowest address */
    u64 top;    /* the address behind the highest byte: what RSP is at first */
};

/* The name is copied, and cut if it is long. 0 or -ENOSPC. */
int stack_add(const char *name, u64 bottom, u64 top);

/* The stack in which `address` lies; NULL: none. `top` itself belongs to it, so that an empty stack's RSP does. */
const struct stack *stack_find(u64 address);

/* The stack whose guard page `address` lies in; NULL: none. */
const struct stack *stack_find_guard(u64 address);

/* Stack number `index`, from 0; NULL behind the last one. */
const struct stack *stack_get(unsigned index);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Broken code whose bugs the explorer must find, each with the number of preemptions that it takes. */
#include "mm/atomic.h"
#include "mm/port.h"
#include "tests/explorer/explorer.h"

static u32 word, inside, flag[2], turn, lock[2];

/* Two actors add to a word by reading and writing. */
static void lose_update(void)
{
    u32 value = atomic_read(&word);

    atomic_write(&word, value + 1);
}

static void check_update(void)
{
    EXPECT(word == 2);
}

SCENARIO(lost_update, .actor = { lose_update, lose_update }, .check = check_update, .broken = true, .bound = 1);

static void critical_section(void)
{
    EXPECT(inside == 0);
    inside = 1;
    explorer_point("inside");
    inside = 0;
}

/* Peterson's lock, that gives way before it says that it wants to. */
static void broken_peterson(unsigned self)
{
    atomic_write(&turn, !self);
    atomic_write(&flag[self], 1u);
    while (atomic_read(&flag[!self]) && atomic_read(&turn) == !self)
        port_relax();
    critical_section();
    atomic_write(&flag[self], 0u);
}

static void broken_peterson_0(void)
{
    broken_peterson(0);
}

static void broken_peterson_1(void)
{
    broken_peterson(1);
}

SCENARIO(broken_peterson, .actor = { broken_peterson_0, broken_peterson_1 }, .broken = true, .bound = 2);

/* The right one: no schedule fails. */
static void peterson(unsigned self)
{
    atomic_write(&flag[self], 1u);
    atomic_write(&turn, !self);
    while (atomic_read(&flag[!self]) && atomic_read(&turn) == !self)
        port_relax();
    critical_section();
    atomic_write(&flag[self], 0u);
}

static void peterson_0(void)
{
    peterson(0);
}

static void peterson_1(void)
{
    peterson(1);
}

SCENARIO(peterson, .actor = { peterson_0, peterson_1 }, .bound = 6);

static void take(u32 *at)
{
    u32 free = 0;

    while (!atomic_cmpxchg(at, &free, 1u)) {
        free = 0;
        port_relax();
    }
}

static void take_both(unsigned first)
{
    take(&lock[first]);
    take(&lock[!first]);
    atomic_write(&lock[!first], 0u);
    atomic_write(&lock[first], 0u);
}

static void take_0_1(void)
{
    take_both(0);
}

static void take_1_0(void)
{
    take_both(1);
}

SCENARIO(lock_inversion, .actor = { take_0_1, take_1_0 }, .broken = true, .bound = 1);

/* Who waits by yielding for what never comes. */
static void yield_for_ever(void)
{
    while (atomic_read(&word) == 0)
        port_yield();
}

static void do_nothing(void)
{
}

SCENARIO(lost_wakeup, .actor = { yield_for_ever, yield_for_ever, do_nothing }, .broken = true, .bound = 0);

/* Needs three preemptions: both must be in the middle of their second step. */
static void step_twice(unsigned self)
{
    atomic_write(&flag[self], 1u);
    u32 other = atomic_read(&flag[!self]);
    atomic_write(&flag[self], 2u);
    u32 then = atomic_read(&flag[!self]);
    EXPECT(!(self == 0 && other == 1 && then == 2));
    atomic_write(&flag[self], 3u);
}

static void step_twice_0(void)
{
    step_twice(0);
}

static void step_twice_1(void)
{
    step_twice(1);
}

SCENARIO(three_preemptions, .actor = { step_twice_0, step_twice_1 }, .broken = true, .bound = 3);

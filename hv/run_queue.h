/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose turn it is on one processor. All that are ready take turns; one whose sleep is over comes before its turn, if the others
 * have had as much time since as the last such run took: so who is woken all the time takes half of the time at most. Whoever has
 * made room for it goes on with the rest of his turn: so nobody's turns are cut short by sleepers that are woken just then.
 * Pure: hv/task.c has the tasks and the clock. All functions but run_wake() are called by the processor whose queue it is.
 */
#ifndef HV_RUN_QUEUE_H
#define HV_RUN_QUEUE_H

#include "mm/types.h"

#define RUN_NO_DEADLINE (~0ull)

struct run_entry {
    struct run_entry *next; /* round the queue */

    /* the queue's processor only: */
    u64 wake_at;  /* clock; of a sleeper */
    bool resumes; /* its sleep is over, and it has not run since */

    /* atomic: */
    bool sleeps, woken;
};

/* All zero: empty. */
struct run_queue {
    struct run_entry *last; /* of the ring, which starts behind it; NULL: empty */
    struct run_entry *turn; /* who had the last turn */
    bool turn_goes_on;      /* he has made room, and is not at its end */

    /* since run_pick(): */
    bool resumed;  /* who was picked had slept */
    u64 picked_at; /* clock */
    u64 owed;      /* ticks that others are to run before somebody comes before his turn again */
    u64 next_wake; /* clock: the first sleeper's */

    /* atomic: */
    struct run_entry *running;
    bool woken; /* a sleeper, since run_pick() */
};

/* Before others know the queue, or on its processor. The entry is ready. */
void run_add(struct run_queue *queue, struct run_entry *entry);
void run_remove(struct run_queue *queue, struct run_entry *entry);

/* The next one to run, which runs until run_stop(); NULL: nobody is ready, until queue->next_wake or a wake. */
struct run_entry *run_pick(struct run_queue *queue, u64 now);
void run_stop(struct run_queue *queue, u64 now);

/* The running one makes room before its turn is over. Before run_stop(). */
void run_make_room(struct run_queue *queue);

/* The running one will be ready again only when the clock has reached `wake_at`, or it is woken. Before run_stop(). */
void run_sleep(struct run_queue *queue, u64 wake_at);

/* Whether the running one should make room for a sleeper that was woken; and when for one whose time comes. */
bool run_should_stop(struct run_queue *queue, u64 now);
u64 run_next_wake(const struct run_queue *queue);

/*
 * From any processor: ends the sleep of `entry`, or its next one. True: the queue's processor should look, if it is in a guest
 * or idles, and was not told so before.
 */
bool run_wake(struct run_queue *queue, struct run_entry *entry);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an actor that waits can go on. It says only that it waits: port_relax() and port_yield() do not tell for what. So
 * the words that it has looked at since it waited last (a round) are noted. In a loop that has only looked, twice at the same
 * words and with the same result, it goes on when one of them changes.
 */
#ifndef TESTS_EXPLORER_WAIT_H
#define TESTS_EXPLORER_WAIT_H

#include "mm/types.h"

enum { WAIT_WORDS = 48 };

enum wait_state {
    WAIT_NOT,
    WAIT_RELAX, /* until something has changed */
    WAIT_YIELD, /* the same, but not if nobody else can go on */
    WAIT_ENDED, /* for ever */
};

struct wait {
    enum wait_state state;
    unsigned count; /* of words in this round; more than WAIT_WORDS: not all are noted */
    struct wait_word {
        const volatile u64 *word;
        u64 value; /* right before the actor looked; when it waits: as that began */
    } words[WAIT_WORDS];
    u64 hash_of_words, hash_of_values; /* of the last round */
    unsigned round;                    /* its length */
    unsigned alike;                    /* rounds before it with the same words */
    bool same;                         /* the last two rounds, also in what was seen */
    bool loops;                        /* what it does is no progress */
    u64 since;                         /* the progress when it began to wait */
};

/* The actor is about to look at this word. */
void wait_look(struct wait *wait, const volatile u64 *word);

/* The actor goes on to wait or to yield; `progress` counts points of actors that do not loop. */
void wait_begin(struct wait *wait, enum wait_state state, u64 progress);

/* The actor goes on. */
void wait_end(struct wait *wait);

/* Whether a point of this actor is progress. */
bool wait_is_progress(struct wait *wait);

bool wait_is_over(const struct wait *wait, u64 progress);

/* Whether it may be tried once more, if nobody can go on: what it waits for is only a guess. */
bool wait_is_guess(const struct wait *wait);

#endif

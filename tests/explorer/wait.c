/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/wait.h. */
#include "tests/explorer/wait.h"

/* ALIKE: rounds with the same words that are a loop even if what is in them is never the same. */
enum { ALIKE = 3, GUESSED = 2 };

void wait_look(struct wait *wait, const volatile u64 *word)
{
    if (wait->count < WAIT_WORDS)
        wait->words[wait->count] = (struct wait_word){ word, *word };
    if (wait->count <= WAIT_WORDS)
        wait->count++;
}

static u64 mix(u64 hash, u64 value)
{
    return (hash ^ value) * 0x9e3779b97f4a7c15ull;
}

/* Compares the round with the one before: the words, what was in them when they were looked at, and what is in them now. */
static void close_round(struct wait *wait)
{
    u64 words = wait->count + 1, values = 0;

    for (unsigned i = 0; i < wait->count && i < WAIT_WORDS; i++) {
        struct wait_word *at = &wait->words[i];

        words = mix(words, (u64)(uintptr_t)at->word);
        values = mix(values, at->value);
        at->value = *at->word;
        values = mix(values, at->value);
    }
    wait->alike = words == wait->hash_of_words ? wait->alike + 1 : 0;
    wait->same = wait->alike > 0 && values == wait->hash_of_values;
    wait->loops = wait->same || wait->alike >= ALIKE;
    wait->hash_of_words = words;
    wait->hash_of_values = values;
    wait->round = wait->count;
}

void wait_begin(struct wait *wait, enum wait_state state, u64 progress)
{
    close_round(wait);
    wait->since = progress;
    /* Who yields need not wait for anything: only if it comes back having seen the same. */
    wait->state = state == WAIT_YIELD && !wait->loops ? WAIT_NOT : state;
}

void wait_end(struct wait *wait)
{
    wait->state = WAIT_NOT;
    wait->count = 0;
}

bool wait_is_progress(struct wait *wait)
{
    if (wait->count > wait->round)
        wait->loops = false;
    return !wait->loops;
}

/*
 * Before it is known what a loop looks at, it is the last words of the round. Without any (it waits for a leaf lock), and
 * where each round changes words itself, it is whatever others do.
 */
bool wait_is_over(const struct wait *wait, u64 progress)
{
    bool guesses = !wait->same && wait->state == WAIT_RELAX;

    if (wait->state == WAIT_NOT || wait->state == WAIT_ENDED)
        return wait->state == WAIT_NOT;
    if ((!wait->same && !guesses) || wait->count == 0 || wait->count > WAIT_WORDS)
        return progress != wait->since;
    for (unsigned i = guesses && wait->count > GUESSED ? wait->count - GUESSED : 0; i < wait->count; i++) {
        if (*wait->words[i].word != wait->words[i].value)
            return true;
    }
    return false;
}

bool wait_is_guess(const struct wait *wait)
{
    return wait->state == WAIT_YIELD || (wait->state == WAIT_RELAX && !wait->same);
}

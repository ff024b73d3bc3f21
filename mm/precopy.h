/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a migration by pre-copy would come to an end: it sends all memory while the guest runs, then what was written
 * meanwhile, and so on, until what is left can be sent while the guest stands still. Pure arithmetic on what
 * mm/dirty_rate.h has measured; integers only, no allocation, and every input is safe.
 *
 * The model: the number of different pages that are written in a time t is D(t) = W (1 - x^(t/T)): a guest that writes
 * anywhere in W pages at a constant rate does just that. x and W are those with which D(T) and D(2T) are what was measured.
 * If the second period added as many pages as the first, W is unknown and D grows in a straight line, up to all of memory.
 *
 * What it is worth: least is guessed where the period is the downtime allowed. Each round's time leads to the next one's by
 * a curve that only bends down, so the migration ends exactly if in the time of the downtime fewer pages are written than can
 * be sent, and that number was measured, whatever the guest does otherwise: the needed bandwidth is right within 10 %. With
 * half of that or twice that it is within 20 %; but of a guest that writes many pages in turn a longer period does not show
 * that they are few in a short time, and the forecast asks for more than is needed. From twice the needed bandwidth on, the
 * time is at most 30 % too short and 10 % too long.
 */
#ifndef MM_PRECOPY_H
#define MM_PRECOPY_H

#include "mm/types.h"

/* What is sent for a page: its content, and 8 bytes that say which one it is. */
enum { PRECOPY_PAGE_BYTES = 4096 + 8, PRECOPY_ROUNDS = 100 };

struct precopy_input {
    u64 memory;    /* pages that must be sent; more than 2^40 count as 2^40 */
    u64 period;    /* ns, of each of two samples; 0 counts as 1 */
    u64 one;       /* different pages that were written in the first period: sample.pages of the first sample */
    u64 both;      /* in the first and the second: `one` + sample.new_pages of the second sample */
    u64 bandwidth; /* bytes per second */
    u64 downtime;  /* ns that the guest may stand still */
};

struct precopy_forecast {
    bool converges;
    unsigned rounds; /* while the guest runs; 0: all fits into the downtime. At most PRECOPY_ROUNDS */
    u64 time;        /* ns, with the downtime; if it does not converge, until that is known */
    u64 pages;       /* that are sent in this time, each time it is sent */
    u64 downtime;    /* ns that the guest stands still; if it does not converge, the least with which it would */
    u64 bandwidth;   /* the least, to 1 in 100, with which it would converge; 0: none suffices */
};

/* Times that no u64 can hold are ~0. */
#define PRECOPY_NEVER (~0ull)

void precopy_forecast(const struct precopy_input *input, struct precopy_forecast *forecast);

/*
 * D(time) of the model, rounded up to pages and to 2^-32 of a period. The error is below 1 in 2^20, and a page for each 2^36
 * pages of memory. For tests.
 */
u64 precopy_written(const struct precopy_input *input, u64 time);

#endif

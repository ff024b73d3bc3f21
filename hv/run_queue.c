/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See run_queue.h. Who wakes stores `woken` and then looks whether the entry sleeps or runs; who falls asleep stores `sleeps`
 * and looks for `woken` afterwards, in run_pick(). One of the two sees the other: all four are sequentially consistent.
 */
#include "hv/run_queue.h"

void run_add(struct run_queue *queue, struct run_entry *entry)
{
    *entry = (struct run_entry){ .next = queue->last ? queue->last->next : entry };
    if (queue->last)
        queue->last->next = entry;
    if (queue->turn == queue->last) /* the first one is next */
        queue->turn = entry;
    queue->last = entry;
}

void run_remove(struct run_queue *queue, struct run_entry *entry)
{
    struct run_entry *before = entry;

    while (before->next != entry)
        before = before->next;
    before->next = entry->next;
    if (before == entry)
        before = NULL;
    queue->last = queue->last == entry ? before : queue->last;
    if (queue->turn == entry) {
        queue->turn = before;
        queue->turn_goes_on = false;
    }
}

static bool is_ready(struct run_entry *entry, u64 now)
{
    if (!__atomic_load_n(&entry->sleeps, __ATOMIC_RELAXED))
        return true;
    if (!__atomic_exchange_n(&entry->woken, false, __ATOMIC_SEQ_CST) && now < entry->wake_at)
        return false;
    __atomic_store_n(&entry->sleeps, false, __ATOMIC_SEQ_CST);
    entry->resumes = true;
    return true;
}

struct run_entry *run_pick(struct run_queue *queue, u64 now)
{
    struct run_entry *entry = queue->turn, *turn = NULL, *early = NULL;

    queue->next_wake = RUN_NO_DEADLINE;
    /* Before the entries are looked at: a wake that comes meanwhile raises it again. */
    __atomic_store_n(&queue->woken, false, __ATOMIC_SEQ_CST);
    if (!entry)
        return NULL;
    do {
        entry = entry->next;
        if (is_ready(entry, now)) {
            if (!turn || (queue->turn_goes_on && entry == queue->turn))
                turn = entry;
            early = !early && entry->resumes ? entry : early;
        } else if (entry->wake_at < queue->next_wake) {
            queue->next_wake = entry->wake_at;
        }
    } while (entry != queue->turn);

    if (!turn) {
        queue->owed = 0;
        return NULL;
    }
    entry = early && queue->owed == 0 ? early : turn;
    if (entry == turn) {
        queue->turn = entry;
        queue->turn_goes_on = false;
    }
    queue->resumed = entry->resumes;
    entry->resumes = false;
    queue->picked_at = now;
    __atomic_store_n(&queue->running, entry, __ATOMIC_SEQ_CST);
    return entry;
}

void run_stop(struct run_queue *queue, u64 now)
{
    u64 ran = now - queue->picked_at;

    if (queue->resumed)
        queue->owed = ran > queue->owed ? ran : queue->owed;
    else
        queue->owed -= ran < queue->owed ? ran : queue->owed;
    __atomic_store_n(&queue->running, NULL, __ATOMIC_SEQ_CST);
}

void run_make_room(struct run_queue *queue)
{
    queue->turn_goes_on = queue->turn_goes_on || queue->running == queue->turn;
}

void run_sleep(struct run_queue *queue, u64 wake_at)
{
    struct run_entry *entry = queue->running;

    entry->wake_at = wake_at;
    __atomic_store_n(&entry->sleeps, true, __ATOMIC_SEQ_CST);
}

bool run_should_stop(struct run_queue *queue, u64 now)
{
    return __atomic_load_n(&queue->woken, __ATOMIC_SEQ_CST) && now - queue->picked_at >= queue->owed;
}

u64 run_next_wake(const struct run_queue *queue)
{
    u64 paid = queue->picked_at + queue->owed;
    /* Who was woken has to wait only for what is owed: nobody wakes him again. */
    u64 next = __atomic_load_n(&queue->woken, __ATOMIC_SEQ_CST) ? 0 : queue->next_wake;

    return next > paid ? next : paid;
}

bool run_wake(struct run_queue *queue, struct run_entry *entry)
{
    bool woken_before = __atomic_exchange_n(&entry->woken, true, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&entry->sleeps, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&queue->woken, true, __ATOMIC_SEQ_CST);
        return !woken_before; /* else somebody has said so: a guest cannot have others kicked all the time */
    }
    return __atomic_load_n(&queue->running, __ATOMIC_SEQ_CST) == entry;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* So many records of slots that the pool of these, which is that of their logs too, needs a frame for the next one. */
#ifndef TESTS_UNIT_SLOT_ROOM_H
#define TESTS_UNIT_SLOT_ROOM_H

#include "tests/unit/mm_support.h"

struct slot_room {
    struct memslot *taken[128];
    unsigned count;
};

/* Records like the one that is given; there is room for `left` more. */
static inline void fill_slot_room(const struct memslot *slot, unsigned left, struct slot_room *room)
{
    struct memslot *taken;

    room->count = 0;
    port_host_take_all_but(0);
    while ((taken = memslot_create(slot)) != NULL) {
        /* Not its own. */
        taken->log[0] = taken->log[1] = NULL;
        assert_true(room->count < sizeof(room->taken) / sizeof(room->taken[0]));
        room->taken[room->count++] = taken;
    }
    port_host_give_back();
    while (left-- > 0)
        memslot_destroy(room->taken[--room->count]);
}

static inline void empty_slot_room(struct slot_room *room)
{
    while (room->count > 0)
        memslot_destroy(room->taken[--room->count]);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_watch.h. */
#include "hv/gdb_watch.h"

enum { SLOT_BYTES = 8 };

/* All watches' pieces in their order. False: they are too many. */
static bool assign(struct gdb_watches *watches)
{
    unsigned used = 0;

    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++)
        watches->slots[i] = (struct gdb_debug_slot){ .kind = GDB_SLOT_FREE };
    for (unsigned i = 0; i < watches->count; i++) {
        const struct gdb_watch *watch = &watches->at[i];
        for (u64 done = 0, piece; done < watch->length; done += piece) {
            u64 linear = watch->linear + done;
            for (piece = SLOT_BYTES; linear % piece != 0 || piece > watch->length - done;)
                piece /= 2;
            if (used == GDB_DEBUG_SLOTS)
                return false;
            watches->slots[used++] = (struct gdb_debug_slot){ watch->kind, (u8)piece, linear };
        }
    }
    return true;
}

/* The index; count: there is none. */
static unsigned find(const struct gdb_watches *watches, enum gdb_slot_kind kind, u64 linear, u64 length)
{
    unsigned i = 0;

    while (i < watches->count &&
           (watches->at[i].kind != kind || watches->at[i].linear != linear || watches->at[i].length != length))
        i++;
    return i;
}

int gdb_watches_insert(struct gdb_watches *watches, enum gdb_slot_kind kind, u64 linear, u64 length)
{
    struct gdb_watches changed = *watches;

    if (length == 0 || linear + (length - 1) < linear)
        return -EINVAL;
    if (find(watches, kind, linear, length) < watches->count)
        return 0;
    if (changed.count == GDB_DEBUG_SLOTS)
        return -ENOSPC;
    changed.at[changed.count++] = (struct gdb_watch){ kind, linear, length };
    if (!assign(&changed))
        return -ENOSPC;
    *watches = changed;
    return 0;
}

void gdb_watches_remove(struct gdb_watches *watches, enum gdb_slot_kind kind, u64 linear, u64 length)
{
    unsigned i = find(watches, kind, linear, length);

    if (i == watches->count)
        return;
    for (watches->count--; i < watches->count; i++)
        watches->at[i] = watches->at[i + 1];
    (void)assign(watches); /* fewer than before fit */
}

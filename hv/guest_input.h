/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes on their way to a guest's serial port, until that has room. One puts at a time (the monitor, on processor 0),
 * and one takes (whoever has the guest's devices); both may be at work together, without a lock.
 */
#ifndef HV_GUEST_INPUT_H
#define HV_GUEST_INPUT_H

#include "mm/types.h"

enum { GUEST_INPUT_SIZE = 256 };

/* All zero: empty. */
struct guest_input {
    u32 put_count, taken_count; /* atomic; they wrap around */
    u8 bytes[GUEST_INPUT_SIZE];
};

/* How many bytes can be put; more may become possible meanwhile. */
unsigned guest_input_room(const struct guest_input *input);

/* False: there is no room. */
bool guest_input_put(struct guest_input *input, u8 byte);

/* Whether there is something to take. */
static inline bool guest_input_waits(const struct guest_input *input)
{
    return __atomic_load_n(&input->put_count, __ATOMIC_ACQUIRE) !=
           __atomic_load_n(&input->taken_count, __ATOMIC_RELAXED);
}

/* False: there is none. *byte is the oldest one. */
bool guest_input_take(struct guest_input *input, u8 *byte);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring: see guest_input.h. */
#include "hv/guest_input.h"

#include "mm/atomic.h"

static_assert((GUEST_INPUT_SIZE & (GUEST_INPUT_SIZE - 1)) == 0, "the counts may wrap around");

unsigned guest_input_room(const struct guest_input *input)
{
    return GUEST_INPUT_SIZE - (input->put_count - atomic_read(&input->taken_count));
}

bool guest_input_put(struct guest_input *input, u8 byte)
{
    u32 at = input->put_count;

    if (guest_input_room(input) == 0)
        return false;
    input->bytes[at % GUEST_INPUT_SIZE] = byte;
    atomic_write(&input->put_count, at + 1); /* pairs with the read in guest_input_take(): the byte is there */
    return true;
}

bool guest_input_take(struct guest_input *input, u8 *byte)
{
    u32 at = input->taken_count;

    if (!guest_input_waits(input))
        return false;
    *byte = input->bytes[at % GUEST_INPUT_SIZE];
    atomic_write(&input->taken_count, at + 1); /* pairs with the read in guest_input_room(): the place is free */
    return true;
}

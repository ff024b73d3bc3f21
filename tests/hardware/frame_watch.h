/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every frame of the machine is used for now, learned from each call of frame_alloc(), frame_free() and
 * their kin (the tests are linked with --wrap), so that it does not depend on what mm/ itself remembers.
 */
#ifndef TESTS_HARDWARE_FRAME_WATCH_H
#define TESTS_HARDWARE_FRAME_WATCH_H

#include "mm/frame.h"

struct frame_use {
    enum frame_kind kind; /* FRAME_NO_KIND: free, FRAME_ABSENT: out of use for good */
    u64 serial;           /* of the allocation: another one means that the frame was free in between */
};

/* After port_host_start() of a machine with `frames` frames. */
void frame_watch_start(u64 frames);
void frame_watch_stop(void);

struct frame_use frame_watch(pfn_t pfn);

/* NULL, or what somebody did with a frame that must not be. */
const char *frame_watch_error(void);

#endif

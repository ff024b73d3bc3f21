/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen as the firmware has set it up. */
#ifndef BOOT_VIDEO_H
#define BOOT_VIDEO_H

#include "boot/handoff.h"

/* The first screen that shows a linear framebuffer of 32-bit pixels in its current mode; else format is FRAMEBUFFER_NONE. */
struct framebuffer video_framebuffer(void);

#endif

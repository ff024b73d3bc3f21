/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The debug-exit port, 0xf4: a guest ends by writing its status there, in one access of any width. Reads give 0.
 * QEMU's device of that name turns the value v into its own exit status 2v+1; slat reports v itself.
 */
#ifndef HV_DEV_DEBUG_EXIT_H
#define HV_DEV_DEBUG_EXIT_H

#include "hv/dev/port_bus.h"

enum { DEBUG_EXIT_PORT = 0xf4, DEBUG_EXIT_PORTS = 4 };

struct debug_exit {
    void (*exit)(void *context, u32 status);
    void *context;
};

extern const struct port_ops debug_exit_ops; /* dev: struct debug_exit */

#endif

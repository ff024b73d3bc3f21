/* SPDX-License-Identifier: BSD-2-Clause */
/* See debug_exit.h. */
#include "hv/dev/debug_exit.h"

static u8 debug_exit_read(void *dev, unsigned reg, u64 now_ns)
{
    return 0;
}

static void debug_exit_write(void *dev, unsigned reg, u32 value, unsigned size, u64 now_ns)
{
    struct debug_exit *port = dev;

    port->exit(port->context, value);
}

/* A wide write that starts below the port and reaches into it. */
static void debug_exit_write_byte(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    debug_exit_write(dev, reg, value, 1, now_ns);
}

const struct port_ops debug_exit_ops = {
    .read = debug_exit_read,
    .write = debug_exit_write_byte,
    .write_whole = debug_exit_write,
};

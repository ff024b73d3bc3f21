/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/ in a process that measures it: as tests/unit/port_host.h, but every function does no more than the hypervisor's
 * own (hv/mm_port.c). RAM is in large pages and has been touched, as the hypervisor's direct map is.
 */
#ifndef TESTS_BENCH_PORT_BENCH_H
#define TESTS_BENCH_PORT_BENCH_H

#include "mm/vm_memory.h"

/* Not 0, not the address of the mapping, and aligned to 1 GiB. */
#define PORT_BENCH_BASE (1ull << 18)

/* What port_processor() says. */
extern _Thread_local unsigned port_bench_processor;

/* RAM of `frames` frames, and mm_init(). */
void port_bench_start(u64 frames);

/* Everything in mm/ is gone by now: every frame is free, or it aborts. */
void port_bench_stop(void);

#endif

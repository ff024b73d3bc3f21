/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that mm/ needs from outside. One implementation is in the hypervisor (hv/mm_port.c), one in the tests
 * (tests/unit/port_host.c). Besides these functions mm/ uses only the compiler's freestanding headers, assert() and the
 * compiler's memset, memcpy, memmove and memcmp.
 */
#ifndef MM_PORT_H
#define MM_PORT_H

#include "mm/types.h"

struct vm_memory;

/* The address at which the hypervisor reads and writes a frame of RAM. Valid for the frame itself only. */
void *port_frame_address(pfn_t pfn);

/* The frame behind an address that port_frame_address() gave, or behind an object that lies in such a frame. */
pfn_t port_frame_of(const void *address);

/*
 * No processor uses a translation of `vm` that was removed before the call: every processor that is in one of its guests
 * leaves it, and each executes INVEPT before it enters again. Returns when that is certain. No lock is held.
 */
void port_flush_tlb(struct vm_memory *vm);

/* A point at which a long operation may be interrupted by other tasks. No lock is held. */
void port_yield(void);

/* One line for the person who runs the machine. */
__attribute__((format(printf, 1, 2))) void port_log(const char *format, ...);

#endif

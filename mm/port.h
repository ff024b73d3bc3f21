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

/*
 * The address at which the hypervisor reads and writes a frame of RAM, and the other frames of its block behind it; and the
 * frame behind an address that port_frame_address() gave, or behind an object that lies in such a frame.
 *
 * Every step of every walk asks. A build says with MM_FRAMES_AT where frame 0 is, and all others behind it; or it has functions,
 * which can also see whether the frame is RAM.
 */
#ifdef MM_FRAMES_AT
static inline void *port_frame_address(pfn_t pfn)
{
    return (void *)(MM_FRAMES_AT + pfn.v * PAGE_SIZE);
}

static inline pfn_t port_frame_of(const void *address)
{
    return (pfn_t){ ((u64)address - MM_FRAMES_AT) >> PAGE_SHIFT };
}
#else
void *port_frame_address(pfn_t pfn);
pfn_t port_frame_of(const void *address);
#endif

/*
 * Interrupts every processor that is in a guest of `vm`, so that it leaves the guest soon: all interrupts are sent, then
 * it returns. It does not wait: mm/tlb.c does. No lock is held.
 */
void port_kick(struct vm_memory *vm);

/* The number of the processor that calls, below 2^16. It does not change while a lock is held. */
unsigned port_processor(void);

/* In a loop that waits for another processor, which does not wait for this one's task: PAUSE. A lock may be held. */
void port_relax(void);

/* A point at which a long operation may be interrupted by other tasks of its processor. No lock is held. */
void port_yield(void);

/* One line for the person who runs the machine. */
__attribute__((format(printf, 1, 2))) void port_log(const char *format, ...);

#endif

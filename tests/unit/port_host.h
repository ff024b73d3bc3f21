/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/ in a process: RAM is a mapping of the process, that begins at frame PORT_HOST_BASE and holds garbage, so that what
 * is not cleared or filled shows. Everything that leaves mm/ is counted here, or seen by a test that wants to.
 */
#ifndef TESTS_UNIT_PORT_HOST_H
#define TESTS_UNIT_PORT_HOST_H

#include <setjmp.h>

#include "mm/vm_memory.h"

/* Not 0, not the address of the mapping, and aligned to 1 GiB. */
#define PORT_HOST_BASE (1ull << 18)

/* A processor with everything. */
extern const struct mm_caps port_host_caps;

struct port_host {
    u64 frames; /* of RAM */
    u64 kicks, yields, logs;
    char last_log[256];
    bool threads; /* there are several: waiting in port_relax() can end. Without, it is a deadlock, and aborts */
    /* Hooks; NULL: nothing. */
    void (*on_kick)(struct vm_memory *vm); /* once in every tlb_flush() */
    void (*on_yield)(void);
    void (*on_relax)(void);
    void (*on_point)(const void *word);             /* before every atomic operation, see mm/atomic.h */
    void (*on_pte)(u64 *entry, u64 old, u64 value); /* after every change of an entry of a table that is reachable */
};
extern struct port_host port_host;

/* What port_processor() says; 0 unless a test says otherwise. */
extern _Thread_local unsigned port_host_processor;

/* RAM of `frames` frames, all of it added to the frame allocator, all counters 0, and mm_init(&port_host_caps). */
void port_host_start(u64 frames);

/* The same, but no frame is added. */
void port_host_start_empty(u64 frames);

/* Ends what port_host_start() began. The objects in mm/ are gone: every frame is free, or it aborts. */
void port_host_stop(void);

/* The same, whatever is allocated: for tests of the frame allocator alone. */
void port_host_forget(void);

/* Takes all of RAM but `frames` single frames that are no buddies of each other, or of any other free frame. */
void port_host_take_all_but(u64 frames);

/* Gives back what port_host_take_all_but() took. */
void port_host_give_back(void);

/* Whether `expression` ends in a failed assertion. What it had done before stays done. */
#define ASSERTS(expression)                                                                         \
    (port_host_expect_assertion(), setjmp(port_host_assertion) == 0 ? (void)(expression) : (void)0, \
     port_host_assertion_failed())
void port_host_expect_assertion(void);
bool port_host_assertion_failed(void);
extern jmp_buf port_host_assertion;

#endif

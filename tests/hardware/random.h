/* SPDX-License-Identifier: BSD-2-Clause */
/* The tasks of tests/hardware/test_hardware_random.c. */
#ifndef TESTS_HARDWARE_RANDOM_H
#define TESTS_HARDWARE_RANDOM_H

#include "tests/hardware/reference.h"

enum { RANDOM_GUESTS = 6, RANDOM_OPERATORS = 2 };

struct random_world {
    u64 steps, done; /* operations */
    bool stopped;    /* everybody rests, for an audit */
    bool over;
    unsigned tasks, resting;
    unsigned levels;        /* mm_caps()->levels */
    unsigned slow_to_leave; /* accesses that a kick takes to come through, about */
    /* what was reached: */
    u64 stays, reads, writes, faults, retries, denials, devices, audits, succeeded, refused;
    u64 harvests, collapses, full_logs, full_rings, resolved_inside;
};
extern struct random_world world;

/* Between two operations: waits while the others want everything to rest. */
void random_rest(void);

/* A gfn of the VM, mostly where something happens. */
u64 random_gfn(struct ref_vm *vm);

/* The task of a vCPU of world.guests. */
struct guest {
    struct vcpu_memory vcpu;
    struct ref_vm *vm;
    unsigned view;
    bool exists;
    u64 recent[4]; /* gfns that it has reached */
};
void random_guest(void *guest);

/* One operation: false if there was nothing that it could be done to. */
bool random_vm_operation(void);
bool random_backing_operation(void);

/* One operation of dirty logs, or on large pages that come back, at these pages if it is on some. */
bool random_log_operation(struct ref_vm *vm, u64 first, u64 npages);

/* A result that is 0, or -ENOMEM where memory is scarce, or one of two more; otherwise a failure. Whether it is 0. */
bool random_expect(const char *what, int result, int other, int another);

#endif

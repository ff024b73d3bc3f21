/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small scenarios on the hardware model: one vCPU on each processor but 0, which does the operations. A vCPU that is in the
 * guest stays there until a kick; what happens between the kick and its leaving is the test's.
 */
#ifndef TESTS_HARDWARE_SCENE_H
#define TESTS_HARDWARE_SCENE_H

#include "mm/backing_change.h"
#include "tests/hardware/machine.h"
#include "tests/unit/mm_support.h"

enum { SCENE_VCPUS = 3, SCENE_PAGES = 2048 };

struct scene {
    struct vm_memory *vm;
    struct backing *backing;                   /* of slot 0, at gfn 0, mapped 4K unless scene_start_with() says else */
    struct vcpu_memory vcpus[SCENE_VCPUS + 1]; /* by processor; the first is not used */
    bool inside[SCENE_VCPUS + 1];
    void (*on_kick)(
        void); /* once, before the guests leave; it may do an operation of its own, and notes what it finds */
};
extern struct scene scene;

int scene_start(void **state);

/* On a processor with these features, which stay, and with large pages up to `largest`. */
int scene_start_with(const struct mm_caps *caps, enum level largest);

int scene_finish(void **state);

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, scene_start, scene_finish)

void scene_enter(unsigned processor);
void scene_leave(unsigned processor);

/* One access, in the guest. What the model finds wrong is in machine.failure, and fails the test at its end. */
enum cpu_result scene_access(unsigned processor, u64 gfn, u32 access, pfn_t *frame);

/* An access with the exits and faults that it needs; ends in the guest. The frame. */
pfn_t scene_touch(unsigned processor, u64 gfn, u32 access);

/* A write that was a violation is resolved in the guest. False: the vCPU has to leave for it. */
bool scene_resolve_inside(unsigned processor, u64 gfn);

/* Whether the processor can reach `gfn` without a fault. */
bool scene_reaches(unsigned processor, u64 gfn, u32 access);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole memory core: guests run, with translations that stay as long as hardware may keep them, while everything that the
 * interface has is done to their memory. No write may be lost, nothing may be seen that is not the page's, nothing may be
 * permitted that was taken away; and whenever all stand still the audit is clean.
 */
#include "tests/stress/mm_world.h"

static void actor(unsigned number, u64 *seed)
{
    if (number < VCPUS)
        vcpu_thread(number, seed);
    else
        operator_thread(number, seed);
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    world_begin();
    stress_run(THREADS, actor);
    world_end();
    world_report();
    return stress_end("guests run while their memory is changed");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What exits cost a guest, each with the guest's own instructions around it. See in_machine.h. */
#include "tests/bench/in_machine.h"

enum { TIMES = 20000, SAMPLES = 3 };

void bench_exits(struct vm_memory *vm)
{
    static const struct {
        enum bench_work work;
        const char *name;
    } works[] = {
        { BENCH_CPUID, "cpuid" },       { BENCH_RDMSR, "rdmsr" }, { BENCH_HYPERCALL, "hypercall" },
        { BENCH_DEADLINE, "deadline" }, { BENCH_PORT, "port" },
    };

    for (unsigned i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        for (unsigned sample = 0; sample < SAMPLES; sample++) {
            bench_profile(works[i].name, BENCH_GROUP);
            bench_result(works[i].name, bench_order(works[i].work, TIMES), TIMES);
        }
}

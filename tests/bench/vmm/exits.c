/* SPDX-License-Identifier: BSD-2-Clause */
/* As tests/bench/in_machine_exits.c: what exits cost a guest. See vmm.h. */
#include "tests/bench/vmm/vmm.h"

enum { MEMORY = 64 << 20, TIMES = 20000, SAMPLES = 3 };

void bench_exits(void)
{
    static const struct {
        enum bench_work work;
        const char *name;
    } works[] = {
        { BENCH_CPUID, "cpuid" },       { BENCH_RDMSR, "rdmsr" }, { BENCH_HYPERCALL, "hypercall" },
        { BENCH_DEADLINE, "deadline" }, { BENCH_PORT, "port" },
    };

    vm_create(MEMORY);
    for (unsigned i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        for (unsigned sample = 0; sample < SAMPLES; sample++)
            bench_result(works[i].name, bench_order(works[i].work, TIMES), TIMES);
    bench_stop();
}

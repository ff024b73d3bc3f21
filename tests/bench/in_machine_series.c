/* SPDX-License-Identifier: BSD-2-Clause */
/* How costs grow, for the pictures of tools/report. See in_machine.h. */
#include "tests/bench/in_machine.h"

void bench_series(struct vm_memory *vm)
{
    bench_expect(vm != NULL, "there is a guest");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests/system/faults.t: asks a slat that was built for that test (tests/system/faulty_cpuid.c) to break itself, in
 * the way that how=N says. An ordinary slat answers such a CPUID as any other.
 *
 *   [guest break]
 *   image = break_slat.elf
 *   cmdline = how=1
 *   memory = 4M
 */
#include "guest-stubs/lib/stub.h"

enum { FAULT_LEAF = 0x534c4154 };

void stub_main(void)
{
    plan(1);
    cpuid(FAULT_LEAF, (u32)argument("how", 0));
    ok(true, "slat did not break");
}

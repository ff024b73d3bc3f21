/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that prints without end costs no more lines than output-limit allows, and its expected line is still
 * seen. lines=N on the command line, else 2000.
 *
 *   [guest flood]
 *   image = flood.elf
 *   memory = 4M
 *   output-limit = 4K
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

void stub_main(void)
{
    u32 lines = (u32)argument("lines", 2000);

    plan(1);
    for (u32 i = 1; i <= lines; i++)
        print("# line %04u of %u ----------------------------------------\n", i, lines);
    ok(true, "flooded");
}

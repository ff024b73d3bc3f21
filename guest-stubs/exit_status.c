/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: the value written to the debug-exit port is the guest's exit status; status=N on the command line, else 42.
 *
 *   [guest exit-status]
 *   image = exit_status.elf
 *   memory = 4M
 *   expect-end = exit 42
 */
#include "guest-stubs/lib/stub.h"

void stub_main(void)
{
    u32 status = (u32)argument("status", 42);

    print("# exits with status %u\n", status);
    stub_exit(status);
}

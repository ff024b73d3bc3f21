/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that never ends is ended by its timeout, and keeps no other guest from running.
 *
 *   [guest spin]
 *   image = spin.elf
 *   memory = 4M
 *   timeout = 2s
 *   expect-end = timeout
 */
#include "guest-stubs/lib/stub.h"

void stub_main(void)
{
    print("# now spins\n");
    for (;;)
        __asm__ volatile("" : : : "memory");
}

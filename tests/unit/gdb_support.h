/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for the tests of hv/gdb_*.c: some pages of memory, a mapping of linear to physical pages for each vCPU, registers;
 * and the gdb's side of the line.
 */
#ifndef TESTS_UNIT_GDB_SUPPORT_H
#define TESTS_UNIT_GDB_SUPPORT_H

#include "hv/gdb_server.h"

#define FAKE_HIGH 0xffffffff80000000ull /* here the pages are once more */
#define FAKE_LAST 0xfffffffffffff000ull /* and here is page 0, right before the other page 0 */

enum { FAKE_PAGES = 64, FAKE_VCPUS = 4, FAKE_NOWHERE = 0xff, FAKE_ROM = 60 /* and what follows: read-only */ };

struct fake_machine {
    unsigned vcpus;
    u8 memory[FAKE_PAGES][PAGE_SIZE];
    u8 pages[GDB_MAX_VCPUS][FAKE_PAGES]; /* linear page to physical page, or FAKE_NOWHERE */
    bool is_absent[FAKE_PAGES];          /* the physical page is not there */
    struct gdb_registers registers[GDB_MAX_VCPUS];
    struct gdb_debug_slot slots[GDB_DEBUG_SLOTS];
    enum gdb_action actions[GDB_MAX_VCPUS];
    bool is_stopped, is_killed;
    unsigned stops, resumes;
    char command[256]; /* of the monitor, the latest */
};

void fake_machine_init(struct fake_machine *machine, unsigned vcpus, bool is_64);
extern const struct gdb_target_ops fake_machine_ops;

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A gdb at the second serial port that debugs one guest. docs/gdb.md says how. */
#ifndef HV_GDB_H
#define HV_GDB_H

#include "hv/gdb_server.h"

struct vm;

/*
 * The guest, whose tasks there are already, is held until a gdb lets it go; `width` is that of its code. Makes a task on
 * processor 0, that ends when no guest runs any more. 0, -ENOMEM, -ENOSPC; and 0 where it cannot be debugged, which is said: then
 * it runs.
 */
int gdb_start(struct vm *vm, enum gdb_width width, u64 tsc_hz);

/* Of an ELF file, that of its code; GDB_WIDTH_AUTO: it is another file. */
enum gdb_width gdb_width_of_image(const void *image, size_t size);

#endif

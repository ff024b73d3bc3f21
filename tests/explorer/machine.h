/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The explorer's machine: that of tests/unit/port_host.h, brought back to one state before every execution, by copying.
 * That state is the frames that are in use and all static variables of the program, also those of scenarios. What must
 * survive lies on the heap.
 *
 * Frames that are free hold FREED in every word. Whoever reads or walks one meets that; a write to one is found when the
 * frame is allocated again, or at the end of the execution. For that frame_alloc() and frame_free() are wrapped by the
 * linker. Of a block of 512 frames and more only the first few are looked at and brought back.
 */
#ifndef TESTS_EXPLORER_MACHINE_H
#define TESTS_EXPLORER_MACHINE_H

#include "mm/types.h"

/* As an entry it is present, and leads to no RAM. */
#define FREED 0xdbdbdbdbdbdbdbdbull

void machine_start(u64 frames);

/*
 * Words of RAM by number; one outside: MACHINE_NO_WORD. What becomes of a frame that was free when the machine was saved
 * differs from execution to execution: so of all these frames the words at one offset have one number.
 */
#define MACHINE_NO_WORD (~0ull)
u64 machine_words(void);
u64 machine_word(const void *address);

/* From now on machine_restore() comes back here. */
void machine_save(void);
void machine_restore(void);

/* Every frame is free, and none has been written to since. */
void machine_check_free(void);

/* Whatever is allocated. */
void machine_stop(void);

#endif

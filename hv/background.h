/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done for guests that nobody asks for: large pages come back, after a log, a balloon or a view has ended, and where
 * execution has split them (C7).
 */
#ifndef HV_BACKGROUND_H
#define HV_BACKGROUND_H

/* Makes the task, which ends with the last guest. 0, -ENOMEM, -ENOSPC. */
int background_start(void);

#endif

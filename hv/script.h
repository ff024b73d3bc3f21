/* SPDX-License-Identifier: BSD-2-Clause */
/* The script of slat.conf: the monitor's commands, one after the other, while guests run. */
#ifndef HV_SCRIPT_H
#define HV_SCRIPT_H

#include "boot/guest_conf.h"

/* Makes the task, if there is a script; `conf` is not used afterwards. 0, -ENOMEM, -ENOSPC. */
int script_start(const struct slat_conf *conf);

/*
 * When no task is left: says how it went, if there was a script. How many commands failed; those whose turn did not come before
 * the last guest ended are among them.
 */
unsigned script_report(void);

#endif

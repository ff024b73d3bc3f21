/* SPDX-License-Identifier: BSD-2-Clause */
/* What slat prints at the end. */
#ifndef HV_REPORT_H
#define HV_REPORT_H

#include "hv/vm.h"

/*
 * The summary for people, then the same as TAP for programs (the only lines without a prefix). Returns the number of
 * guests that did not end as expected.
 */
unsigned report_guests(struct vm *const *vms, unsigned count);

#endif

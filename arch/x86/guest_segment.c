/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_segment.h. */
#include "arch/x86/guest_segment.h"

#include "arch/x86/guest_state.h"
#include "arch/x86/vmcs.h"

bool guest_segment_permits(enum segment segment, bool write, u64 offset, unsigned size)
{
    u64 rights = vmcs_read(VMCS_SEGMENT_RIGHTS(segment)), limit = vmcs_read(VMCS_SEGMENT_LIMIT(segment));
    u64 last = offset + size - 1;

    if (guest_in_64bit_mode())
        return true;
    if (rights & RIGHTS_UNUSABLE)
        return false;
    if (rights & RIGHTS_CODE)
        return !write && (rights & RIGHTS_ACCESS) && last <= limit;
    if (write && !(rights & RIGHTS_ACCESS))
        return false;
    return rights & RIGHTS_DOWN ? offset > limit && last <= (rights & RIGHTS_DB ? 0xffffffff : 0xffff) : last <= limit;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_mtrr.h. Numbers and layouts: SDM vol. 3, 12.11.1 and 12.11.2. */
#include "arch/x86/guest_mtrr.h"

#include "arch/x86/msr.h"

enum { VARIABLE_FIRST = 0x200, FIXED_64K = 0x250, FIXED_16K = 0x258, FIXED_4K = 0x268 };

static const u64 CAP_FIXED = 1u << 8, CAP_WC = 1u << 10;
static const u64 DEF_TYPE_FIXED_ON = 1u << 10, DEF_TYPE_ON = 1u << 11;
static const u64 MASK_VALID = 1u << 11;
static const u64 TYPE = 0xff;

void guest_mtrr_reset(struct guest_mtrr *mtrr)
{
    *mtrr = (struct guest_mtrr){ .def_type = DEF_TYPE_ON | MEMORY_TYPE_WB };
}

/* UC, WC, WT, WP and WB. */
static bool is_type(u64 type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

/* Where the value of `msr` is kept; NULL: it is none of these. */
static u64 *find(struct guest_mtrr *mtrr, u32 msr)
{
    if (msr == MSR_MTRR_DEF_TYPE)
        return &mtrr->def_type;
    if (msr >= VARIABLE_FIRST && msr < VARIABLE_FIRST + 2 * MTRR_VARIABLE) {
        u32 n = (msr - VARIABLE_FIRST) / 2;
        return msr % 2 ? &mtrr->mask[n] : &mtrr->base[n];
    }
    if (msr == FIXED_64K)
        return &mtrr->fixed[0];
    if (msr >= FIXED_16K && msr < FIXED_16K + 2)
        return &mtrr->fixed[1 + msr - FIXED_16K];
    if (msr >= FIXED_4K && msr < FIXED_4K + 8)
        return &mtrr->fixed[3 + msr - FIXED_4K];
    return NULL;
}

static bool may_hold(u32 msr, u64 value, unsigned physical_bits)
{
    u64 beyond = ~((1ull << physical_bits) - 1);

    if (msr == MSR_MTRR_DEF_TYPE)
        return !(value & ~(TYPE | DEF_TYPE_FIXED_ON | DEF_TYPE_ON)) && is_type(value & TYPE);
    if (msr < FIXED_64K) {
        return msr % 2 ? !(value & (beyond | (0xfff & ~MASK_VALID)))
                       : !(value & (beyond | (0xfff & ~TYPE))) && is_type(value & TYPE);
    }
    for (unsigned i = 0; i < 8; i++)
        if (!is_type(value >> 8 * i & TYPE))
            return false;
    return true;
}

int guest_mtrr_read(const struct guest_mtrr *mtrr, u32 msr, u64 *value)
{
    const u64 *kept = find((struct guest_mtrr *)mtrr, msr);

    if (msr == MSR_MTRR_CAP) {
        *value = MTRR_VARIABLE | CAP_FIXED | CAP_WC;
        return 0;
    }
    if (!kept)
        return -ENOENT;
    *value = *kept;
    return 0;
}

int guest_mtrr_write(struct guest_mtrr *mtrr, u32 msr, u64 value, unsigned physical_bits)
{
    u64 *kept = find(mtrr, msr);

    if (!kept)
        return msr == MSR_MTRR_CAP ? -EINVAL : -ENOENT;
    if (!may_hold(msr, value, physical_bits))
        return -EINVAL;
    *kept = value;
    return 0;
}

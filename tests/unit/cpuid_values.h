/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID of some processors: as the emulator's models answer, and two that do not exist. */
#ifndef TESTS_UNIT_CPUID_VALUES_H
#define TESTS_UNIT_CPUID_VALUES_H

#include <string.h>

#include "arch/x86/guest_features.h"

/* No XSAVE, no leaf beyond 0xb. */
static const struct cpuid_leaves arrandale = {
    .basic = { { 0xb, 0x756e6547, 0x6c65746e, 0x49656e69 },
               { 0x00020652, 0x00010800, 0x0298e3b7, 0xbfebfbff },
               { 0x55035a01, 0x00f0b2dd, 0, 0x09ca212c } },
    .cache = { { 0x1c004121, 0x01c0003f, 0x3f, 0 },
               { 0x1c004122, 0x00c0003f, 0x7f, 0 },
               { 0x1c004143, 0x01c0003f, 0x1ff, 0 },
               { 0x1c03c163, 0x02c0003f, 0xfff, 2 } },
    .extended = { { 0x80000008, 0, 0, 0 },
                  { 0, 0, 0x1, 0x28100800 },
                  { 0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865 },
                  [7] = { 0, 0, 0, 0x100 },
                  [8] = { 0x3028, 0x200, 0, 0 } },
};

/* AVX, XSAVEOPT; no leaf 7 bits. */
static const struct cpuid_leaves sandy_bridge = {
    .basic = { { 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 },
               { 0x000206a7, 0x00010800, 0x1f9ae3b7, 0xbfebfbff },
               { 0x76035a01, 0x00f0b0ff, 0, 0x00ca0000 } },
    .xsave = { { 0x7, 0x340, 0x340, 0 }, { 0x1, 0, 0, 0 }, { 0x100, 0x240, 0, 0 } },
    .extended = { { 0x80000008, 0, 0, 0 }, { 0, 0, 0x1, 0x28100800 }, [8] = { 0x3028, 0x200, 0, 0 } },
};

/* AVX-512 and what slat hides: AMX, PKU, CET, LA57, PT, speculation control; IA32_XSS components in the XSAVE sizes. */
static const struct cpuid_leaves sapphire_rapids = {
    .basic = { { 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 },
               { 0x000806f8, 0x00010800, 0x7ffef3b7, 0xbfebfbff },
               { 0x00feff01, 0xf0, 0, 0 } },
    .cache = { { 0xfc004121, 0x02c0003f, 0x3f, 0 },
               { 0xfc004122, 0x01c0003f, 0x3f, 0 },
               { 0xfc004143, 0x03c0003f, 0x7ff, 0 },
               { 0xfc1fc163, 0x0380003f, 0x15fff, 4 } },
    .extended_features = { 2, 0xf1bf27eb, 0x98415fee, 0xffd04430 },
    .xsave = { { 0x602e7, 0xa80, 0x2b00, 0 },
               { 0xf, 0x980, 0x5800, 0 },
               { 0x100, 0x240, 0, 0 },
               [5] = { 0x40, 0x440, 0, 0 },
               [6] = { 0x200, 0x480, 0, 0 },
               [7] = { 0x400, 0x680, 0, 0 } },
    .extended = { { 0x80000008, 0, 0, 0 },
                  { 0, 0, 0x121, 0x2c100800 },
                  [7] = { 0, 0, 0, 0x100 },
                  [8] = { 0x3928, 0x200, 0, 0 } },
};

/* Says yes to everything. */
static inline struct cpuid_leaves everything(void)
{
    struct cpuid_leaves leaves;

    memset(&leaves, 0xff, sizeof(leaves));
    leaves.extended[0].eax = 0x80000008;
    return leaves;
}

enum { XCR0_ALL = 0xe7, XCR0_WITH_AVX = 7, XCR0_WITHOUT_AVX = 3 };

static inline struct guest_features judge(const struct cpuid_leaves *leaves, u64 xcr0, bool rdtscp, u64 tsc_hz)
{
    const struct guest_means means = { .xcr0 = xcr0, .rdtscp = rdtscp, .tsc_hz = tsc_hz };
    struct guest_features features;

    memset(&features, 0xee, sizeof(features));
    guest_features_judge(leaves, &means, &features);
    return features;
}

#endif

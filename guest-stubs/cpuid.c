/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: what CPUID tells a guest about its processor under slat.
 *
 *   [guest cpuid]
 *   image = cpuid.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum {
    FEATURES = 1,
    XSAVE_LEAF = 0xd,
    ECX_MONITOR = 1 << 3,
    ECX_VMX = 1 << 5,
    ECX_SMX = 1 << 6,
    ECX_X2APIC = 1 << 21,
    ECX_TSC_DEADLINE = 1 << 24,
    ECX_OSXSAVE = 1 << 27,
    ECX_HYPERVISOR = 1u << 31,
    EDX_APIC = 1 << 9,
    EDX_MTRR = 1 << 12,
    SLAT = 0x74616c73, /* "slat" */
};

static bool is_zero(struct cpuid r)
{
    return (r.eax | r.ebx | r.ecx | r.edx) == 0;
}

static bool is_equal(struct cpuid a, struct cpuid b)
{
    return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

static void put_word(char *to, u32 word)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (char)(word >> (8 * i));
}

/* 48 bytes from three leaves; whether they are printable text. */
static bool brand_string(char text[49])
{
    if (cpuid(0x80000000, 0).eax < 0x80000004)
        return false;
    for (unsigned i = 0; i < 3; i++) {
        struct cpuid r = cpuid(0x80000002 + i, 0);
        put_word(text + 16 * i, r.eax);
        put_word(text + 16 * i + 4, r.ebx);
        put_word(text + 16 * i + 8, r.ecx);
        put_word(text + 16 * i + 12, r.edx);
    }
    text[48] = '\0';
    for (unsigned i = 0; i < 48 && text[i]; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return text[0] != '\0';
}

/* CPUID.OSXSAVE shows CR4.OSXSAVE, which the guest sets itself. */
static bool osxsave_follows_cr4(void)
{
    bool before, set, after;

    if (!(cpuid(FEATURES, 0).ecx & 1 << 26))
        return true; /* no XSAVE */
    before = cpuid(FEATURES, 0).ecx & ECX_OSXSAVE;
    write_cr4(read_cr4() | CR4_OSXSAVE);
    set = cpuid(FEATURES, 0).ecx & ECX_OSXSAVE;
    write_cr4(read_cr4() & ~(uintptr_t)CR4_OSXSAVE);
    after = cpuid(FEATURES, 0).ecx & ECX_OSXSAVE;
    return !before && set && !after;
}

void stub_main(void)
{
    struct cpuid features = cpuid(FEATURES, 0), hypervisor = cpuid(0x40000000, 0);
    u32 last = cpuid(0, 0).eax;
    char brand[49] = "";

    plan(9);
    ok(features.ecx & ECX_HYPERVISOR, "the hypervisor bit is set");
    ok(hypervisor.ebx == SLAT && hypervisor.ecx == SLAT && hypervisor.edx == SLAT, "its name is slatslatslat");
    ok(is_zero(cpuid(0x40000001, 0)), "it offers no interface (leaf 0x40000001 is empty)");
    ok(!(features.ecx & (ECX_VMX | ECX_SMX)), "VMX and SMX are hidden");
    ok(!(features.ecx & (ECX_MONITOR | ECX_X2APIC | ECX_TSC_DEADLINE)), "MONITOR, x2APIC and TSC deadline are hidden");
    ok(!(features.edx & (EDX_APIC | EDX_MTRR)), "APIC and MTRRs are hidden");
    ok(brand_string(brand), "the brand string is text");
    print("# \"%s\", last leaf %u\n", brand, last);
    ok(is_equal(cpuid(last + 1, 0), cpuid(last, 0)) && is_equal(cpuid(0x3fffffff, 0), cpuid(last, 0)),
       "a leaf beyond the last one answers as the last one");
    ok(osxsave_follows_cr4(), "OSXSAVE follows CR4");
}

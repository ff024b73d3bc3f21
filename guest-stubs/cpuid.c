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
    CACHES = 4,
    POWER = 6,
    EXTENDED_TOPOLOGY = 0xb,
    XSAVE_LEAF = 0xd,
    TSC_LEAF = 0x15,
    FREQUENCY = 0x16,
    TIMING = 0x40000010,
    ECX_MONITOR = 1 << 3,
    ECX_VMX = 1 << 5,
    ECX_SMX = 1 << 6,
    ECX_X2APIC = 1 << 21,
    ECX_TSC_DEADLINE = 1 << 24,
    ECX_OSXSAVE = 1 << 27,
    ECX_HYPERVISOR = 1u << 31,
    EDX_APIC = 1 << 9,
    EDX_HTT = 1 << 28,
    ARAT = 1 << 2,
    SLAT = 0x74616c73, /* "slat" */
    APIC_BASE = 0x1b,
    APIC_BASE_ENABLED = 1 << 11,
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

/* CPUID.APIC shows IA32_APIC_BASE. */
static bool apic_follows_its_base(void)
{
    u64 base = rdmsr(APIC_BASE);
    bool before = cpuid(FEATURES, 0).edx & EDX_APIC, without;

    wrmsr(APIC_BASE, base & ~(u64)APIC_BASE_ENABLED);
    without = cpuid(FEATURES, 0).edx & EDX_APIC;
    wrmsr(APIC_BASE, base);
    return before && !without && (cpuid(FEATURES, 0).edx & EDX_APIC);
}

/* Leaves 1, 4 and 0xb agree: this is one core with one thread, or one of several cores in a package. */
static bool topology_is_consistent(void)
{
    struct cpuid features = cpuid(FEATURES, 0), threads = cpuid(EXTENDED_TOPOLOGY, 0),
                 cores = cpuid(EXTENDED_TOPOLOGY, 1);
    u32 id = features.ebx >> 24, reserved = features.ebx >> 16 & 0xff;

    if (threads.eax != 0 || threads.ebx != 1 || threads.ecx != 0x100 || threads.edx != id)
        return false;
    if (1u << cores.eax != reserved || cores.ebx > reserved || cores.ecx != 0x201 || cores.edx != id || id >= cores.ebx)
        return false;
    for (u32 i = 0; cpuid(CACHES, i).eax & 0x1f; i++) {
        u32 eax = cpuid(CACHES, i).eax;
        if ((eax >> 26) + 1 != reserved || (eax >> 14 & 0xfff) + 1 > reserved)
            return false;
    }
    return (cores.ebx > 1) == !!(features.edx & EDX_HTT);
}

/* Leaves 0x15, 0x16 and 0x40000010 tell the same TSC and the same crystal, which is the local APIC's clock. */
static bool frequencies_agree(void)
{
    struct cpuid tsc = cpuid(TSC_LEAF, 0), mhz = cpuid(FREQUENCY, 0), khz = cpuid(TIMING, 0);
    u64 hz = (u64)tsc.ecx * tsc.ebx;

    print("# TSC %u kHz, crystal %u Hz\n", khz.eax, tsc.ecx);
    return tsc.eax == 1 && tsc.ecx != 0 && hz <= (u64)khz.eax * 1000 + 500 && hz + 1000 >= (u64)khz.eax * 1000 &&
           tsc.ecx <= khz.ebx * 1000 + 500 && tsc.ecx + 500 >= khz.ebx * 1000 && mhz.eax <= khz.eax / 1000 + 1 &&
           mhz.eax + 1 >= khz.eax / 1000;
}

/* EBX of leaf 0xd is for the XCR0 that is loaded; ECX for all that is offered. */
static bool xsave_sizes_follow_xcr0(void)
{
    u32 size, last;

    if (!(cpuid(FEATURES, 0).ecx & 1 << 26))
        return is_zero(cpuid(XSAVE_LEAF, 0)) && is_zero(cpuid(XSAVE_LEAF, 1));
    write_cr4(read_cr4() | CR4_OSXSAVE);
    last = 576;
    for (u32 xcr0 = 3; xcr0 <= cpuid(XSAVE_LEAF, 0).eax; xcr0 = xcr0 == 3 ? 7 : xcr0 | 0xe0) {
        __asm__ volatile("xsetbv" : : "c"(0), "a"(xcr0), "d"(0));
        size = cpuid(XSAVE_LEAF, 0).ebx;
        if (size < last || (xcr0 == cpuid(XSAVE_LEAF, 0).eax) != (size == cpuid(XSAVE_LEAF, 0).ecx))
            return false;
        last = size;
        if (xcr0 & 0xe0)
            break;
    }
    write_cr4(read_cr4() & ~(uintptr_t)CR4_OSXSAVE);
    return true;
}

void stub_main(void)
{
    struct cpuid features = cpuid(FEATURES, 0), hypervisor = cpuid(0x40000000, 0);
    u32 last = cpuid(0, 0).eax;
    char brand[49] = "";

    plan(15);
    ok(features.ecx & ECX_HYPERVISOR, "the hypervisor bit is set");
    ok(hypervisor.eax == TIMING && hypervisor.ebx == SLAT && hypervisor.ecx == SLAT && hypervisor.edx == SLAT,
       "its name is slatslatslat");
    ok(is_zero(cpuid(0x40000001, 0)), "it offers no interface (leaf 0x40000001 is empty)");
    ok(!(features.ecx & (ECX_VMX | ECX_SMX | ECX_MONITOR)), "VMX, SMX and MONITOR are hidden");
    ok((features.ecx & ECX_X2APIC) && (features.ecx & ECX_TSC_DEADLINE) && (features.edx & EDX_APIC),
       "a local APIC, x2APIC and TSC deadline are there");
    ok(brand_string(brand), "the brand string is text");
    print("# \"%s\", last leaf %u\n", brand, last);
    ok(last >= FREQUENCY && is_equal(cpuid(last + 1, 0), cpuid(last, 0)) &&
           is_equal(cpuid(0x3fffffff, 0), cpuid(last, 0)),
       "a leaf beyond the last one answers as the last one");
    ok(osxsave_follows_cr4(), "OSXSAVE follows CR4");
    ok(apic_follows_its_base(), "APIC follows IA32_APIC_BASE");
    ok(topology_is_consistent(), "its place in the package");
    ok(frequencies_agree(), "frequencies");
    ok(cpuid(POWER, 0).eax == ARAT && is_zero(cpuid(5, 0)) && is_zero(cpuid(0xa, 0)) && is_zero(cpuid(0x14, 0)),
       "no power management, no counters, no trace");
    ok(xsave_sizes_follow_xcr0(), "sizes of the XSAVE area");
    ok(is_zero(cpuid(XSAVE_LEAF, 9)) && is_zero(cpuid(XSAVE_LEAF, 17)) && is_zero(cpuid(XSAVE_LEAF, 64)),
       "no protection keys and no AMX in it");
    ok((cpuid(0x80000008, 0).eax >> 8 & 0xff) == 48 || cpuid(0x80000000, 0).eax < 0x80000008,
       "linear addresses have 48 bits");
}

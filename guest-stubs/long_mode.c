/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that starts in 64-bit mode: paging on, 64-bit registers, SSE after it has been enabled, and page
 * tables that it may change. As a flat image (long_mode.bin) slat sets up the mode; as a Multiboot kernel
 * (long_mode.elf) it does so itself.
 *
 *   [guest long-mode]                  [guest long-mode-elf]
 *   image = long_mode.bin              image = long_mode.elf
 *   format = flat                      memory = 8M
 *   start = 64                         expect-end = exit 0
 *   load = 0x100000
 *   memory = 8M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

#define PTE_FRAME 0x000ffffffffff000ull

enum {
    EFER_LME_LMA = EFER_LME | EFER_LMA,
    PAGE_2M = 2 << 20,
    HIGH_ALIAS = 6 << 20, /* a virtual address whose page is made to show another frame */
    FRAME = 4 << 20,
};

static u64 *table(u64 entry)
{
    return (u64 *)(entry & PTE_FRAME);
}

static bool sse_adds(void)
{
    float a[4] __attribute__((aligned(16))) = { 1, 2, 3, 4 };
    u32 result[4] __attribute__((aligned(16)));
    static const u32 expected[4] = { 0x40000000, 0x40800000, 0x40c00000, 0x41000000 }; /* 2, 4, 6, 8 */

    write_cr0((read_cr0() & ~(uintptr_t)CR0_EM) | CR0_MP);
    write_cr4(read_cr4() | CR4_SSE);
    __asm__ volatile("movaps %1, %%xmm0; addps %%xmm0, %%xmm0; movaps %%xmm0, %0" : "=m"(result) : "m"(a));
    for (unsigned i = 0; i < 4; i++) {
        if (result[i] != expected[i])
            return false;
    }
    return true;
}

/* Makes the 2M page at HIGH_ALIAS show FRAME, and looks at one through the other. */
static bool own_page_tables_work(void)
{
    u64 *directory = table(table(read_cr3())[0]);
    u64 *entry = &table(directory[0])[HIGH_ALIAS / PAGE_2M], before = *entry;
    bool seen;

    poke(FRAME + 64, 0x12345678);
    poke(HIGH_ALIAS + 64, 0x87654321);
    *entry = (before & ~PTE_FRAME) | FRAME;
    __asm__ volatile("invlpg (%0)" : : "r"((uintptr_t)HIGH_ALIAS) : "memory");
    seen = peek(HIGH_ALIAS + 64) == 0x12345678;
    *entry = before;
    __asm__ volatile("invlpg (%0)" : : "r"((uintptr_t)HIGH_ALIAS) : "memory");
    return seen && peek(HIGH_ALIAS + 64) == 0x87654321;
}

void stub_main(void)
{
    u64 wide = 0x123456789abcdef0;
    u16 cs;

    plan(6);
    __asm__ volatile("mov %%cs, %0" : "=r"(cs));
    print("# CR0 0x%lx CR3 0x%lx CR4 0x%lx EFER 0x%llx CS 0x%x\n", read_cr0(), read_cr3(), read_cr4(),
          (unsigned long long)rdmsr(MSR_EFER), cs);
    ok((read_cr0() & (CR0_PE | CR0_PG)) == (CR0_PE | CR0_PG), "protected mode with paging");
    ok(read_cr4() & CR4_PAE, "CR4.PAE");
    ok((rdmsr(MSR_EFER) & EFER_LME_LMA) == EFER_LME_LMA, "EFER.LME and LMA");
    __asm__ volatile("rolq $32, %0" : "+r"(wide));
    ok(wide == 0x9abcdef012345678, "registers have 64 bits");
    ok(sse_adds(), "SSE adds");
    ok(own_page_tables_work(), "a changed page table entry takes effect");
}

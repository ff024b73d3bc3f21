/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a hardware task switch, which slat does not emulate, ends the guest with a reason. how=1 on the command line: by
 * a task gate in the IDT instead of a far jump.
 *
 *   [guest task-switch]
 *   image = task_switch.elf
 *   memory = 4M
 *   expect-end = unsupported
 */
#include "guest-stubs/lib/trap.h"

enum { CODE = 0x08, DATA = 0x10, TSS_OLD = 0x18, TSS_NEW = 0x20, TASK_GATE = 0x8500, BREAKPOINT = 3 };

static struct {
    u32 words[26];
} tasks[2];

static u64 gdt[5];

void trap(struct trap_frame *frame)
{
    trap_unexpected(frame);
}

static u64 tss_descriptor(const void *tss)
{
    u64 base = (u32)(uintptr_t)tss;

    return 103 | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
}

static void other_task(void)
{
    print("# the other task runs\n");
    stub_exit(0);
}

void stub_main(void)
{
    static u8 stack[4096];
    u32 *to = tasks[1].words;
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer = { sizeof(gdt) - 1, (u32)(uintptr_t)gdt };

    trap_init();
    gdt[CODE / 8] = 0x00cf9b000000ffff;
    gdt[DATA / 8] = 0x00cf93000000ffff;
    gdt[TSS_OLD / 8] = tss_descriptor(&tasks[0]);
    gdt[TSS_NEW / 8] = tss_descriptor(&tasks[1]);
    to[8] = (u32)(uintptr_t)other_task; /* EIP, EFLAGS, ESP, ES, CS, SS, DS, FS, GS: SDM vol. 3, figure 8-2 */
    to[9] = 2;
    to[14] = (u32)(uintptr_t)(stack + sizeof(stack) - 16);
    for (unsigned i = 18; i < 24; i++)
        to[i] = DATA;
    to[19] = CODE;
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(TSS_OLD), "m"(gdt), "m"(tasks) : "memory");

    plan(1);
    if (argument("how", 0)) {
        trap_set_gate(BREAKPOINT, TSS_NEW, 0, TASK_GATE);
        __asm__ volatile("int3" : : : "memory");
    } else {
        __asm__ volatile("ljmp %0, $0" : : "i"(TSS_NEW) : "memory");
    }
    ok(false, "the task switch did nothing");
}

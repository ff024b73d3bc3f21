/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: virtual-8086 mode, with instructions in it that slat executes for the guest (CPUID, IN, INS) and those that its
 * own monitor gets (#GP for CLI, HLT, INT n, and for ports that its TSS forbids).
 *
 *   [guest vm86]
 *   image = vm86.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/trap.h"

enum { CODE_AT = 0x20000, DATA_AT = 0x30000, CODE = 0x08, DATA = 0x10, TSS = 0x18 };
enum { FAULTS_MAX = 8 };

static struct {
    u32 words[26];
    u8 ports[8193];
} tss;
static u64 gdt[4];
static u8 kernel_stack[4096] __attribute__((aligned(16)));
static u32 faults[FAULTS_MAX], fault_count, saved_esp, saved_ebp;
static struct trap_frame last;

extern const u8 v86_code[], v86_after_cpuid[], v86_cli[], v86_int[], v86_out[], v86_hlt[], v86_end[];
void v86_finished(void);

/* What runs in virtual-8086 mode, at CODE_AT. */
__asm__(".pushsection .text\n\t.code16\n"
        "v86_code:\n\t"
        "movl $1, %eax\n\t"
        "cpuid\n"
        "v86_after_cpuid:\n\t"
        "movl %eax, 0x100\n\t"
        "movw $0x3ff, %dx\n\t"
        "movb $0x6d, %al\n\t"
        "outb %al, %dx\n\t"
        "xorl %eax, %eax\n\t"
        "inb %dx, %al\n\t"
        "movl %eax, 0x104\n\t"
        "movw $0xfffe, %di\n\t"
        "movw $4, %cx\n\t"
        "rep insb\n\t"
        "movw %di, 0x108\n\t"
        "movw %cx, 0x10a\n"
        "v86_cli:\n\t"
        "cli\n"
        "v86_int:\n\t"
        "int $0x21\n"
        "v86_out:\n\t"
        "outb %al, $0x80\n"
        "v86_hlt:\n\t"
        "hlt\n"
        "v86_end:\n\t"
        ".code32\n\t.popsection");

void trap(struct trap_frame *frame)
{
    static const u8 lengths[] = { 1, 2, 2 }; /* CLI, INT n, OUT */

    if (frame->vector != TRAP_GP || !(frame->eflags & FLAG_VM) || fault_count >= FAULTS_MAX)
        trap_unexpected(frame);
    last = *frame;
    faults[fault_count++] = frame->eip;
    if (frame->eip == (u32)(v86_hlt - v86_code)) {
        __asm__ volatile("mov %0, %%esp; mov %1, %%ebp; jmp v86_finished" : : "m"(saved_esp), "m"(saved_ebp));
        __builtin_unreachable();
    }
    if (fault_count <= sizeof(lengths))
        frame->eip += lengths[fault_count - 1];
}

/* Returns at the HLT. */
__attribute__((noinline, noclone)) static void run_v86(void)
{
    __asm__ volatile("pushl %%ebx; pushl %%esi; pushl %%edi\n\t"
                     "movl %%esp, %[esp]; movl %%ebp, %[ebp]\n\t"
                     "pushl $0; pushl $0; pushl %[data]; pushl %[data]; pushl %[data]; pushl $0xff00; pushl $0x20002; "
                     "pushl %[code]; pushl $0; iret\n\t"
                     ".globl v86_finished\n"
                     "v86_finished:\n\t"
                     "popl %%edi; popl %%esi; popl %%ebx"
                     : [esp] "=m"(saved_esp), [ebp] "=m"(saved_ebp)
                     : [data] "i"(DATA_AT >> 4), [code] "i"(CODE_AT >> 4)
                     : "eax", "ecx", "edx", "memory", "cc");
}

static u32 data(u32 offset)
{
    return *(volatile u32 *)(DATA_AT + offset);
}

void stub_main(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer = { sizeof(gdt) - 1, (u32)(uintptr_t)gdt };
    u64 base = (u32)(uintptr_t)&tss;

    trap_init();
    gdt[CODE / 8] = 0x00cf9b000000ffff;
    gdt[DATA / 8] = 0x00cf93000000ffff;
    gdt[TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
    tss.words[1] = (u32)(uintptr_t)(kernel_stack + sizeof(kernel_stack));
    tss.words[2] = DATA;
    tss.words[25] = 104 << 16; /* where the port bitmap is */
    tss.ports[0x80 / 8] = 1 << (0x80 % 8);
    tss.ports[8192] = 0xff;
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(TSS), "m"(gdt), "m"(tss) : "memory");
    for (u32 i = 0; v86_code + i < v86_end; i++)
        ((volatile u8 *)CODE_AT)[i] = v86_code[i];

    plan(6);
    run_v86();
    ok(data(0x100) == cpuid(1, 0).eax, "CPUID in virtual-8086 mode");
    ok(data(0x104) == 0x6d, "OUT and IN of a port that the TSS allows");
    ok((u16)data(0x108) == 2 && data(0x108) >> 16 == 0 && (data(0xfffc) >> 16) == 0x6d6d && (u16)data(0) == 0x6d6d,
       "REP INSB wraps at the end of its segment");
    ok(fault_count == 4 && faults[0] == (u32)(v86_cli - v86_code) && faults[1] == (u32)(v86_int - v86_code),
       "CLI and INT n raise #GP");
    ok(faults[2] == (u32)(v86_out - v86_code), "so does a port that the TSS forbids");
    ok(faults[3] == (u32)(v86_hlt - v86_code) && last.eflags & FLAG_VM && last.v86_ds == DATA_AT >> 4, "and HLT");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest goes through all modes of the processor, with CR0 bits that slat keeps to itself (NE, CD, NW) changed at
 * the same time, so that slat makes the transition and not the processor; CR0 reads as it was written, and forbidden
 * transitions raise #GP. Needs unrestricted guest.
 *
 *   [guest modes]
 *   image = modes.elf
 *   memory = 8M
 *   largest-page = 4K
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/trap.h"

enum {
    P_W = 3,
    PS = 0x80,
    LOW_CODE = 0x8000,
};

static u64 gdt[] = { 0,
                     0x00cf9b000000ffff,   /* 0x08: 32-bit code */
                     0x00cf93000000ffff,   /* 0x10: data */
                     0x00af9b000000ffff,   /* 0x18: 64-bit code */
                     0x00009b000000ffff,   /* 0x20: 16-bit code */
                     0x000093000000ffff,   /* 0x28: 16-bit data */
                     0x00ef9b000000ffff,   /* 0x30: 32-bit code with L, which means nothing outside IA-32e mode */
                     0x00cf9b000000ffff }; /* 0x38: 32-bit code, with a base that wraps() sets */
static volatile u32 directory[1024] __attribute__((aligned(4096)));
static volatile u64 pdpt[512] __attribute__((aligned(4096))), pml4[512] __attribute__((aligned(4096)));
static volatile u64 directories[512] __attribute__((aligned(4096)));
static struct {
    u64 low, high;
} idt64[32];

static volatile u32 resume, vector_seen, error_seen;
u64 long_rcx, long_rdi;
u8 long_buffer[4];
u32 long_cr0, long_cr0_changed, long_lma, long_fault, long_cr8, long_cr8_fault, compat_cr0, real_cr0;

void trap(struct trap_frame *frame)
{
    if (!resume)
        trap_unexpected(frame);
    vector_seen = frame->vector;
    error_seen = frame->error;
    frame->eip = resume;
    resume = 0;
}

static bool write_faults(u32 value)
{
    vector_seen = 0;
    __asm__ volatile("movl $9f, %0; mov %1, %%cr0; 9: movl $0, %0" : "=m"(resume) : "r"(value) : "memory");
    return vector_seen == TRAP_GP && error_seen == 0;
}

static void cr0_bits(void)
{
    static const u32 bits[] = { CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM, CR0_CD, CR0_CD | CR0_NW };
    u32 before = read_cr0();
    bool right = true;

    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        write_cr0(before ^ bits[i]);
        right = right && read_cr0() == (before ^ bits[i]);
        write_cr0(before);
        right = right && read_cr0() == before;
    }
    ok(right, "CR0 reads as it was written, bit by bit");
    write_cr0(before | 0x7fc0 | CR0_NE);
    ok(read_cr0() == (before | CR0_NE), "reserved bits of CR0 stay 0 (0x%lx)", (unsigned long)read_cr0());
    write_cr0(before & ~(u32)0x10);
    ok(read_cr0() == before, "and ET stays 1");
    ok(write_faults((before & ~(u32)CR0_CD) | CR0_NW), "NW without CD raises #GP");
    ok(write_faults((before & ~(u32)CR0_PE) | CR0_PG), "PG without PE raises #GP");
    ok(write_faults(((before & ~(u32)CR0_PE) | CR0_PG) ^ CR0_NE), "also with another change");
    __asm__ volatile("lmsw %w0; clts" : : "r"(before | CR0_TS | CR0_MP));
    ok(read_cr0() == (before | CR0_MP), "LMSW and CLTS");
    write_cr0(before);
}

static void paging32(void)
{
    u32 before = read_cr0(), on;

    for (u32 i = 0; i < 1024; i++)
        directory[i] = i << 22 | PS | P_W;
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3((uintptr_t)directory);
    write_cr0((before | CR0_PG) ^ CR0_NE);
    directory[2] = directory[1]; /* 8 MiB shows 4 MiB */
    poke(4 << 20, 0x1234);
    on = peek(8 << 20);
    ok(on == 0x1234 && read_cr0() == ((before | CR0_PG) ^ CR0_NE), "32-bit paging on, and NE changed");
    write_cr0(before);
    ok(read_cr0() == before, "and off");
    write_cr4(read_cr4() & ~(uintptr_t)CR4_PSE);
}

static bool cr3_faults(u32 value)
{
    vector_seen = 0;
    __asm__ volatile("movl $9f, %0; mov %1, %%cr3; 9: movl $0, %0" : "=m"(resume) : "r"(value) : "memory");
    return vector_seen == TRAP_GP;
}

static void paging_pae(void)
{
    u32 before = read_cr0();

    for (u32 i = 0; i < 512; i++)
        directories[i] = (u64)i << 21 | PS | P_W;
    pdpt[0] = (uintptr_t)directories | 1;
    pdpt[1] = (uintptr_t)directories | 1 | 0x1e0; /* reserved bits */
    write_cr4(read_cr4() | CR4_PAE);
    write_cr3((uintptr_t)pdpt);
    ok(write_faults((before | CR0_PG) ^ CR0_NE) && read_cr0() == before,
       "PAE paging with a reserved bit in a PDPTE: #GP");
    pdpt[1] = 0;
    write_cr0((before | CR0_PG) ^ CR0_NE);
    directories[3] = directories[2];
    poke(4 << 20, 0x5678);
    ok(peek(6 << 20) == 0x5678, "PAE paging");
    pdpt[1] = (uintptr_t)directories | 1;
    write_cr0(read_cr0() ^ CR0_CD);
    ok(peek((1u << 30) + (4 << 20)) == 0x5678, "a change of CD loads the PDPTEs");
    pdpt[2] = 1 | 0x1e0;
    ok(cr3_faults((uintptr_t)pdpt), "MOV to CR3 with a reserved bit in a PDPTE: #GP");
    pdpt[2] = 0;
    directories[3] = 3ull << 21 | PS | P_W;
    write_cr0(before);
    write_cr4(read_cr4() & ~(uintptr_t)CR4_PAE);
}

static void set_gate64(unsigned vector, u32 handler)
{
    idt64[vector].low = (handler & 0xffff) | 0x18 << 16 | 0x8e00ull << 32 | (u64)(handler >> 16) << 48;
}

extern const u8 handler64[];

/* Protected mode, IA-32e mode by compatibility mode, 64-bit code, compatibility mode, and out. NE changes at each border. */
__attribute__((noinline, noclone)) static void through_long_mode(u32 cr0)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = { sizeof(idt64) - 1, (uintptr_t)idt64 };

    __asm__ volatile(
        "lidt %[idt]\n\t"
        "mov %[on], %%cr0\n\t"
        "ljmp $0x18, $1f\n\t"
        ".code64\n"
        "1: mov %%cr0, %%rax; mov %%eax, long_cr0(%%rip)\n\t"
        "xor $0x20, %%eax; mov %%rax, %%cr0; mov %%cr0, %%rax; mov %%eax, long_cr0_changed(%%rip)\n\t"
        "mov $0xc0000080, %%ecx; rdmsr; mov %%eax, long_lma(%%rip)\n\t"
        "mov $5, %%eax; mov %%rax, %%cr8; xor %%eax, %%eax; mov %%cr8, %%rax; mov %%eax, long_cr8(%%rip)\n\t"
        "mov $3f, %%r8d; mov $16, %%eax; mov %%rax, %%cr8\n"
        "3: mov %%r9d, long_cr8_fault(%%rip)\n\t"
        "mov $2f, %%r8d; xor %%r9d, %%r9d\n\t"
        "mov long_cr0(%%rip), %%eax; and $0x7fffffff, %%eax; mov %%rax, %%cr0\n" /* forbidden in 64-bit code */
        "2: mov %%r9d, long_fault(%%rip)\n\t"
        "movabs $0x1122334400000002, %%rcx; mov $long_buffer, %%edi; movabs $0x5566778800000000, %%r10\n\t"
        "or %%r10, %%rdi; mov $0x3ff, %%edx; addr32 rep insb\n\t"
        "mov %%rcx, long_rcx(%%rip); mov %%rdi, long_rdi(%%rip)\n\t"
        "movabs $0xffffffff00000000, %%r10; or %%r10, %%rsi; or %%r10, %%rbx\n\t" /* garbage above 32 bits */
        "push $0x08; mov $4f, %%eax; push %%rax; lretq\n"
        "handler64: mov (%%rsp), %%r9; add $1, %%r9d; mov %%r8, 8(%%rsp); add $8, %%rsp; iretq\n\t"
        ".code32\n"
        "4: mov %%cr0, %%eax; mov %%eax, compat_cr0\n\t"
        "mov %[off], %%cr0"
        :
        : [idt] "m"(pointer), [on] "S"((cr0 | CR0_PG) ^ CR0_NE), [off] "b"(cr0 ^ CR0_NE)
        : "eax", "ecx", "edx", "edi", "memory", "cc");
    trap_init();
    write_cr0(cr0);
}

static void long_mode(void)
{
    u32 before = read_cr0();

    outb(COM1 + 7, 0x5c);
    long_rcx = long_rdi = ~0ull;
    set_gate64(TRAP_GP, (u32)(uintptr_t)handler64);
    pml4[0] = (uintptr_t)pdpt | P_W;
    pdpt[0] = (uintptr_t)directories | P_W;
    write_cr3((uintptr_t)pml4);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_LME);
    ok(write_faults((before | CR0_PG) ^ CR0_NE), "LME and PG without PAE: #GP");
    write_cr4(read_cr4() | CR4_PAE);
    through_long_mode(before);
    ok(long_cr0 == ((before | CR0_PG) ^ CR0_NE), "IA-32e mode, and NE changed (0x%x)", long_cr0);
    ok(long_cr0_changed == (before | CR0_PG), "CR0 in 64-bit code (0x%x)", long_cr0_changed);
    ok((long_lma & (EFER_LME | EFER_LMA)) == (EFER_LME | EFER_LMA), "LMA is set (0x%x)", long_lma);
    ok(long_cr8 == 5 && long_cr8_fault == 1, "CR8 keeps 5 and refuses 16 (0x%x, 0x%x)", long_cr8, long_cr8_fault);
    ok(long_rcx == 0 && long_rdi == (uintptr_t)long_buffer + 2 && long_buffer[1] == 0x5c && long_buffer[2] == 0,
       "REP INSB with 32-bit addresses in 64-bit code");
    ok(long_fault == 1, "64-bit code cannot leave IA-32e mode: #GP (0x%x)", long_fault);
    ok(compat_cr0 == (before | CR0_PG), "compatibility mode (0x%x)", compat_cr0);
    ok((rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA)) == EFER_LME && read_cr0() == before, "out of IA-32e mode");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_LME);
    write_cr4(read_cr4() & ~(uintptr_t)CR4_PAE);
}

extern const u8 real_code[], real_code_end[];

/* At LOW_CODE. In: EBX the CR0 for real mode, ESI the one to come back with, EDI where to. */
__asm__(".pushsection .text\n"
        "real_code:\n\t"
        ".code16\n\t" /* in the 16-bit segment 0x20 */
        "movw $0x28, %ax; movw %ax, %ds; movw %ax, %es; movw %ax, %ss\n\t"
        "mov %ebx, %cr0\n\t"
        "ljmp $0, $0x8000 + 1f - real_code\n"
        "1: xorw %ax, %ax; movw %ax, %ds; movw %ax, %es\n\t"
        "lidtl %cs:0x8000 + 8f - real_code\n\t"
        "mov %cr0, %eax; mov %eax, %ebp\n\t"
        /* IVT: #GP, #UD to the handler below. */
        "movw $0x8000 + 7f - real_code, %ax\n\t"
        "movw %ax, 4 * 13; movw $0, 4 * 13 + 2; movw %ax, 4 * 6; movw $0, 4 * 6 + 2\n\t"
        /* #GP of slat's on an untouched stack: three words are pushed, no error code. */
        "movw $0x3000, %ax; movw %ax, %ss; movw $0, %sp\n\t"
        "movl $0x12345, %ecx; rdmsr\n\t"
        "pushw %dx\n\t"
        "movw $0x4000, %ax; movw %ax, %ss; movw $0, %sp\n\t"
        "ud2\n\t"
        "pushw %dx\n\t"
        "movw $0x5000, %ax; movw %ax, %ss; movw $0, %sp; movw $0xffff, %bx\n\t"
        "movw (%bx), %ax\n\t" /* beyond the segment's limit */
        "pushw %dx\n\t"
        "mov %esi, %cr0\n\t"
        "ljmpl $0x08, $real_back\n"
        /* DX: the stack pointer at the handler. All the instructions above that fault are two bytes long. */
        "7: movw %sp, %dx; pushw %bp; movw %sp, %bp; addw $2, 2(%bp); popw %bp; iretw\n\t"
        ".balign 4\n"
        "8: .word 0x3ff; .long 0\n"
        "real_code_end:\n\t"
        ".code32\n\t.popsection");

__attribute__((noinline, noclone)) static void through_real_mode(u32 cr0)
{
    static u32 saved[2];

    __asm__ volatile("mov %%esp, %[esp]; mov %%ebp, %[ebp]\n\t"
                     "ljmp $0x20, $0x8000\n"
                     "real_back: mov $0x10, %%eax; mov %%eax, %%ds; mov %%eax, %%es; mov %%eax, %%ss\n\t"
                     "mov %%ebp, real_cr0\n\t"
                     "mov %[esp], %%esp; mov %[ebp], %%ebp"
                     : [esp] "=m"(saved[0]), [ebp] "=m"(saved[1])
                     : "b"((cr0 & ~(u32)CR0_PE) ^ CR0_NE), "S"(cr0)
                     : "eax", "ecx", "edx", "memory", "cc");
    trap_init();
}

static u16 pushed_dx(u32 stack)
{
    return *(volatile u16 *)(stack + 0xfffe);
}

static void real_mode(void)
{
    u32 before = read_cr0();

    for (u32 i = 0; real_code + i < real_code_end; i++)
        ((volatile u8 *)LOW_CODE)[i] = real_code[i];
    through_real_mode(before);
    ok(real_cr0 == ((before & ~(u32)CR0_PE) ^ CR0_NE) && read_cr0() == before,
       "real mode and back, and NE changed (0x%x)", real_cr0);
    ok(pushed_dx(0x30000) == 0xfffa, "in it #GP of slat's has no error code (SP 0x%x)", pushed_dx(0x30000));
    ok(pushed_dx(0x40000) == 0xfffa, "#UD of the processor's is delivered (SP 0x%x)", pushed_dx(0x40000));
    ok(pushed_dx(0x50000) == 0xfffa, "and so is its #GP (SP 0x%x)", pushed_dx(0x50000));
}

/* 32-bit code in a segment with L set, outside IA-32e mode. */
static void meaningless_l(void)
{
    u32 eax = 1;

    __asm__ volatile("ljmp $0x30, $1f; 1: cpuid; ljmp $0x08, $2f; 2:" : "+a"(eax) : : "ebx", "ecx", "edx", "memory");
    ok(eax == cpuid(1, 0).eax, "CPUID in a 32-bit code segment with L set");
}

/* CPUID in the last two bytes of a code segment of 4 GiB, and what follows it in the first ones. */
static void wraps(void)
{
    static struct {
        u8 cpuid[2], jump;
        u32 back_eip;
        u16 back_cs;
    } __attribute__((packed)) code = { .cpuid = { 0x0f, 0xa2 }, .jump = 0xea, .back_cs = 0x08 };
    const struct {
        u32 eip;
        u16 cs;
    } __attribute__((packed)) last = { 0xfffffffe, 0x38 };
    u64 base = (u32)(uintptr_t)&code + 2;
    u32 eax = 0, ecx = 0, wanted = cpuid(0, 0).eax;

    gdt[7] |= (base & 0xffffff) << 16 | base >> 24 << 56;
    __asm__ volatile("movl $1f, %0; ljmp *%3; 1:"
                     : "=m"(code.back_eip), "+a"(eax), "+c"(ecx)
                     : "m"(last)
                     : "ebx", "edx", "memory");
    ok(eax == wanted, "EIP goes from the end of a segment of 4 GiB to its begin behind a CPUID");
}

void stub_main(void)
{
    trap_init();
    trap_load_gdt(gdt, sizeof(gdt));
    plan(28);
    cr0_bits();
    paging32();
    paging_pae();
    long_mode();
    real_mode();
    meaningless_l();
    wraps();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: what a guest says to the monitor about itself can be anything, from anywhere. Text that is not there, does not
 * end or lies across the end of memory, wrong words, numbers that do not fit, commands for operators: an error each.
 * From user programs and in virtual-8086 mode VMCALL is an invalid opcode.
 *
 *   [guest hostile-calls]
 *   image = hostile_calls.elf
 *   hypercalls = yes
 *   expect-end = exit 0
 *
 * On the command line instead: flood=TICKS gives commands that take long, one after the other, and writes what they
 * protect; watch=TICKS measures how long it does not run meanwhile; logged=TICKS writes pages that are logged; shared
 * writes pages that a snapshot shares; snapshots takes them until memory is gone; balloon gives away all memory, under
 * its own feet; block fills its ring of dirty pages, and waits.
 */
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/lib/trap.h"

enum { PAGE = 4096, FIRST = 8 << 20, LINE = 120, REAL_CODE = 0x8000, REAL_SEGMENT = 0x20 };
enum { CODE = 0x08, DATA = 0x10, USER_CODE = 0x18 | 3, CODE_16 = REAL_SEGMENT, USER_DATA = 0x28 | 3, TSS = 0x30 };
enum { EFAULT = 14, EINVAL = 22, EPERM = 1 };

static u64 gdt[7];
static u32 tss[26];
static u8 trap_stack[4096] __attribute__((aligned(16)));
static volatile struct {
    u32 count, vector, eflags, cs;
} seen;
u32 kernel_esp, outer_number;
u32 real_result, real_text;

void outer_finished(void);

void trap(struct trap_frame *frame)
{
    seen.count++;
    seen.vector = frame->vector;
    seen.eflags = frame->eflags;
    seen.cs = frame->cs;
    if (frame->vector != TRAP_UD || (!(frame->eflags & FLAG_VM) && !(frame->cs & 3)))
        trap_unexpected(frame);
    __asm__ volatile("mov kernel_esp, %esp; jmp outer_finished");
    __builtin_unreachable();
}

/* VMCALL with this number where CPL is 3; comes back with the exception that this raises. */
__attribute__((noinline, noclone)) static void call_from_outside(bool v86, u32 number)
{
    static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xeb, 0xfe }; /* VMCALL, and a jump to itself */

    for (unsigned i = 0; i < sizeof(code); i++)
        ((volatile u8 *)REAL_CODE)[i] = code[i];
    seen.count = 0;
    outer_number = number;
    __asm__ volatile("pushal; mov %%esp, kernel_esp\n\t"
                     "test %[v86], %[v86]; jz 1f\n\t"
                     "pushl $0; pushl $0; pushl $0; pushl $0\n"
                     "1: pushl %[ss]; pushl $0x7000; pushl %[flags]; pushl %[cs]; pushl %[eip]\n\t"
                     "movl outer_number, %%eax; movl $0x100, %%ebx; iret\n\t"
                     ".globl outer_finished\n"
                     "outer_finished: popal; movl %[data], %%eax; mov %%eax, %%ds; mov %%eax, %%es"
                     :
                     : [v86] "r"((u32)v86), [ss] "r"(v86 ? 0u : USER_DATA), [flags] "r"(v86 ? 0x20002u : 2u),
                       [cs] "r"(v86 ? 0u : USER_CODE), [eip] "i"(REAL_CODE), [data] "i"(DATA)
                     : "eax", "memory", "cc");
}

/* VMCALL in real mode is the kernel's. */
extern const u8 real_code[], real_mode[], real_end[];
__asm__(".pushsection .text\n\t.code16\n"
        "real_code:\n\t"
        "movl %cr0, %eax; andl $~1, %eax; movl %eax, %cr0\n\t"
        "ljmp $0x800, $(real_mode - real_code)\n"
        "real_mode:\n\t"
        "movl $0x736c6174, %eax; vmcall; movl %eax, %esi\n\t"
        "movl %cr0, %eax; orl $1, %eax; movl %eax, %cr0\n\t"
        "ljmpl $0x08, $real_back\n"
        "real_end:\n\t"
        ".code32\n\t.popsection");

__attribute__((noinline, noclone)) static int call_from_real_mode(const char *text)
{
    for (u32 i = 0; real_code + i < real_end; i++)
        ((volatile u8 *)REAL_CODE)[i] = real_code[i];
    real_text = (u32)(uintptr_t)text;
    __asm__ volatile("pushal; movl real_text, %%ebx; ljmp $0x20, $0x8000\n"
                     ".globl real_back\n"
                     "real_back: movl %%esi, real_result; popal"
                     :
                     :
                     : "memory", "cc");
    return (int)real_result;
}

static int call_at(uintptr_t address)
{
    return command((const char *)address).error;
}

static void copy(uintptr_t to, const char *text, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        ((volatile char *)to)[i] = text[i];
}

static void addresses(void)
{
    uintptr_t end = memory_end();
    char line[2 * LINE] = "help";

    copy(end - 5, "help", 5);
    ok(call_at(end - 5) == 0, "a text right before the end of memory");
    ok(call_at(end - 1) == 0, "an empty one");
    copy(end - 5, "help ", 5);
    ok(call_at(end - 5) == -EFAULT, "one that does not end with memory");
    ok(call_at(end) == -EFAULT && call_at(0xc0000000) == -EFAULT, "one behind it");
    ok(call_at(0xffffffff) == -EFAULT && call_at(0xfffff000) == -EFAULT, "and at the end of 4 GiB");
    copy(FIRST - 2, "help", 5);
    ok(call_at(FIRST - 2) == 0, "a text in two pages");
    for (unsigned i = 4; i < sizeof(line) - 1; i++)
        line[i] = ' ';
    line[LINE - 1] = '\0';
    ok(command(line).error == 0, "the longest line");
    line[LINE - 1] = ' ';
    ok(command(line).error == -EINVAL, "one that is too long");
}

static void words(void)
{
    /* Of 4096 pages. */
    static const char *const wrong[] = { "\"",
                                         "\"\"",
                                         "dirty",
                                         "dirty \"\"",
                                         "\"dirty start\"",
                                         "dirty  \"start",
                                         "1 2 3 4 5 6 7 8 9 10 11 12 13",
                                         "help me",
                                         "zap",
                                         "zap 0",
                                         "zap 0 0",
                                         "zap 0 1 2",
                                         "zap 4096 1",
                                         "zap 0 4097",
                                         "zap 4095 2",
                                         "zap 0xffffffffffffffff 1",
                                         "zap 1 0xffffffffffffffff",
                                         "zap 18446744073709551616 1",
                                         "zap 1 18446744073709551617",
                                         "zap 0x10000000000000001 1",
                                         "zap 0x 1",
                                         "zap -1 1",
                                         "zap 1 1K",
                                         "zap 0X1 1",
                                         "split 1 0xffffffffffffffff",
                                         "balloon 0xfffffffffffff 0xfffffffffffff",
                                         "balloon 0 99999999999999999999",
                                         "dirty ring 3",
                                         "dirty ring 1",
                                         "dirty ring 0xffffffffffffffff",
                                         "dirty ring 0x8000000000000000",
                                         "dirty ring x",
                                         "dirty reap 1",
                                         "dirty reap",
                                         "dirty harvest",
                                         "dirty rearm",
                                         "dirty stop",
                                         "dirty start lazy all manual lazy",
                                         "dirty start lazier",
                                         "dirty stop sometimes",
                                         "collapse all",
                                         "snapshot",
                                         "snapshot \"\"",
                                         "snapshot 123456789012345678901234",
                                         "reset x",
                                         "drop x",
                                         "drop \"\"",
                                         "snapshot a b",
                                         "reset",
                                         "\x01\x02\x7f\x80\xff",
                                         "%s%s%s%n",
                                         "dirty start %s" };
    static const char *const operators[] = {
        "vms", "pause", "resume", "wait 1s", "expect x", "dirty rate 1ms", "dirty forecast 1ms 1M 1ms"
    };
    static const char *const nothing[] = { "", " \t ", "# comment", "   #", "dirty ring 0" };

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int error = command(wrong[i]).error;

        ok(error < 0 && error > -200 && error != -EPERM, "wrong command %u: %d", i, error);
    }
    for (unsigned i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        ok(command(operators[i]).error == -EPERM, "%s is not for guests", operators[i]);
    for (unsigned i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
        ok(command(nothing[i]).error == 0, "\"%s\" does nothing", nothing[i]);
}

static void set_up(void)
{
    u32 base = (u32)(uintptr_t)tss;

    trap_init();
    gdt[CODE / 8] = 0x00cf9b000000ffff;
    gdt[DATA / 8] = 0x00cf93000000ffff;
    gdt[USER_CODE / 8] = 0x00cffb000000ffff;
    gdt[CODE_16 / 8] = 0x00009b000000ffff;
    gdt[USER_DATA / 8] = 0x00cff3000000ffff;
    gdt[TSS / 8] = (sizeof(tss) - 1) | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 | (u64)(base >> 24) << 56;
    tss[1] = (u32)(uintptr_t)(trap_stack + sizeof(trap_stack));
    tss[2] = DATA;
    tss[25] = sizeof(tss) << 16;
    trap_load_gdt(gdt, sizeof(gdt));
    __asm__ volatile("ltr %w0" : : "r"(TSS) : "memory");
}

/* ---- floods ---- */

static void write_all(u32 step)
{
    for (uintptr_t at = FIRST; at < memory_end(); at += step * PAGE)
        poke(at, at);
}

/* All in turn, until the time is over. Who is reset goes on behind "snapshot 1" again, twice. */
static void flood(u64 ticks)
{
    static const char *const texts[] = {
        "help",
        "map",
        "ept",
        "stats",
        "dirty start",
        "dirty harvest pages",
        "dirty stop keep",
        "dirty start manual all",
        "dirty rearm",
        "dirty ring 65536",
        "dirty reap 9999999",
        "snapshot 1",
        "reset 1",
        "dirty harvest",
        "snapshot 2",
        "drop 1",
        "drop 2",
        "dirty ring 0",
        "dirty stop",
        "split 0 4096",
        "collapse compact",
        "zap 2048 2048",
        "collapse lazily",
        "balloon 3072 1024",
    };
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]), RESETS = 2 };
    u64 start = rdtsc();
    unsigned calls = 0, failed = 0;

    do {
        struct command_result result = command(texts[calls % TEXTS]);

        failed += result.error != 0;
        if (calls++ % TEXTS == 11 && result.number == RESETS)
            calls++;
        write_all(1 + calls % 3);
    } while (rdtsc() - start < ticks || calls < TEXTS);
    plan(1);
    ok(failed == 0, "%u commands, %u failed", calls, failed);
}

/* Where writes are logged by protection these are faults and nothing else; then nothing at all, for ten slices. */
static void write_logged(u64 ticks)
{
    u64 start, spin;

    write_all(1);
    plan(1);
    ok(command("dirty start").error == 0, "logged");
    start = rdtsc();
    do {
        (void)command("dirty harvest");
        write_all(1);
        for (spin = rdtsc(); rdtsc() - spin < 200000;)
            ;
    } while (rdtsc() - start < ticks);
}

/* Each page that is written is copied. */
static void write_shared(void)
{
    plan(1);
    ok(command("snapshot x").error == 0, "a snapshot");
    write_all(1);
}

static void watch(u64 ticks)
{
    u64 start = rdtsc(), before = start, now, longest = 0;

    while (now = rdtsc(), now - start < ticks) {
        longest = now - before > longest ? now - before : longest;
        before = now;
    }
    plan(1);
    ok(longest != 0, "it did not run for %llu ticks at most", (unsigned long long)longest);
}

static void snapshots(void)
{
    char text[] = "snapshot a";

    while (command(text).error == 0) {
        write_all(1);
        text[sizeof(text) - 2]++;
    }
    print("%u snapshots\n", (unsigned)(text[sizeof(text) - 2] - 'a'));
}

static void block(void)
{
    print("blocks\n");
    (void)command("dirty start");
    (void)command("dirty ring 1024");
    write_all(1);
    bail_out("it was not held back");
}

void stub_main(void)
{
    if (argument("flood", 0)) {
        flood(argument("flood", 0));
    } else if (argument("logged", 0)) {
        write_logged(argument("logged", 0));
    } else if (argument("shared", 0)) {
        write_shared();
    } else if (argument("watch", 0)) {
        watch(argument("watch", 0));
    } else if (argument("snapshots", 0)) {
        snapshots();
    } else if (argument("balloon", 0)) {
        (void)command("balloon 0 4096");
    } else if (argument("block", 0)) {
        block();
    } else {
        set_up();
        plan(8 + 52 + 7 + 5 + 7);
        addresses();
        words();
        ok(commands_are_taken(), "it is told that it can");
        for (u32 number = HYPERCALL_MAGIC; number <= HYPERCALL_PRESENT; number++) {
            call_from_outside(false, number);
            ok(seen.count == 1 && seen.vector == TRAP_UD && (seen.cs & 3) == 3, "a user cannot call 0x%x", number);
            call_from_outside(true, number);
            ok(seen.count == 1 && seen.vector == TRAP_UD && seen.eflags & FLAG_VM, "nor can virtual-8086 mode");
        }
        ok(call_from_real_mode("help") == 0, "real mode can");
        ok(call_from_real_mode("vms") == -EPERM, "and is told what is wrong");
    }
}

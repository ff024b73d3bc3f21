/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A library to preload into Bochs: two faults around the delivery of an event are reported as they are. Bochs 3.1 has both
 * bugs.
 *
 * 1. With several processors, at the first instruction of a handler. A fault, and a VM exit by one, sets RIP back to where
 * the instruction began, which Bochs keeps in prev_rip. Having delivered an exception it goes on in its main loop, which for
 * one processor begins with prev_rip = RIP. The loop for several, around cpu_run_trace(), does not. So where the handler's
 * first instruction cannot be fetched (its page is not present, or an EPT violation), RIP becomes that of the instruction that
 * had the first exception, with CS, RSP and flags of the handler: a guest's kernel goes on in a program, at CPL 0.
 *
 * 2. While a virtual interrupt is delivered. A VM exit then (an EPT violation at the stack) says in the IDT-vectoring
 * information which event has to be delivered again. VMX_Deliver_Virtual_Interrupt() does not note its own, so that an
 * earlier one is named: a guest loses the interrupt, and gets an old exception once more.
 *
 * The constructor looks for instructions that show the bug and where the fields are. Only where it finds them, the first
 * instructions of cpu_run_trace(), and of interrupt(), are overwritten with a jump to a function here, which does what
 * is missing and goes on there. Any other Bochs is left alone.
 *
 * Says on standard error what it did if BOCHS_CURES_VERBOSE is set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct cure {
    const char *shows; /* the function in which these instructions show where the fields are */
    const uint8_t *marks;
    size_t marks_size;
    const char *lacks; /* NULL, or a function in which, if it was mended, these bytes would be found */
    const uint8_t *absent;
    size_t absent_size;
    const char *changed;  /* the function whose first instructions are replaced */
    const uint8_t *start; /* they are these, 16 bytes or more, */
    size_t start_size;
    void (*replacement)(void);
    const uint8_t **rest; /* and this is told where the others are */
};

enum { MARKS_WITHIN = 0x1a0 };

/* rip, at 0xe8, to prev_rip, at 0x120; speculative_rsp, at 0x138, is false. */
static const uint8_t commit[] = {
    0x48, 0x8b, 0x82, 0xe8, 0x00, 0x00, 0x00, /* mov rax, [rdx + 0xe8] */
    0xc6, 0x82, 0x38, 0x01, 0x00, 0x00, 0x00, /* mov byte [rdx + 0x138], 0 */
    0x48, 0x89, 0x82, 0x20, 0x01, 0x00, 0x00, /* mov [rdx + 0x120], rax */
};

static const uint8_t trace_start[] = {
    0xf3, 0x0f, 0x1e, 0xfa,             /* endbr64 */
    0x48, 0x83, 0xec, 0x18,             /* sub rsp, 0x18 */
    0x8b, 0x87, 0xe8, 0x91, 0x00, 0x00, /* mov eax, [rdi + 0x91e8] */
    0x48, 0x89, 0x5c, 0x24, 0x08,       /* mov [rsp + 8], rbx */
};

/* The vectoring information, without its valid bit, is at 0x90b0. */
static const uint8_t note_event[] = {
    0x44, 0x89, 0x9d, 0xb0, 0x90, 0x00, 0x00, /* mov [rbp + 0x90b0], r11d */
};

static const uint8_t interrupt_start[] = {
    0xf3, 0x0f, 0x1e, 0xfa, /* endbr64 */
    0x41, 0x56,             /* push r14 */
    0x45, 0x89, 0xc6,       /* mov r14d, r8d */
    0x41, 0x55,             /* push r13 */
    0x41, 0x89, 0xcd,       /* mov r13d, ecx */
    0x41, 0x54,             /* push r12 */
};

/* Where the changed functions go on. */
__attribute__((visibility("hidden"))) const uint8_t *trace_rest, *interrupt_rest;

void run_trace(void) __attribute__((visibility("hidden")));
void interrupt(void) __attribute__((visibility("hidden")));

/* interrupt(vector, type, ...): of type 0, an external or virtual interrupt, the vectoring information is the vector. */
__asm__(".text\n"
        "run_trace:\n\t"
        "endbr64\n\t"
        "movq 0xe8(%rdi), %rax\n\t"
        "movb $0, 0x138(%rdi)\n\t"
        "movq %rax, 0x120(%rdi)\n\t"
        "subq $0x18, %rsp\n\t"
        "movl 0x91e8(%rdi), %eax\n\t"
        "movq %rbx, 8(%rsp)\n\t"
        "jmp *trace_rest(%rip)\n"
        "interrupt:\n\t"
        "endbr64\n\t"
        "testl %edx, %edx\n\t"
        "jnz 1f\n\t"
        "movzbl %sil, %eax\n\t"
        "movl %eax, 0x90b0(%rdi)\n"
        "1:\tpushq %r14\n\t"
        "movl %r8d, %r14d\n\t"
        "pushq %r13\n\t"
        "movl %ecx, %r13d\n\t"
        "pushq %r12\n\t"
        "jmp *interrupt_rest(%rip)\n");

static const struct cure cures[] = {
    {
        .shows = "_ZN8BX_CPU_C8cpu_loopEv",
        .marks = commit,
        .marks_size = sizeof(commit),
        .changed = "_ZN8BX_CPU_C13cpu_run_traceEv",
        .start = trace_start,
        .start_size = sizeof(trace_start),
        .replacement = run_trace,
        .rest = &trace_rest,
    },
    {
        .shows = "_ZN8BX_CPU_C12VMexit_EventEjjtbm",
        .marks = note_event,
        .marks_size = sizeof(note_event),
        .lacks = "_ZN8BX_CPU_C29VMX_Deliver_Virtual_InterruptEv",
        .absent = note_event + 3,
        .absent_size = 4,
        .changed = "_ZN8BX_CPU_C9interruptEhjbt",
        .start = interrupt_start,
        .start_size = sizeof(interrupt_start),
        .replacement = interrupt,
        .rest = &interrupt_rest,
    },
};

static int redirect(uint8_t *from, void (*to)(void))
{
    /* endbr64; mov rax, imm64; jmp rax */
    uint8_t jump[16] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0xb8, [14] = 0xff, [15] = 0xe0 };
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)from & -page_size;
    size_t size = (uintptr_t)from + sizeof(jump) - first;

    memcpy(&jump[6], &to, sizeof(to));
    if (mprotect((void *)first, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return -1;
    memcpy(from, jump, sizeof(jump));
    return mprotect((void *)first, size, PROT_READ | PROT_EXEC);
}

static int is_needed(const struct cure *cure, const uint8_t *changed)
{
    const uint8_t *shows = dlsym(RTLD_DEFAULT, cure->shows);
    const uint8_t *lacks = cure->lacks ? dlsym(RTLD_DEFAULT, cure->lacks) : NULL;

    return changed && shows && memcmp(changed, cure->start, cure->start_size) == 0 &&
           memmem(shows, MARKS_WITHIN, cure->marks, cure->marks_size) &&
           (!cure->lacks || (lacks && !memmem(lacks, MARKS_WITHIN, cure->absent, cure->absent_size)));
}

__attribute__((constructor)) static void cure_all(void)
{
    for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++) {
        const struct cure *cure = &cures[i];
        uint8_t *changed = dlsym(RTLD_DEFAULT, cure->changed);
        int needed = is_needed(cure, changed);

        if (needed) {
            *cure->rest = changed + cure->start_size;
            if (redirect(changed, cure->replacement) != 0) {
                fprintf(stderr, "bochs-fault-cure: cannot change %s\n", cure->changed);
                abort();
            }
        }
        if (getenv("BOCHS_CURES_VERBOSE") != NULL)
            fprintf(stderr, "bochs-fault-cure: %s: %s\n", cure->changed, needed ? "changed" : "nothing to do");
    }
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A library to preload into Bochs: with several processors, a fault at the first instruction of an exception's handler is
 * reported where it is.
 *
 * A fault, and a VM exit by one, sets RIP back to where the instruction began, which Bochs keeps in prev_rip. Having delivered
 * an exception it goes on in its main loop, which for one processor begins with prev_rip = RIP. The loop for several,
 * around cpu_run_trace(), does not. So where the handler's first instruction cannot be fetched (its page is not present, or
 * an EPT violation), RIP becomes that of the instruction that had the first exception, with CS, RSP and flags of the handler:
 * a guest's kernel goes on in a program, at CPL 0. Bochs 3.1 has this.
 *
 * The constructor looks for the instructions of both functions, as far as they show the bug and where the fields are. Only then
 * the first instructions of cpu_run_trace() are overwritten with a jump to the function here, which does what is missing
 * and goes on there. Any other Bochs is left alone.
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

#define FOR_ONE     "_ZN8BX_CPU_C8cpu_loopEv"
#define FOR_SEVERAL "_ZN8BX_CPU_C13cpu_run_traceEv"

/* In the loop for one: rip, at 0xe8, to prev_rip, at 0x120; speculative_rsp, at 0x138, is false. */
static const uint8_t commit[] = {
    0x48, 0x8b, 0x82, 0xe8, 0x00, 0x00, 0x00, /* mov rax, [rdx + 0xe8] */
    0xc6, 0x82, 0x38, 0x01, 0x00, 0x00, 0x00, /* mov byte [rdx + 0x138], 0 */
    0x48, 0x89, 0x82, 0x20, 0x01, 0x00, 0x00, /* mov [rdx + 0x120], rax */
};
enum { COMMIT_WITHIN = 0x200 };

/* The first instructions of cpu_run_trace(), which `cured` executes in their stead. */
static const uint8_t start[] = {
    0xf3, 0x0f, 0x1e, 0xfa,             /* endbr64 */
    0x48, 0x83, 0xec, 0x18,             /* sub rsp, 0x18 */
    0x8b, 0x87, 0xe8, 0x91, 0x00, 0x00, /* mov eax, [rdi + 0x91e8] */
    0x48, 0x89, 0x5c, 0x24, 0x08,       /* mov [rsp + 8], rbx */
};

/* Where cpu_run_trace() goes on. */
__attribute__((visibility("hidden"))) const uint8_t *bochs_rest;

void cured(void) __attribute__((visibility("hidden")));
__asm__(".text\n"
        "cured:\n\t"
        "endbr64\n\t"
        "movq 0xe8(%rdi), %rax\n\t"
        "movb $0, 0x138(%rdi)\n\t"
        "movq %rax, 0x120(%rdi)\n\t"
        "subq $0x18, %rsp\n\t"
        "movl 0x91e8(%rdi), %eax\n\t"
        "movq %rbx, 8(%rsp)\n\t"
        "jmp *bochs_rest(%rip)\n");

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

__attribute__((constructor)) static void cure(void)
{
    const uint8_t *for_one = dlsym(RTLD_DEFAULT, FOR_ONE);
    uint8_t *for_several = dlsym(RTLD_DEFAULT, FOR_SEVERAL);
    const char *outcome = "nothing to do";

    if (for_one && for_several && memmem(for_one, COMMIT_WITHIN, commit, sizeof(commit)) &&
        memcmp(for_several, start, sizeof(start)) == 0) {
        bochs_rest = for_several + sizeof(start);
        if (redirect(for_several, cured) != 0) {
            fputs("bochs-fault-cure: cannot change " FOR_SEVERAL "\n", stderr);
            abort();
        }
        outcome = "changed " FOR_SEVERAL;
    }
    if (getenv("BOCHS_CURES_VERBOSE") != NULL)
        fprintf(stderr, "bochs-fault-cure: %s\n", outcome);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See panic.h. The report trusts nothing that it can do without: no allocation, no lock, a second fault cuts it short. */
#include "arch/x86/panic.h"

#include "arch/x86/apic.h"
#include "arch/x86/backtrace.h"
#include "arch/x86/cpu.h"
#include "arch/x86/delay.h"
#include "arch/x86/firmware.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"
#include "arch/x86/stack.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "version.h" /* made by hypervisor.mk */

enum { CAUSE_SIZE = 400, CODE_BEFORE = 16, CODE_AFTER = 16, STOP_US = 10000 };

typedef unsigned long long ull;

u64 __stack_chk_guard = 0x595e9fbd94fda766; /* hv_entry makes another one */

static void (*reports[PANIC_MAX_REPORTS])(void);
static void (*end_machine)(void) = firmware_power_off; /* does not return */
static u64 reporting_cpu;                              /* APIC ID + 1; 0: nobody reports */
static u32 stopped_cpus;                               /* of the others */

/* The reporting processor only: */
static unsigned depth;
static bool result_shown;
static char first_cause[CAUSE_SIZE];

void panic_add_report(void (*report)(void))
{
    for (unsigned i = 0; i < PANIC_MAX_REPORTS; i++) {
        if (!reports[i]) {
            reports[i] = report;
            return;
        }
    }
    panic("panic_add_report: more than %d", PANIC_MAX_REPORTS);
}

void panic_set_end(void (*end)(void))
{
    end_machine = end;
}

static _Noreturn void stop_for_good(void)
{
    for (;;) {
        cli();
        hlt();
    }
}

bool panic_is_reporting(void)
{
    return __atomic_load_n(&reporting_cpu, __ATOMIC_ACQUIRE) != 0;
}

void panic_stop_here(void)
{
    u64 reporting = __atomic_load_n(&reporting_cpu, __ATOMIC_ACQUIRE);

    if (reporting && reporting != apic_id() + 1ull) {
        __atomic_fetch_add(&stopped_cpus, 1, __ATOMIC_RELEASE); /* pairs with the load in stop_others() */
        stop_for_good();
    }
}

/*
 * Each by itself: to "all but self" processors would answer that we never started. One that panicked too takes the NMI where
 * it waits. One that has its NMIs blocked never answers, and is not waited for any longer.
 */
static void stop_others(u32 self)
{
    unsigned count = processor_count();

    for (unsigned i = 0; i < count; i++)
        if (processor_at(i)->apic_id != self)
            apic_send_nmi(processor_at(i)->apic_id);
    for (u64 start = rdtsc(), most = delay_ticks(STOP_US);
         __atomic_load_n(&stopped_cpus, __ATOMIC_ACQUIRE) < count - 1 && rdtsc() - start < most;)
        cpu_pause();
}

/* One processor reports; the others that get here wait until it ends the machine's run. Returns the report's APIC ID. */
static u32 claim_report(void)
{
    u32 id = apic_id();
    u64 nobody = 0, self = id + 1ull;

    cli();
    if (__atomic_compare_exchange_n(&reporting_cpu, &nobody, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        stop_others(id);
    else if (nobody != self)
        stop_for_good();
    return id;
}

static void show_registers(const struct exception_frame *f)
{
    log_line("registers:");
    log_line("  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx", (ull)f->rax, (ull)f->rbx, (ull)f->rcx,
             (ull)f->rdx);
    log_line("  rsi %016llx  rdi %016llx  rbp %016llx  rsp %016llx", (ull)f->rsi, (ull)f->rdi, (ull)f->rbp,
             (ull)f->rsp);
    log_line("  r8  %016llx  r9  %016llx  r10 %016llx  r11 %016llx", (ull)f->r8, (ull)f->r9, (ull)f->r10, (ull)f->r11);
    log_line("  r12 %016llx  r13 %016llx  r14 %016llx  r15 %016llx", (ull)f->r12, (ull)f->r13, (ull)f->r14,
             (ull)f->r15);
    log_line("  rip %016llx  rflags %llx  cs %llx  ss %llx  vector %llu  error code %llx", (ull)f->rip, (ull)f->rflags,
             (ull)f->cs, (ull)f->ss, (ull)f->vector, (ull)f->error);
    if (!stack_find(f->rsp) && !stack_find_guard(f->rsp))
        log_line("  rsp is in no stack");
}

static void show_control_registers(void)
{
    log_line("  cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx  efer %llx", (ull)cr0_read(), (ull)cr2_read(), (ull)cr3_read(),
             (ull)cr4_read(), (ull)rdmsr(MSR_EFER));
}

/* The bytes around RIP, that one in brackets. */
static void show_code(u64 rip)
{
    char text[4 * (CODE_BEFORE + CODE_AFTER)];
    struct mapping mapping;
    int length = 0;

    for (u64 address = rip - CODE_BEFORE; address != rip + CODE_AFTER; address++) {
        if (paging_lookup(address, &mapping))
            length += format_text(text + length, sizeof text - (size_t)length, address == rip ? " [%02x]" : " %02x",
                                  *(const u8 *)address);
    }
    log_line("code at rip:%s", length ? text : " not mapped");
}

static void show_report(const struct exception_frame *frame, u32 apic_id, u64 rip, u64 rbp, u64 rsp)
{
    log_line("PANIC in slat %s on the processor with APIC ID %u: %s", SLAT_VERSION, apic_id, first_cause);
    if (frame) {
        show_registers(frame);
        show_control_registers();
        show_code(rip);
    }
    backtrace_print(rip, rbp, rsp);
    for (unsigned i = 0; i < PANIC_MAX_REPORTS && reports[i]; i++)
        reports[i]();
}

static _Noreturn void report_and_stop(const struct exception_frame *frame, const char *cause, u64 rip, u64 rbp, u64 rsp)
{
    u32 apic_id = claim_report();

    switch (depth++) {
    case 0:
        format_text(first_cause, sizeof first_cause, "%s", cause);
        show_report(frame, apic_id, rip, rbp, rsp);
        break;
    case 1:
        log_line("%s: %s", result_shown ? "while the machine was switched off" : "in the middle of this report", cause);
        break;
    default:
        for (;;)
            hlt();
    }
    if (!result_shown) {
        result_shown = true;
        log_line("result: stopped (%s)", first_cause);
    }
    end_machine();
    firmware_halt();
}

_Noreturn void panic_at(const struct exception_frame *frame, const char *cause)
{
    report_and_stop(frame, cause, frame->rip, frame->rbp, frame->rsp);
}

_Noreturn void panic(const char *format, ...)
{
    char cause[CAUSE_SIZE];
    u64 rip, rbp = (u64)__builtin_frame_address(0);
    va_list args;

    va_start(args, format);
    format_text_v(cause, sizeof cause, format, args);
    va_end(args);
    __asm__("leaq (%%rip), %0" : "=r"(rip));
    report_and_stop(NULL, cause, rip, rbp, rbp);
}

/* <assert.h> declares this one. */
_Noreturn void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
    panic("%s:%u: %s: assertion failed: %s", file, line, function, expression);
}

/* What -fstack-protector-strong calls. */
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
    panic("a function's stack frame was overwritten: a local array overflowed");
}

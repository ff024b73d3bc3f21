/* SPDX-License-Identifier: BSD-2-Clause */
/* See exception_text.h. */
#include "arch/x86/exception_text.h"

#include "arch/x86/cpu.h"
#include "arch/x86/page_entry.h"
#include "hv/lib/format.h"

/* SDM vol. 3, 6.13 "Error Code". */
enum { SELECTOR_EXTERNAL = 1, SELECTOR_IDT = 2, SELECTOR_LDT = 4 };

const char *exception_name(u64 vector)
{
    static const char *const names[] = {
        [VECTOR_DE] = "divide error (#DE)",
        [VECTOR_DB] = "debug exception (#DB)",
        [VECTOR_NMI] = "non-maskable interrupt",
        [VECTOR_BP] = "breakpoint (#BP)",
        [VECTOR_OF] = "overflow (#OF)",
        [VECTOR_BR] = "bound range exceeded (#BR)",
        [VECTOR_UD] = "invalid opcode (#UD)",
        [VECTOR_NM] = "device not available (#NM)",
        [VECTOR_DF] = "double fault (#DF)",
        [VECTOR_TS] = "invalid TSS (#TS)",
        [VECTOR_NP] = "segment not present (#NP)",
        [VECTOR_SS] = "stack-segment fault (#SS)",
        [VECTOR_GP] = "general protection fault (#GP)",
        [VECTOR_PF] = "page fault (#PF)",
        [VECTOR_MF] = "x87 floating-point error (#MF)",
        [VECTOR_AC] = "alignment check (#AC)",
        [VECTOR_MC] = "machine check (#MC)",
        [VECTOR_XM] = "SIMD floating-point exception (#XM)",
        [VECTOR_VE] = "virtualization exception (#VE)",
        [VECTOR_CP] = "control protection exception (#CP)",
    };

    return vector < sizeof names / sizeof *names && names[vector] ? names[vector] : "reserved exception";
}

static void describe_page_fault(u64 error, char *text, size_t size)
{
    const char *access = error & PF_EXECUTE ? "execution of" : error & PF_WRITE ? "a write to" : "a read from";
    const char *why = !(error & PF_PRESENT)     ? "that is not mapped"
                      : error & PF_RESERVED_BIT ? "whose entry has a reserved bit set"
                      : error & PF_KEY          ? "whose protection key forbids it"
                      : error & PF_SHADOW_STACK ? "by a shadow-stack access"
                      : error & PF_EXECUTE      ? "that is not executable"
                      : error & PF_WRITE        ? "that is read-only"
                                                : "that forbids it";

    format_text(text, size, ": %s a page %s%s", access, why, error & PF_USER ? ", in user mode" : "");
}

static void describe_selector(u64 error, char *text, size_t size)
{
    const char *external = error & SELECTOR_EXTERNAL ? ", while an event was delivered" : "";
    unsigned index = (unsigned)(error >> 3 & 0x1fff);

    if (error & SELECTOR_IDT)
        format_text(text, size, ": gate of vector %u%s", index, external);
    else
        format_text(text, size, ": selector 0x%x in the %s%s", index << 3, error & SELECTOR_LDT ? "LDT" : "GDT",
                    external);
}

void exception_describe(u64 vector, u64 error, char *text, size_t size)
{
    if (vector == VECTOR_PF)
        describe_page_fault(error, text, size);
    else if (error && vector >= VECTOR_TS && vector <= VECTOR_GP)
        describe_selector(error, text, size);
    else if (error)
        format_text(text, size, ": error code 0x%llx", (unsigned long long)error);
    else
        format_text(text, size, "%s", "");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state in which a guest's first processor starts: what an image loader (hv/load/) decides and
 * arch/x86/guest_state.c turns into VMCS fields and registers. Everything not named here has its value after INIT or, where
 * that makes no sense (segment limits in flat modes), the obvious flat one.
 */
#ifndef ARCH_X86_GUEST_START_H
#define ARCH_X86_GUEST_START_H

#include <stdint.h>

enum start_mode {
    START_REAL,   /* 16-bit: segments are base = selector << 4 */
    START_FLAT32, /* protected mode, paging off, flat 4 GiB segments */
    START_LONG64, /* 64-bit mode, paging on with cr3, flat segments */
    START_RESET, /* all as after INIT: CS is 0xf000 with base 0xffff0000, RIP 0xfff0; the rest of this structure is 0 */
};

struct guest_start {
    uint32_t mode;     /* enum start_mode */
    uint16_t cs, ds;   /* selectors; ds also for es, ss, fs, gs. Real mode: segment values */
    uint64_t rip, rsp; /* real mode: offsets */
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t cr3;      /* START_LONG64: tables in guest memory */
    uint64_t gdt_base; /* 0 with limit 0: none is loaded (the segment registers' hidden parts are flat anyway) */
    uint16_t gdt_limit;
};

#endif

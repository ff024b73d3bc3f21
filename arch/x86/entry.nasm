; SPDX-License-Identifier: BSD-2-Clause
;
; Where the boot application jumps to (the state then: boot/handoff.h), and the stack on which hv_main() runs.
; paging_init() unmaps the page below it.

BOOT_STACK_SIZE equ 8 * 4096

extern hv_main
extern __stack_chk_guard

section .text.entry progbits alloc exec nowrite align=16

; void hv_entry(struct boot_info *info in RDI)
global hv_entry:function
hv_entry:
        cld
        lea     rsp, [rel boot_stack_top]
        rdtsc                           ; a canary that differs from start to start: it guards against bugs, not attackers
        shl     rdx, 32
        or      rax, rdx
        mov     rcx, 0x9e3779b97f4a7c15
        imul    rax, rcx
        xor     al, al                  ; a string that runs over ends before it
        mov     [rel __stack_chk_guard], rax
        xor     ebp, ebp                ; backtraces end here
        call    hv_main
        ud2

section .bss

global boot_stack, boot_stack_top
alignb 4096
        resb    4096
boot_stack:
        resb    BOOT_STACK_SIZE
boot_stack_top:

; SPDX-License-Identifier: BSD-2-Clause
;
; The way into idt_dispatch() for all 256 vectors: struct exception_frame (arch/x86/idt.h) is made here.

extern idt_dispatch

VECTORS_WITH_ERROR equ 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30

section .text.exceptions progbits alloc exec nowrite align=16

global exception_stubs
exception_stubs:
%assign vector 0
%rep 256
        align   16
%if vector >= 32 || !(VECTORS_WITH_ERROR >> vector & 1)
        push    0
%endif
        push    strict dword vector
        jmp     strict near exception_common
%assign vector vector + 1
%endrep

        align   16
exception_common:
        push    rax
        push    rcx
        push    rdx
        push    rbx
        push    rbp
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        push    r12
        push    r13
        push    r14
        push    r15
        cld
        mov     rdi, rsp                ; a multiple of 16: the processor aligned it, and 22 words lie on it
        call    idt_dispatch
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rbp
        pop     rbx
        pop     rdx
        pop     rcx
        pop     rax
        add     rsp, 16                 ; vector, error
        iretq

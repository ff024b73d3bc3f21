; SPDX-License-Identifier: BSD-2-Clause
;
; Out of 5-level paging, in which firmware of large machines starts us. CR4.LA57 cannot change while paging is on, and paging
; cannot be off in 64-bit mode: so this goes down to 32-bit protected mode and up again (SDM vol. 3, "IA-32e Mode
; Operation: Initializing IA-32e Mode"). There only the low halves of registers and of addresses exist.
bits 64
default rel

CR0_PG          equ 1 << 31
CR4_PGE         equ 1 << 7
CR4_LA57        equ 1 << 12
CR4_PCIDE       equ 1 << 17
CR4_CET         equ 1 << 23

CODE64          equ gdt.code64 - gdt
CODE32          equ gdt.code32 - gdt
DATA            equ gdt.data - gdt

section .rodata
align 8
gdt:            dq 0
.code64:        dq 0x00af9b000000ffff   ; the accessed bits are set, since nobody may write here
.code32:        dq 0x00cf9b000000ffff
.data:          dq 0x00cf93000000ffff
.end:

section .text

global five_level_paging_leave:function hidden

; RDI: physical address of a 4-level root table that maps this code and the stack where they are. Both, and it, are below
; 4 GiB; interrupts are off.
five_level_paging_leave:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15

        mov     rax, cr4
        and     eax, ~(CR4_PGE | CR4_PCIDE | CR4_CET)
        mov     cr4, rax

        sub     rsp, 16
        lea     rax, [gdt]
        mov     word [rsp], gdt.end - gdt - 1
        mov     [rsp + 2], rax
        lgdt    [rsp]
        add     rsp, 16
        mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax

        lea     rbx, [.in_64_bits]
        lea     rax, [.in_32_bits]
        push    CODE32
        push    rax
        retfq

bits 32
.in_32_bits:
        mov     eax, cr0
        and     eax, ~CR0_PG
        mov     cr0, eax
        mov     eax, cr4
        and     eax, ~CR4_LA57
        mov     cr4, eax
        mov     cr3, edi
        mov     eax, cr0
        or      eax, CR0_PG
        mov     cr0, eax
        push    CODE64
        push    ebx
        retf

bits 64
.in_64_bits:
        mov     esp, esp                ; its upper half has been lost, and was zero
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits

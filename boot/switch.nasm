; SPDX-License-Identifier: BSD-2-Clause
;
; From the firmware's page tables to the hypervisor's. The code has a page for itself, which the hypervisor's tables map
; where it is, so that the instruction after the load of CR3 can be fetched. No stack is used after that load.
bits 64
default rel

CR0_MP          equ 1 << 1
CR0_EM          equ 1 << 2
CR0_TS          equ 1 << 3
CR0_NE          equ 1 << 5
CR0_WP          equ 1 << 16
CR4_PAE         equ 1 << 5
CR4_MCE         equ 1 << 6
CR4_OSFXSR      equ 1 << 9
CR4_OSXMMEXCPT  equ 1 << 10
MSR_EFER        equ 0xc0000080
EFER_NXE        equ 1 << 11

section .text.switch progbits alloc exec nowrite align=4096

global switch_page:data hidden
global switch_to_hypervisor:function hidden

; RDI: physical address of the root table; RSI: entry; RDX: address of struct boot_info
switch_page:
switch_to_hypervisor:
        cli
        cld
        mov     r8, rdx

        ; before the tables with no-execute bits
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, EFER_NXE
        wrmsr

        ; The state that runtime services want (UEFI specification, "x64 Platforms"), and no global pages, process-context
        ; identifiers or shadow stacks that would outlive the firmware's tables.
        mov     rax, cr4
        and     eax, CR4_MCE
        or      eax, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT
        mov     cr4, rax
        mov     rax, cr0
        and     eax, ~(CR0_EM | CR0_TS)
        or      eax, CR0_WP | CR0_NE | CR0_MP
        mov     cr0, rax

        mov     cr3, rdi
        mov     rdi, r8
        jmp     rsi

        times 4096 - ($ - switch_page) db 0xcc

section .note.GNU-stack noalloc noexec nowrite progbits

; SPDX-License-Identifier: BSD-2-Clause
; Where a processor starts: in real mode at physical address 0, to which these bytes are copied, with what INIT left in its
; registers; then in the stub, in its mode, with a stack of its own and its number in GS.
%ifidn __OUTPUT_FORMAT__, elf64
%define LONG_MODE 1
%else
%define LONG_MODE 0
%endif

CR0_PE equ 1
CR0_CD_NW equ 3 << 29
CR0_PG equ 1 << 31
CR4_PAE equ 1 << 5
EFER equ 0xc0000080
EFER_LME equ 1 << 8
PROCESSORS_MAX equ 32
STACK_SIZE equ 8192

global trampoline, trampoline_end, trampoline_next, trampoline_cr3, smp_gdt_load
extern processor_main

section .rodata
bits 16
trampoline:
    cli
    cld
    mov esi, cr0
    mov ebp, edx
    xor ax, ax
    mov ds, ax
    o32 lgdt [gdt_pointer_low - trampoline]
    mov eax, esi
    and eax, ~CR0_CD_NW
    or eax, CR0_PE
    mov cr0, eax
    jmp dword 0x18:start_32
align 8
gdt_pointer_low:
    dw gdt_end - gdt - 1
    dd gdt
    dw 0
trampoline_end:

section .text
bits 32
start_32:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov ebx, 1
    lock xadd [trampoline_next], ebx    ; this processor's index
%if LONG_MODE
    mov eax, cr4
    or eax, CR4_PAE
    mov cr4, eax
    mov eax, [trampoline_cr3]
    mov cr3, eax
    mov ecx, EFER
    rdmsr
    or eax, EFER_LME
    wrmsr
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    jmp 0x08:start_64
bits 64
start_64:
%endif
    lea eax, [ebx * 8 + 0x20]
    mov gs, ax
    lea eax, [ebx + 1]
    imul eax, eax, STACK_SIZE
%if LONG_MODE
    lea rsp, [stacks + rax]
    mov edi, ebx
    mov edx, ebp
    xor ebp, ebp
    call processor_main         ; (index, CR0, EDX): ESI is there already
%else
    lea esp, [stacks + eax - 4]
    push ebp
    push esi
    push ebx
    xor ebp, ebp
    call processor_main
%endif
    ud2

; void smp_gdt_load(void): for the first processor, whose index is 0
smp_gdt_load:
    lgdt [gdt_pointer]
    mov ax, 0x20
    mov gs, ax
    ret

section .data
align 8
gdt:
    dq 0
%if LONG_MODE
    dq 0x00af9b000000ffff       ; 0x08: 64-bit code
%else
    dq 0x00cf9b000000ffff       ; 0x08: flat 32-bit code
%endif
    dq 0x00cf93000000ffff       ; 0x10: flat data
    dq 0x00cf9b000000ffff       ; 0x18: flat 32-bit code, to start
    times PROCESSORS_MAX dq 0x00cf93000000ffff ; 0x20 and more: flat data, one for each processor
gdt_end:
gdt_pointer:
    dw gdt_end - gdt - 1
%if LONG_MODE
    dq gdt
%else
    dd gdt
%endif
align 4
trampoline_next: dd 1
trampoline_cr3: dd 0

section .bss
alignb 4096
stacks: resb PROCESSORS_MAX * STACK_SIZE

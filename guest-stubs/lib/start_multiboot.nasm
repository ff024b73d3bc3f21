; SPDX-License-Identifier: BSD-2-Clause
; Start of a 32-bit Multiboot stub: own GDT and stack, then stub_start() in stub.c.
bits 32

MAGIC equ 0x1badb002
FLAGS equ 3                     ; modules on page boundaries; memory information wanted

section .multiboot
align 4
dd MAGIC, FLAGS, -(MAGIC + FLAGS)

section .text
global _start
extern stub_start, multiboot_magic, multiboot_info
_start:
    cld
    mov esp, stack_end
    mov [multiboot_magic], eax
    mov [multiboot_info], ebx
    lgdt [gdt_pointer]
    jmp 0x08:.flat
.flat:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    xor ebp, ebp
    call stub_start
    ud2

section .data
align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff       ; 0x08: flat 32-bit code
    dq 0x00cf93000000ffff       ; 0x10: flat data
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

section .bss
alignb 16
resb 16384
stack_end:

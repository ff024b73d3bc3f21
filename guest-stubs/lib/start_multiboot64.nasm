; SPDX-License-Identifier: BSD-2-Clause
; Start of a 64-bit stub under a Multiboot loader: identity map of 4 GiB in 2 MiB pages, as slat gives it to flat 64-bit
; images, then stub_start() in stub.c.
bits 32

MAGIC equ 0x1badb002
FLAGS equ 3
PRESENT_WRITE equ 3
PRESENT_WRITE_LARGE equ 0x83
EFER equ 0xc0000080
EFER_LME equ 1 << 8
CR4_PAE equ 1 << 5
CR0_PG equ 1 << 31

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

    mov dword [pml4], directory_pointers + PRESENT_WRITE
    mov eax, directories + PRESENT_WRITE
    mov edi, directory_pointers
    mov ecx, 4
.pointer:
    mov [edi], eax
    add eax, 4096
    add edi, 8
    loop .pointer
    mov eax, PRESENT_WRITE_LARGE
    mov edi, directories
    mov ecx, 4 * 512
.page:
    mov [edi], eax
    add eax, 2 << 20
    add edi, 8
    loop .page

    mov eax, pml4
    mov cr3, eax
    mov eax, cr4
    or eax, CR4_PAE
    mov cr4, eax
    mov ecx, EFER
    rdmsr
    or eax, EFER_LME
    wrmsr
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    lgdt [gdt_pointer]
    jmp 0x08:.long
bits 64
.long:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov rsp, stack_end
    xor ebp, ebp
    call stub_start
    ud2

section .data
align 8
gdt:
    dq 0
    dq 0x00af9b000000ffff       ; 0x08: 64-bit code
    dq 0x00cf93000000ffff       ; 0x10: flat data
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

section .bss
alignb 4096
pml4:               resb 4096
directory_pointers: resb 4096
directories:        resb 4 * 4096
resb 16384
stack_end:

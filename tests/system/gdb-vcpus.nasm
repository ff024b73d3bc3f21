; SPDX-License-Identifier: BSD-2-Clause
; The guest of gdb.t: a Multiboot kernel for two processors. The first one goes through what a debugger may meet, in the order
; of the labels; the second one counts in real mode.
    bits 32
    global _start, work, own_int3, after_int3, step_here, after_cpuid, after_out, paged, spin, hlt_here, after_hlt
    global store, after_store, wait_here, wait_hlt, after_wait, timer, done, counter, own_breaks, go, watched, seen_dr0, ap_loop

ALIAS equ 0x40000000                    ; the first 4 MiB are there, too
AP_PAGE equ 0x8000                      ; where the second processor starts
APIC equ 0xfee00000
TIMER_VECTOR equ 0x40

    section .text
    align 4
    dd 0x1badb002, 0, -0x1badb002

_start:
    mov esp, stack_end
    lgdt [gdt_pointer]
    jmp 8:.flat
.flat:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, breakpoint_handler
    mov edi, idt + 3 * 8
    call set_gate
    mov eax, timer
    mov edi, idt + TIMER_VECTOR * 8
    call set_gate
    lidt [idt_pointer]
    call work
    call work
    jmp own_int3

set_gate:
    mov [edi], ax
    mov word [edi + 2], 8
    mov dword [edi + 4], eax
    mov word [edi + 4], 0x8e00
    ret

work:
    inc dword [counter]
    ret

breakpoint_handler:
    inc dword [own_breaks]
    iret

own_int3:
    int3
after_int3:
    nop

step_here:
    xor eax, eax
    cpuid
after_cpuid:
    mov dx, 0x3f8
    mov al, 10
    out dx, al
after_out:
    nop

; Paging: identity, once more at ALIAS, and the local APIC.
    mov dword [directory], 0x87
    mov dword [directory + (ALIAS >> 22) * 4], 0x87
    mov dword [directory + (APIC >> 22) * 4], (APIC & 0xffc00000) | 0x97
    mov eax, cr4
    or eax, 1 << 4
    mov cr4, eax
    mov eax, directory
    mov cr3, eax
    mov eax, cr0
    or eax, 1 << 31
    mov cr0, eax
    mov eax, work + ALIAS
    call eax
paged:
    nop

; The second processor.
    mov esi, ap_code
    mov edi, AP_PAGE
    mov ecx, ap_end - ap_code
    rep movsb
    or dword [APIC + 0xf0], 0x100
    mov dword [APIC + 0x310], 1 << 24
    mov dword [APIC + 0x300], 0x4500
    mov dword [APIC + 0x310], 1 << 24
    mov dword [APIC + 0x300], 0x4600 | AP_PAGE >> 12
spin:
    pause
    cmp dword [go], 0
    je spin

; A debug register of its own, and a store that a debugger watches.
    mov eax, 0x1234
    mov dr0, eax
store:
    mov dword [watched], 5
after_store:
    mov eax, dr0
    mov [seen_dr0], eax

; Nothing wakes it from this one, but for a debugger.
hlt_here:
    hlt
after_hlt:
    jmp hlt_here

wait_here:
    mov dword [APIC + 0x3e0], 0xb
    mov dword [APIC + 0x320], TIMER_VECTOR
    mov dword [APIC + 0x380], 1000
    sti
    nop                             ; a debugger that steps comes to the end of this, although the timer's time is over
    nop
wait_hlt:
    hlt
after_wait:
    cli
    cmp dword [counter], 3
    jne wrong
    cmp dword [own_breaks], 1
    jne wrong
    mov eax, dr0
    cmp eax, 0x1234
    jne wrong
    mov eax, [result]
done:
    out 0xf4, al
wrong:
    mov al, 1
    out 0xf4, al

timer:
    mov dword [APIC + 0xb0], 0
    iret

    bits 16
ap_code:
    xor ax, ax
ap_loop equ AP_PAGE + $ - ap_code
.again:
    inc ax
    nop
    jmp .again
ap_end:

    align 8
gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dd gdt
idt_pointer:
    dw 256 * 8 - 1
    dd idt
    align 8
counter: dd 0
own_breaks: dd 0
go: dd 0
watched: dd 0
seen_dr0: dd 0
result: dd 42
    align 4096
directory:
    times 4096 db 0
idt:
    times 256 * 8 db 0
    times 4096 db 0
stack_end:

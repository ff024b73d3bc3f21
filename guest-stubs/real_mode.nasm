; SPDX-License-Identifier: BSD-2-Clause
; Shows: a guest that starts in real mode, prints, goes to protected mode and back (unreal segment limits included),
; prints again and exits. It fits a boot sector, so that it runs from a floppy under any BIOS too.
;
;   [guest real-mode]
;   image = real_mode.bin
;   format = flat
;   start = real
;   load = 0x7c00
;   memory = 1M
;   expect-end = exit 0
bits 16
org 0x7c00

COM1 equ 0x3f8
DEBUG_EXIT equ 0xf4
TEST_BYTE equ 0x9000

start:
    jmp 0:.here                 ; whatever CS:IP it was
.here:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    mov si, plan
    call print

    ; Real mode: segment arithmetic, and the address wrap of 16-bit offsets.
    mov byte [TEST_BYTE], 0x5a
    mov ax, TEST_BYTE >> 4
    mov es, ax
    cmp byte [es:0], 0x5a
    mov si, test_segments
    call report

    mov eax, cr0
    test al, 1                  ; PE
    mov si, test_real
    call report

    ; Protected mode and back.
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 0x08:.protected
bits 32
.protected:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov dword [TEST_BYTE], 0x1234abcd
    jmp 0x18:.protected16
bits 16
.protected16:
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0:.real_again
.real_again:
    xor ax, ax
    mov ds, ax                  ; the base is loaded, the limit stays at 4 GiB
    mov es, ax
    mov ss, ax
    cmp dword [TEST_BYTE], 0x1234abcd
    mov si, test_protected
    call report

    mov ebx, 0x10000            ; beyond 64 KiB with the limit that stayed
    mov dword [ebx], 0x600dda7a
    mov ax, 0x1000
    mov es, ax
    cmp dword [es:0], 0x600dda7a
    mov si, test_unreal
    call report

    movzx eax, byte [failures]
    mov dx, DEBUG_EXIT
    out dx, eax
    cli
    hlt

; ZF: the test was right. SI: its number and name.
report:
    push si
    mov si, text_ok
    je .right
    mov byte [failures], 1
    mov si, text_not_ok
.right:
    call print
    pop si

; SI: text up to a 0.
print:
    lodsb
    test al, al
    jz .end
    mov ah, al
    mov dx, COM1 + 5
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    mov dx, COM1
    mov al, ah
    out dx, al
    jmp print
.end:
    ret

plan: db "1..4", 13, 10, 0
text_not_ok: db "not "          ; continues
text_ok: db "ok ", 0
test_segments: db "1 - segments", 13, 10, 0
test_real: db "2 - real mode", 13, 10, 0
test_protected: db "3 - protected mode and back", 13, 10, 0
test_unreal: db "4 - segment limits stay", 13, 10, 0
failures: db 0

align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff       ; 0x08: flat 32-bit code
    dq 0x00cf93000000ffff       ; 0x10: flat data
    dq 0x000f9b000000ffff       ; 0x18: flat 16-bit code
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

times 510 - ($ - $$) db 0
dw 0xaa55

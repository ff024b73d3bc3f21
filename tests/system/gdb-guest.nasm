; SPDX-License-Identifier: BSD-2-Clause
; What the machine of gdb-protocol.t executes: WIDE: 64-bit code. Only instructions that tests/unit/gdb_machine.c has.
%ifdef WIDE
    bits 64
%define COUNTER abs counter
%else
    bits 32
%define COUNTER counter
%endif
    global _start, work, counter, finish, fault
    section .text
_start:
    mov eax, 5
again:
    call work
    jmp short again

work:
    add eax, 1
    mov [COUNTER], eax
    nop
    mov eax, [COUNTER]
    ret

finish:
    mov eax, 42
    out 0xf4, al

fault:
    ud2

pause_here:
    hlt
    nop

    align 8
counter:
    dq 0

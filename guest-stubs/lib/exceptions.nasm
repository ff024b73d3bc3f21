; SPDX-License-Identifier: BSD-2-Clause
; Exception entries, and catch_exception(): a function call that an exception leaves early. 32 bits.
bits 32
section .text

global exception_entries, catch_exception
extern exception_unexpected, exception_error_code

; void exception_entry_N: pushes a 0 where the processor pushes no error code.
%assign vector 0
%rep 32
entry_ %+ vector:
%if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push dword 0
%endif
    push dword vector
    jmp take_exception
%assign vector vector + 1
%endrep

; [esp] vector, +4 error code, +8 EIP, +12 CS, +16 EFLAGS
take_exception:
    cld
    mov eax, [caught_stack]
    test eax, eax
    jz .unexpected
    mov ecx, [esp + 4]
    mov [exception_error_code], ecx
    mov ecx, [esp]
    mov esp, eax
    mov eax, ecx
    jmp leave_catch
.unexpected:
    call exception_unexpected
    ud2

; int catch_exception(void (*function)(void *), void *argument)
catch_exception:
    push ebp
    mov ebp, esp
    push ebx
    push esi
    push edi
    mov [caught_stack], esp
    push dword [ebp + 12]
    call [ebp + 8]
    add esp, 4
    mov eax, -1
leave_catch:
    mov dword [caught_stack], 0
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret

section .rodata
exception_entries:
%assign vector 0
%rep 32
    dd entry_ %+ vector
%assign vector vector + 1
%endrep

section .bss
caught_stack: resd 1            ; ESP to go on with, 0: nobody is catching

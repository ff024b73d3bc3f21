; SPDX-License-Identifier: BSD-2-Clause
; The edge between hypervisor and guest: general registers in, VM entry, VM exit, general registers out.
; Everything else that a guest can see is in the VMCS or is switched by vcpu_switch.c.

bits 64
section .text

%define VMCS_HOST_RSP    0x6c14
%define VMCS_EXIT_REASON 0x4402
%define GPR_RDI       56          ; struct vcpu in vcpu.h: static_assert in vcpu.c
%define LAUNCHED      128
%define HOST_RSP      136
%define QUICK_UNTIL   144
%define EXITS         152
%define EXIT_REASONS  80

%macro EACH_GPR 1                 ; all but RSP (in the VMCS) and RDI (it holds the vcpu)
    %1 rax, 0
    %1 rdx, 16
    %1 rbp, 40
    %1 rsi, 48
    OTHERS %1
%endmacro

%macro OTHERS 1
    %1 rcx, 8
    %1 rbx, 24
    %1 r8, 64
    %1 r9, 72
    %1 r10, 80
    %1 r11, 88
    %1 r12, 96
    %1 r13, 104
    %1 r14, 112
    %1 r15, 120
%endmacro

%macro LOAD 2
    mov %1, [rdi + %2]
%endmacro

%macro STORE 2
    mov [rdi + %2], %1
%endmacro

; The guest's values must not be left where the hypervisor could use them speculatively.
%macro CLEAR 2
    xor %1, %1
%endmacro

extern exit_quickly

; int vmx_enter(struct vcpu *vcpu): 0 after a VM exit that exit_quick.c has left, 1 when an entry failed at once (VMfail).
global vmx_enter:function
vmx_enter:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdi                      ; found again at vmx_exit
    cmp [rdi + HOST_RSP], rsp     ; a task's stack is nearly always at the same place here
    je .stack_is_known
    mov [rdi + HOST_RSP], rsp
    mov eax, VMCS_HOST_RSP
    vmwrite rax, rsp
.stack_is_known:
    cmp qword [rdi + LAUNCHED], 0
    EACH_GPR LOAD                 ; MOV leaves the flags alone
    mov rdi, [rdi + GPR_RDI]
    jne .resume
    vmlaunch
    jmp .failed
.resume:
    vmresume
.failed:
    pop rdi
    mov eax, 1
    jmp restore

; VMCS.HOST_RIP: the processor continues here with RSP as it was at the VMWRITE.
; RAX, RDX, RSI and RBP get values of ours before the first branch, and so need no CLEAR.
global vmx_exit:function
vmx_exit:
    push rdi                      ; the guest's RDI waits on the stack; XCHG would lock the bus
    mov rdi, [rsp + 8]            ; the vcpu
    EACH_GPR STORE
    pop qword [rdi + GPR_RDI]
    OTHERS CLEAR
    lea rbp, [rsp + 48]           ; where vmx_enter's caller has its RBP: a backtrace goes on there
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov esi, VMCS_EXIT_REASON
    vmread rsi, rsi
    cmp rsi, EXIT_REASONS         ; as large: the entry failed
    jae .out
    inc qword [rdi + EXITS + rsi * 8]
    cmp rax, [rdi + QUICK_UNTIL]
    jae .out
    call [exit_quickly + rsi * 8] ; the stack is aligned: seven registers and a return address lie on it
    mov rdi, [rsp]
    test al, al
    jz .out
    EACH_GPR LOAD
    mov rdi, [rdi + GPR_RDI]
    vmresume
    jmp vmx_enter.failed
.out:
    mov qword [rdi + LAUNCHED], 1
    add rsp, 8
    xor eax, eax
restore:
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    cld
    ret

; SPDX-License-Identifier: BSD-2-Clause
; Switching between tasks: the registers that a function call preserves (System V ABI), and the stack.

bits 64
section .text

; void task_context_switch(struct task_context *from [rdi], const struct task_context *to [rsi])
global task_context_switch:function
task_context_switch:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, [rsi]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

; Where a new task's first switch returns to; task_context_init() left its function in r12 and its argument in r13.
global task_first:function
task_first:
    xor ebp, ebp                  ; backtraces end here
    mov rdi, r13
    call r12
    ud2

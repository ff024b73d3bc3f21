; SPDX-License-Identifier: BSD-2-Clause
;
; A processor's way from its start in real mode into the hypervisor. trampoline … trampoline_end is copied to a page below
; 1 MiB, which its own tables map where it is, to be executed and not written; in the upper half they are the hypervisor's.
; From processor_entry on the code is that of the image, on the hypervisor's own tables. processor_start.c fills in what
; depends on the page. SDM vol. 3, 9.4 "Multiple-Processor (MP) Initialization", 10.8.5 "Initializing IA-32e Mode".

CR0_PE          equ 1 << 0
CR0_MP          equ 1 << 1
CR0_ET          equ 1 << 4
CR0_NE          equ 1 << 5
CR0_WP          equ 1 << 16
CR0_PG          equ 1 << 31
CR4_PAE         equ 1 << 5
MSR_EFER        equ 0xc0000080
EFER_LME        equ 1 << 8
EFER_NXE        equ 1 << 11
CPUID_NX        equ 1 << 20

SELECTOR_CODE64 equ 0x08
SELECTOR_DATA   equ 0x10
SELECTOR_CODE32 equ 0x18

%define AT(label) ((label) - trampoline)

section .rodata.trampoline progbits alloc noexec nowrite align=16

global trampoline, trampoline_end, trampoline_gdtr_base, trampoline_far32, trampoline_far64, trampoline_root
bits 16
trampoline:
        cli
        cld
        mov     ax, cs
        mov     ds, ax
        mov     eax, 0x80000001
        cpuid
        test    edx, CPUID_NX           ; firmware may have switched it off on this processor alone
        jz      park
        mov     ax, cs
        movzx   ebx, ax
        shl     ebx, 4                  ; the page: kept to the end
        o32 lgdt [AT(gdtr)]
        mov     eax, CR0_ET | CR0_NE | CR0_MP | CR0_PE  ; and caches on, which INIT switches off
        mov     cr0, eax
        jmp     dword far [AT(trampoline_far32)]
park:
        hlt
        jmp     park

bits 32
in_32_bits:
        mov     ax, SELECTOR_DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, CR4_PAE
        mov     cr4, eax
        mov     eax, [ebx + AT(trampoline_root)]
        mov     cr3, eax
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, EFER_LME | EFER_NXE
        wrmsr
        mov     eax, CR0_ET | CR0_NE | CR0_MP | CR0_PE | CR0_WP | CR0_PG
        mov     cr0, eax
        jmp     far [ebx + AT(trampoline_far64)]

bits 64
in_64_bits:
        mov     rax, [rbx + AT(entry)]
        jmp     rax

align 8
gdt:
        dq      0
        dq      0x00af9b000000ffff      ; accessed already: the processor does not write to them
        dq      0x00cf93000000ffff
        dq      0x00cf9b000000ffff
gdt_end:
entry:
        dq      processor_entry

; The page's address is to be added to each.
gdtr:
        dw      gdt_end - gdt - 1
trampoline_gdtr_base:
        dd      AT(gdt)
trampoline_far32:
        dd      AT(in_32_bits)
        dw      SELECTOR_CODE32
trampoline_far64:
        dd      AT(in_64_bits)
        dw      SELECTOR_CODE64
trampoline_root:
        dd      0                       ; physical address of the page's own top table
trampoline_end:

extern processor_main
extern processor_offer                  ; struct offer in processor_start.c

OFFER_STATE     equ 0
OFFER_APIC_ID   equ 4
OFFER_ROOT      equ 8
OFFER_STACK     equ 16
OFFER_PROCESSOR equ 24
OFFER_MADE      equ 1
OFFER_TAKEN     equ 2

section .text.processor_entry progbits alloc exec nowrite align=16

; No stack yet: a processor that comes too late has none, and must not take another one's.
processor_entry:
        mov     rax, [rel processor_offer + OFFER_ROOT]
        mov     cr3, rax
        xor     eax, eax
        cpuid
        cmp     eax, 0xb
        jb      .old_id
        mov     eax, 0xb
        xor     ecx, ecx
        cpuid
        test    bx, bx                  ; 0: the leaf is not there
        jz      .old_id
        mov     esi, edx
        jmp     .compare
.old_id:
        mov     eax, 1
        cpuid
        mov     esi, ebx
        shr     esi, 24
.compare:
        cmp     esi, [rel processor_offer + OFFER_APIC_ID]
        jne     .too_late
        mov     eax, OFFER_MADE
        mov     ecx, OFFER_TAKEN
        lock cmpxchg [rel processor_offer + OFFER_STATE], ecx
        jne     .too_late
        mov     rsp, [rel processor_offer + OFFER_STACK]
        mov     rdi, [rel processor_offer + OFFER_PROCESSOR]
        xor     ebp, ebp                ; backtraces end here
        call    processor_main
        ud2
.too_late:
        cli
        hlt
        jmp     .too_late

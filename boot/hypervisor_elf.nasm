; SPDX-License-Identifier: BSD-2-Clause
;
; The hypervisor's file, as it stands, so that one EFI file is all that is needed. boot.mk says where it is.
section .rodata align=16

global hypervisor_elf:data hidden
global hypervisor_elf_end:data hidden

hypervisor_elf:
        incbin HYPERVISOR_ELF
hypervisor_elf_end:

section .note.GNU-stack noalloc noexec nowrite progbits

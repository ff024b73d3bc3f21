; SPDX-License-Identifier: BSD-2-Clause
; Start of a flat 64-bit stub: the loader has set up 64-bit mode, paging and a stack. The first byte of the image. The
; image file ends with its data: .bss is memory behind it, zero because guests' memory starts as zeros.
bits 64
section .start
global _start
extern stub_start
_start:
    cld
    and rsp, -16
    xor ebp, ebp
    call stub_start
    ud2

/* SPDX-License-Identifier: BSD-2-Clause */
/* Input from and output to ports, by bytes. */
#ifndef ARCH_X86_IO_H
#define ARCH_X86_IO_H

#include "mm/types.h"

static inline u8 io_read8(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void io_write8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

#endif

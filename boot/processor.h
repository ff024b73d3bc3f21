/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that C cannot express. */
#ifndef BOOT_PROCESSOR_H
#define BOOT_PROCESSOR_H

#include <stdint.h>

static inline uint64_t processor_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint8_t port_read(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_write(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void processor_pause(void)
{
    __asm__ volatile("pause");
}

#define CR4_LA57 (1ull << 12) /* 5-level paging */

static inline uint64_t processor_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

/* EDX of the extended leaf 0x80000001: SDM vol. 2, CPUID. */
#define CPUID_NX       (1u << 20)
#define CPUID_1G_PAGES (1u << 26)

static inline uint32_t processor_extended_features(void)
{
    uint32_t a = 0x80000001, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return d;
}

#endif

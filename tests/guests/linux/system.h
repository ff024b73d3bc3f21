/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's system calls, as far as init needs them: without a C library, so that the whole initramfs is a few pages and its
 * unpacking does not show in the counts. Results are as the kernel gives them: an error is -E….
 */
#ifndef TESTS_GUESTS_LINUX_SYSTEM_H
#define TESTS_GUESTS_LINUX_SYSTEM_H

#include <asm/unistd.h>
#include <linux/time_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define CALL_0(name)                system_call(__NR_##name, 0, 0, 0, 0, 0, 0)
#define CALL_1(name, a)             system_call(__NR_##name, (long)(a), 0, 0, 0, 0, 0)
#define CALL_2(name, a, b)          system_call(__NR_##name, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL_3(name, a, b, c)       system_call(__NR_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL_4(name, a, b, c, d)    system_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define CALL_5(name, a, b, c, d, e) system_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define CALL_6(name, a, b, c, d, e, f) \
    system_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum { CLOCK_REAL = 0, CLOCK_MONO = 1 };

static inline u64 clock_ns(int clock)
{
    struct __kernel_timespec now = { 0, 0 };

    CALL_2(clock_gettime, clock, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static inline void sleep_ns(u64 ns)
{
    struct __kernel_timespec time = { (long)(ns / 1000000000), (long)(ns % 1000000000) };

    CALL_2(nanosleep, &time, NULL);
}

/* Not moved before or behind its neighbours. */
static inline u64 tsc(void)
{
    u32 low, high;

    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

#endif

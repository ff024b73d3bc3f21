/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library that the guest stubs share: console, TAP, exit, ports, exceptions. A stub is a file with stub_main(), and
 * ends when that returns. It is compiled for 32 bits (the Multiboot stubs) or for 64.
 */
#ifndef GUEST_STUBS_STUB_H
#define GUEST_STUBS_STUB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum { COM1 = 0x3f8, DEBUG_EXIT = 0xf4 };

void stub_main(void);

/* ---- console: %d %u %x %llu %llx %s %c %%, with width and 0 ---- */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_v(const char *format, va_list args);

/* ---- end: by the debug-exit port ---- */
_Noreturn void stub_exit(u32 status);

/* ---- TAP. When stub_main() returns, the status is 0 if as many tests ran as planned and all were right, else 1 ---- */
void plan(unsigned tests);
bool ok(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void bail_out(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- command line: " key=number" or " key"; `absent` if it is not there. Numbers: decimal, 0x, suffix K, M, G ---- */
u64 argument(const char *key, u64 absent);
extern const char *stub_command_line; /* "" if there is none */

/* ---- exceptions (32-bit stubs) ---- */
enum { NO_EXCEPTION = -1, EXCEPTION_UD = 6, EXCEPTION_GP = 13, EXCEPTION_PF = 14 };

/* Calls function(argument); the vector of the exception that it raised, or NO_EXCEPTION if it returned. Not nested. */
int catch_exception(void (*function)(void *argument), void *argument);
extern u32 exception_error_code; /* of the last one that was caught */

/* Without catch_exception() an exception ends the stub with its description. */
void exceptions_init(void);

/* ---- processor ---- */
#define CR0_PE      (1u << 0)
#define CR0_MP      (1u << 1)
#define CR0_EM      (1u << 2)
#define CR0_TS      (1u << 3)
#define CR0_NE      (1u << 5)
#define CR0_WP      (1u << 16)
#define CR0_AM      (1u << 18)
#define CR0_NW      (1u << 29)
#define CR0_CD      (1u << 30)
#define CR0_PG      (1u << 31)
#define CR4_PSE     (1u << 4)
#define CR4_PAE     (1u << 5)
#define CR4_SSE     (3u << 9) /* OSFXSR, OSXMMEXCPT */
#define CR4_VMXE    (1u << 13)
#define CR4_OSXSAVE (1u << 18)
#define MSR_EFER    0xc0000080u
#define EFER_SCE    (1u << 0)
#define EFER_LME    (1u << 8)
#define EFER_LMA    (1u << 10)

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* As above; NO_EXCEPTION or the vector. */
int try_rdmsr(u32 msr, u64 *value);
int try_wrmsr(u32 msr, u64 value);

static inline u64 rdtsc(void)
{
    u32 low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

#define DEFINE_CONTROL_REGISTER(name)                                       \
    static inline uintptr_t read_##name(void)                               \
    {                                                                       \
        uintptr_t value;                                                    \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory"); \
        return value;                                                       \
    }                                                                       \
    static inline void write_##name(uintptr_t value)                        \
    {                                                                       \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");     \
    }
DEFINE_CONTROL_REGISTER(cr0)
DEFINE_CONTROL_REGISTER(cr3)
DEFINE_CONTROL_REGISTER(cr4)

/* ---- ports ---- */
static inline u8 inb(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u16 inw(u16 port)
{
    u16 value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u32 inl(u16 port)
{
    u32 value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void outb(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outw(u16 port, u16 value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* ---- memory ---- */
static inline void poke(uintptr_t address, u32 value)
{
    *(volatile u32 *)address = value;
}

static inline u32 peek(uintptr_t address)
{
    return *(volatile u32 *)address;
}

/* The first byte beyond the memory that Multiboot's mem_upper describes. */
uintptr_t memory_end(void);

#endif

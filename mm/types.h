/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses, frame numbers and levels. Addresses of different spaces are different types, so that a gfn where a pfn
 * belongs does not compile.
 *
 *   gpa, gfn   guest-physical address, guest frame number (gpa >> 12)
 *   hva        address in the hypervisor's space of backings (never dereferenced: mm/backing.h)
 *   hpa, pfn   host-physical address, page frame number (hpa >> 12)
 */
#ifndef MM_TYPES_H
#define MM_TYPES_H

#include <assert.h> /* static_assert, assert: the hypervisor defines __assert_fail() */
#include <errno.h>  /* the names of errors: functions return 0 or -E… */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

/* clang-format off */
typedef struct { u64 v; } gpa_t;
typedef struct { u64 v; } gfn_t;
typedef struct { u64 v; } hva_t;
typedef struct { u64 v; } hpa_t;
typedef struct { u64 v; } pfn_t;
/* clang-format on */

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ull << PAGE_SHIFT)

/* A level names the size of what one entry of a table maps, or could map: 4K, 2M, 1G; above that only tables. */
enum level { LEVEL_4K = 1, LEVEL_2M = 2, LEVEL_1G = 3, LEVEL_512G = 4, LEVEL_256T = 5 };

/* Bits of the frame number below the index of `level`: 0, 9, 18, … This is also the block's order in mm/frame.h. */
static inline unsigned level_order(enum level level)
{
    return 9u * ((unsigned)level - 1u);
}

/* 4 KiB pages that an entry of `level` covers. */
static inline u64 level_pages(enum level level)
{
    return 1ull << level_order(level);
}

static inline u64 u64_min(u64 a, u64 b)
{
    return a < b ? a : b;
}

static inline u64 u64_max(u64 a, u64 b)
{
    return a > b ? a : b;
}

static inline gfn_t gpa_to_gfn(gpa_t gpa)
{
    return (gfn_t){ gpa.v >> PAGE_SHIFT };
}

static inline gpa_t gfn_to_gpa(gfn_t gfn)
{
    return (gpa_t){ gfn.v << PAGE_SHIFT };
}

static inline pfn_t hpa_to_pfn(hpa_t hpa)
{
    return (pfn_t){ hpa.v >> PAGE_SHIFT };
}

static inline hpa_t pfn_to_hpa(pfn_t pfn)
{
    return (hpa_t){ pfn.v << PAGE_SHIFT };
}

#endif

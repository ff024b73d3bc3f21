/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/bench/port_bench.h. */
#define _GNU_SOURCE
#include "tests/bench/port_bench.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/frame.h"
#include "mm/port.h"

/* Two threads have a processor each. Where the machine takes one away for long, the other would spin in vain. */
enum { SPINS = 1 << 17 };

static const struct mm_caps caps = {
    .page_2m = true, .page_1g = true, .access_dirty = true, .execute_only = true, .levels = 4, .physical_bits = 46
};

_Thread_local unsigned port_bench_processor;

static u8 *ram;
static u64 ram_frames;
static void *frame_map;

void *port_frame_address(pfn_t pfn)
{
    return ram + (pfn.v - PORT_BENCH_BASE) * PAGE_SIZE;
}

pfn_t port_frame_of(const void *address)
{
    return (pfn_t){ PORT_BENCH_BASE + (u64)((const u8 *)address - ram) / PAGE_SIZE };
}

/* No guest runs. */
void port_kick(struct vm_memory *vm)
{
}

unsigned port_processor(void)
{
    return port_bench_processor;
}

void port_relax(void)
{
    static _Thread_local unsigned spins;

    if (++spins % SPINS == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}

void port_yield(void)
{
}

void port_log(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void port_bench_start(u64 frames)
{
    const u64 huge = 1ull << 21;
    pfn_t end = { PORT_BENCH_BASE + frames };

    ram_frames = frames;
    ram = mmap(NULL, frames * PAGE_SIZE + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
               0);
    frame_map = malloc(frame_map_bytes(end));
    if (ram == MAP_FAILED || frame_map == NULL)
        abort();
    ram += -(u64)ram % huge;
    madvise(ram, frames * PAGE_SIZE, MADV_HUGEPAGE);
    memset(ram, 0xa7, frames * PAGE_SIZE);
    frame_init(end, frame_map);
    frame_add((pfn_t){ PORT_BENCH_BASE }, frames);
    mm_init(&caps);
}

void port_bench_stop(void)
{
    struct frame_stats stats = frame_get_stats();

    if (stats.free != stats.total) {
        fprintf(stderr, "port_bench_stop: %llu frames are not free\n", (unsigned long long)(stats.total - stats.free));
        abort();
    }
    munmap(ram, ram_frames * PAGE_SIZE);
    free(frame_map);
}

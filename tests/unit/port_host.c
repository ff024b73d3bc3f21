/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/unit/port_host.h. */
#include "tests/unit/port_host.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/frame.h"
#include "mm/port.h"

enum { GARBAGE = 0xa7 }; /* as an entry: present, everything allowed */

/* RAM up to this size is filled with garbage; larger tests look at other things. */
#define GARBAGE_FRAMES (256ull << 8)

const struct mm_caps port_host_caps = {
    .page_2m = true, .page_1g = true, .access_dirty = true, .execute_only = true, .levels = 4, .physical_bits = 46
};

struct port_host port_host;
_Thread_local unsigned port_host_processor;
jmp_buf port_host_assertion;

static u8 *ram;
static void *frame_map;
static pfn_t *taken;
static u64 taken_count;
static bool expects_assertion, assertion_failed;

static void count(u64 *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

void *port_frame_address(pfn_t pfn)
{
    if (pfn.v - PORT_HOST_BASE >= port_host.frames) {
        fprintf(stderr, "port_frame_address: frame %#llx is no RAM\n", (unsigned long long)pfn.v);
        abort();
    }
    return ram + (pfn.v - PORT_HOST_BASE) * PAGE_SIZE;
}

pfn_t port_frame_of(const void *address)
{
    u64 offset = (u64)((const u8 *)address - ram);

    if (offset >= port_host.frames * PAGE_SIZE) {
        fprintf(stderr, "port_frame_of: %p is not in RAM\n", address);
        abort();
    }
    return (pfn_t){ PORT_HOST_BASE + offset / PAGE_SIZE };
}

void port_kick(struct vm_memory *vm)
{
    count(&port_host.kicks);
    if (port_host.on_kick != NULL)
        port_host.on_kick(vm);
}

unsigned port_processor(void)
{
    return port_host_processor;
}

void port_relax(void)
{
    if (port_host.on_relax != NULL) {
        port_host.on_relax();
    } else if (port_host.threads) {
        sched_yield();
    } else {
        fprintf(stderr, "port_relax: the only thread waits for another one\n");
        abort();
    }
}

void port_yield(void)
{
    count(&port_host.yields);
    if (port_host.on_yield != NULL)
        port_host.on_yield();
    else if (port_host.threads)
        sched_yield();
}

void mm_point(const void *word);
void mm_point(const void *word)
{
    if (port_host.on_point != NULL)
        port_host.on_point(word);
}

void port_log(const char *format, ...)
{
    va_list arguments;

    count(&port_host.logs);
    va_start(arguments, format);
    vsnprintf(port_host.last_log, sizeof(port_host.last_log), format, arguments);
    va_end(arguments);
}

void pte_observe(u64 *entry, u64 old, u64 value);
void pte_observe(u64 *entry, u64 old, u64 value)
{
    if (port_host.on_pte != NULL)
        port_host.on_pte(entry, old, value);
}

/* In place of the C library's. */
void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
    if (expects_assertion) {
        assertion_failed = true;
        longjmp(port_host_assertion, 1);
    }
    fprintf(stderr, "%s:%u: %s: assertion failed: %s\n", file, line, function, expression);
    abort();
}

void port_host_expect_assertion(void)
{
    expects_assertion = true;
    assertion_failed = false;
}

bool port_host_assertion_failed(void)
{
    expects_assertion = false;
    return assertion_failed;
}

void port_host_start_empty(u64 frames)
{
    pfn_t end = { PORT_HOST_BASE + frames };

    port_host = (struct port_host){ .frames = frames };
    ram = mmap(NULL, frames * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    frame_map = malloc(frame_map_bytes(end));
    if (ram == MAP_FAILED || frame_map == NULL)
        abort();
    if (frames <= GARBAGE_FRAMES)
        memset(ram, GARBAGE, frames * PAGE_SIZE);
    frame_init(end, frame_map);
    mm_init(&port_host_caps);
}

void port_host_start(u64 frames)
{
    port_host_start_empty(frames);
    frame_add((pfn_t){ PORT_HOST_BASE }, frames);
}

void port_host_stop(void)
{
    struct frame_stats stats = frame_get_stats();

    if (stats.free + stats.retired != stats.total) {
        fprintf(stderr, "port_host_stop: %llu of %llu frames are not free: %llu control, %llu tables, %llu guests\n",
                (unsigned long long)(stats.total - stats.free - stats.retired), (unsigned long long)stats.total,
                (unsigned long long)stats.used[FRAME_CONTROL], (unsigned long long)stats.used[FRAME_TABLE],
                (unsigned long long)stats.used[FRAME_GUEST]);
        abort();
    }
    port_host_forget();
}

void port_host_forget(void)
{
    munmap(ram, port_host.frames * PAGE_SIZE);
    free(frame_map);
}

void port_host_take_all_but(u64 frames)
{
    pfn_t pfn;

    taken = malloc(port_host.frames * sizeof(*taken));
    if (taken == NULL)
        abort();
    taken_count = 0;
    while (frame_alloc(0, FRAME_CONTROL, &pfn) == 0)
        taken[taken_count++] = pfn;

    u64 kept = 0;
    for (u64 i = 0; i < taken_count; i++) {
        if (frames > 0 && taken[i].v % 2 == 0) {
            frame_free(taken[i], 0, FRAME_CONTROL);
            frames--;
        } else {
            taken[kept++] = taken[i];
        }
    }
    taken_count = kept;
    if (frames > 0)
        abort();
}

void port_host_give_back(void)
{
    for (u64 i = 0; i < taken_count; i++)
        frame_free(taken[i], 0, FRAME_CONTROL);
    free(taken);
    taken = NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/frame_watch.h. */
#include "tests/hardware/frame_watch.h"

#include <stdlib.h>

#include "tests/unit/port_host.h"

int __real_frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn);
void __real_frame_free(pfn_t pfn, unsigned order, enum frame_kind kind);
int __real_frame_retire(pfn_t pfn);
void __real_frame_retire_allocated(pfn_t pfn, enum frame_kind kind);
int __wrap_frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn);
void __wrap_frame_free(pfn_t pfn, unsigned order, enum frame_kind kind);
int __wrap_frame_retire(pfn_t pfn);
void __wrap_frame_retire_allocated(pfn_t pfn, enum frame_kind kind);

static struct frame_use *uses;
static u64 count, serial;
static const char *error;

void frame_watch_start(u64 frames)
{
    uses = calloc(frames, sizeof(*uses));
    if (uses == NULL)
        abort();
    count = frames;
    serial = 0;
    error = NULL;
}

void frame_watch_stop(void)
{
    free(uses);
    uses = NULL;
    count = 0;
}

struct frame_use frame_watch(pfn_t pfn)
{
    if (pfn.v - PORT_HOST_BASE >= count)
        return (struct frame_use){ FRAME_ABSENT, 0 };
    return uses[pfn.v - PORT_HOST_BASE];
}

static void set(pfn_t pfn, unsigned order, enum frame_kind kind)
{
    serial++;
    for (u64 i = 0; i < 1ull << order && pfn.v - PORT_HOST_BASE + i < count; i++) {
        struct frame_use *use = &uses[pfn.v - PORT_HOST_BASE + i];

        if (use->kind == FRAME_ABSENT)
            error = "a frame that was taken out of use is used";
        *use = (struct frame_use){ kind, serial };
    }
}

int __wrap_frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn)
{
    int result = __real_frame_alloc(order, kind, pfn);

    if (result == 0)
        set(*pfn, order, kind);
    return result;
}

void __wrap_frame_free(pfn_t pfn, unsigned order, enum frame_kind kind)
{
    set(pfn, order, (enum frame_kind)FRAME_NO_KIND);
    __real_frame_free(pfn, order, kind);
}

int __wrap_frame_retire(pfn_t pfn)
{
    int result = __real_frame_retire(pfn);

    if (result == 0)
        set(pfn, 0, FRAME_ABSENT);
    return result;
}

void __wrap_frame_retire_allocated(pfn_t pfn, enum frame_kind kind)
{
    set(pfn, 0, FRAME_ABSENT);
    __real_frame_retire_allocated(pfn, kind);
}

const char *frame_watch_error(void)
{
    return error;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load in progress: which guest memory has been given to what, and how the load ends. Every format claims a range
 * before it writes there, so that nothing lies outside the guest's memory or on top of something else.
 *
 * Addresses are guest-physical and sizes are in bytes. A claim's `what` is a text such as "segment", its `number` follows
 * that word in messages; LOADER_NO_NUMBER: it stands alone.
 */
#ifndef HV_LOAD_LOADER_H
#define HV_LOAD_LOADER_H

#include <errno.h>
#include <stdbool.h>

#include "hv/load/image.h"

enum { LOADER_NO_NUMBER = -1 };

/* LOADER_MAX_SEGMENTS is what elf.c accepts. The rest is modules, and the few structures that a protocol asks for. */
enum { LOADER_MAX_SEGMENTS = 32, LOADER_MAX_CLAIMS = LOADER_MAX_SEGMENTS + CONF_MAX_MODULES + 8 };

/* [base, end). */
struct loader_claim {
    uint64_t base, end;
    const char *what;
    int number;
};

struct loader {
    const struct load_request *request;
    struct load_result *result;
    int write_error;   /* of the first loader_write() that failed; image_load() returns it */
    uint64_t rom_size; /* memory that ends at 4 GiB, for an image that is there when the guest starts; else 0 */
    unsigned claim_count;
    struct loader_claim claims[LOADER_MAX_CLAIMS];
};

/* The reason of a refusal: result->error. */
__attribute__((format(printf, 2, 3))) void loader_set_reason(struct loader *loader, const char *format, ...);

/* Sets the reason; -EINVAL. A macro: callers that go on after 0 must be seen not to go on after this. */
#define loader_fail(...) (loader_set_reason(__VA_ARGS__), -EINVAL)

/* loader_fail() for something that was to be placed anywhere and found no place. */
int loader_fail_no_room(struct loader *loader, const char *what, int number, uint64_t size);

/*
 * Takes [base, base + size), size > 0. The reserved area below 1 MiB is memory and may be taken. 0, or -EINVAL with
 * result->error: not wholly inside the guest's memory, or overlaps an earlier claim.
 */
int loader_claim(struct loader *loader, uint64_t base, uint64_t size, const char *what, int number);

/* Is [base, base + size), size > 0, inside of one claim? */
bool loader_is_claimed(const struct loader *loader, uint64_t base, uint64_t size);

/* The lowest free range inside of [from, end), whatever is there. `align` is a power of two. Nothing is claimed. */
bool loader_find_in(const struct loader *loader, uint64_t from, uint64_t end, uint64_t size, uint64_t align,
                    uint64_t *base);

/*
 * The lowest free range at or above `from`, or the highest that ends at or below `end`; `align` is a power of two. Only
 * usable memory below 4 GiB, and never page 0, which guests use for real-mode vectors. Nothing is claimed.
 */
bool loader_find_up(const struct loader *loader, uint64_t from, uint64_t size, uint64_t align, uint64_t *base);
bool loader_find_down(const struct loader *loader, uint64_t end, uint64_t size, uint64_t align, uint64_t *base);

/*
 * Writes into one claimed range. What fails for lack of host memory is remembered in write_error, so that callers need not
 * check each piece.
 */
void loader_write(struct loader *loader, uint64_t base, const void *from, uint64_t size);

/* Writes at *at and moves *at behind that; where it was. */
uint64_t loader_append(struct loader *loader, uint64_t *at, const void *from, uint64_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What lies where in the memory of remember.c, for whoever changes it from outside (tests/system/churning_memory.c). */
#ifndef GUEST_STUBS_REMEMBER_H
#define GUEST_STUBS_REMEMBER_H

#include <stdint.h>

enum {
    REMEMBER_PAGE = 4096,
    REMEMBER_MEMORY = 16 << 20,
    REMEMBER_MAIL = 2 << 20,                         /* a page of words, see below */
    REMEMBER_COMMON = REMEMBER_MAIL + REMEMBER_PAGE, /* words that all its processors write */
    REMEMBER_COMMON_SIZE = 8 * REMEMBER_PAGE,
    REMEMBER_HOST =
        REMEMBER_MAIL + (64 << 10), /* pages that only the host writes, each with its seed in the first word */
    REMEMBER_HOST_PAGES = 16,
    REMEMBER_DATA = 4 << 20, /* written and read all the time */
    REMEMBER_DATA_SIZE = 4 << 20,
    REMEMBER_CONSTANT = 8 << 20, /* written once, before MAIL_READY; then only read */
    REMEMBER_CONSTANT_SIZE = 2 << 20,
    REMEMBER_SPARE = 10 << 20, /* never touched, up to the end */
};

/* Words that guest and host tell each other. */
enum {
    MAIL_READY = REMEMBER_MAIL,     /* the guest's: REMEMBER_IS_READY when all is filled */
    MAIL_ROUND = REMEMBER_MAIL + 4, /* the guest's: it grows */
    MAIL_STOP = REMEMBER_MAIL + 8,  /* the host's: not 0, the guest is to end */
    REMEMBER_IS_READY = 0x72656d65,
};

/* Word `i` of a page with this seed; of the constant region, whose seed is REMEMBER_CONSTANT, word `i` of all of it. */
static inline uint32_t remember_word(uint32_t seed, uint32_t i)
{
    return seed * 2654435761u + i * 0x9e3779b9u;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A library to preload into Bochs: gives it a right 64-bit IDIV.
 *
 * In Debian's Bochs 3.1 the function behind IDIV r/m64, long_idiv(), is miscompiled and returns wrong quotients.
 * The constructor tries the function on a few known divisions.  Only if it fails one of them, its first instructions
 * are overwritten with a jump to the function here.  A Bochs without that symbol or without the bug is left alone.
 *
 * Says on standard error what it did if BOCHS_CURES_VERBOSE is set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bochs' Bit128s on a little-endian host. */
struct bit128s {
    uint64_t lo;
    int64_t hi;
};

typedef void idiv_function(struct bit128s *quotient, int64_t *remainder, const struct bit128s *dividend,
                           int64_t divisor);

#define SYMBOL "_Z9long_idivP7Bit128sPlPKS_l"

/*
 * The contract of long_idiv(): the whole 128-bit quotient, rounded towards zero, and the remainder, which has the
 * dividend's sign.  Bochs has excluded a divisor of 0 and the dividend -2^127 before, and checks afterwards whether
 * the quotient fits into 64 bits.  Magnitudes are unsigned, so that no division here can overflow.
 */
static void right_idiv(struct bit128s *quotient, int64_t *remainder, const struct bit128s *dividend, int64_t divisor)
{
    unsigned __int128 n = (unsigned __int128)(uint64_t)dividend->hi << 64 | dividend->lo;
    uint64_t d = (uint64_t)divisor;
    int n_negative = dividend->hi < 0;
    int d_negative = divisor < 0;

    if (n_negative)
        n = -n;
    if (d_negative)
        d = -d;

    unsigned __int128 q = n / d;
    uint64_t r = (uint64_t)(n % d);

    if (n_negative != d_negative)
        q = -q;
    if (n_negative)
        r = -r;

    quotient->lo = (uint64_t)q;
    quotient->hi = (int64_t)(uint64_t)(q >> 64);
    *remainder = (int64_t)r;
}

static int is_right(idiv_function *idiv)
{
    static const struct {
        struct bit128s dividend;
        int64_t divisor;
    } cases[] = {
        { { 7, 0 }, 2 },
        { { 7, 0 }, -2 },
        { { (uint64_t)-7, -1 }, 2 },
        { { (uint64_t)-7, -1 }, -2 },
        { { 0, 0 }, -3 },
        { { (uint64_t)-1, -1 }, INT64_MAX },
        { { (uint64_t)INT64_MIN, -1 }, -1 },
        { { (uint64_t)INT64_MIN, -1 }, INT64_MIN },
        { { 0x0123456789abcdef, 0x123456 }, 0x7654321012345 },
        { { 0x0123456789abcdef, -0x123456 }, 0x7654321012345 },
        { { 0x0123456789abcdef, 0x123456 }, -0x7654321012345 },
        { { 0x0123456789abcdef, -0x123456 }, -0x7654321012345 },
        { { 0, -1 }, 3 },
        { { 0, 1 }, -3 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bit128s q = { 0, 0 }, right_q;
        int64_t r = 0, right_r;

        idiv(&q, &r, &cases[i].dividend, cases[i].divisor);
        right_idiv(&right_q, &right_r, &cases[i].dividend, cases[i].divisor);
        if (q.lo != right_q.lo || q.hi != right_q.hi || r != right_r)
            return 0;
    }
    return 1;
}

static int redirect(void *from, idiv_function *to)
{
    /* endbr64; mov rax, imm64; jmp rax */
    uint8_t jump[16] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0xb8, [14] = 0xff, [15] = 0xe0 };
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)from & -page_size;
    size_t size = (uintptr_t)from + sizeof(jump) - first;

    memcpy(&jump[6], &to, sizeof(to));
    if (mprotect((void *)first, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return -1;
    memcpy(from, jump, sizeof(jump));
    return mprotect((void *)first, size, PROT_READ | PROT_EXEC);
}

__attribute__((constructor)) static void cure(void)
{
    void *address = dlsym(RTLD_DEFAULT, SYMBOL);
    idiv_function *idiv;
    const char *outcome = "nothing to do";

    if (address != NULL) {
        memcpy(&idiv, &address, sizeof(idiv));
        if (!is_right(idiv)) {
            if (redirect(address, right_idiv) != 0 || !is_right(idiv)) {
                fputs("bochs-idiv-cure: cannot replace " SYMBOL "\n", stderr);
                abort();
            }
            outcome = "replaced " SYMBOL;
        }
    }
    if (getenv("BOCHS_CURES_VERBOSE") != NULL)
        fprintf(stderr, "bochs-idiv-cure: %s\n", outcome);
}

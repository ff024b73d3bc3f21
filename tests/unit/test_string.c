/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/lib/string.c against the C library's functions. The source is included with its functions renamed, because the test
 * program itself (and the sanitizers) need the library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* clang-format off */
void *their_memset(void *, int, size_t) __asm__("memset");
int their_memcmp(const void *, const void *, size_t) __asm__("memcmp");
int their_strncmp(const char *, const char *, size_t) __asm__("strncmp");
/* clang-format on */

#include <cmocka.h>

#define memcpy  our_memcpy
#define memmove our_memmove
#define memset  our_memset
#define memcmp  our_memcmp
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#include "hv/lib/string.c"

enum { SIZE = 80, AROUND = 24 };

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i + 1);
}

/* Every size and every alignment of both sides; nothing beside the target changes. */
static void memcpy_copies_exactly(void **state)
{
    uint8_t from[SIZE + 8], to[SIZE + 2 * AROUND];

    fill(from, sizeof from);
    for (size_t size = 0; size <= SIZE; size++) {
        for (size_t f = 0; f < 8; f++) {
            for (size_t t = 8; t < 16; t++) {
                their_memset(to, 0xee, sizeof to);
                assert_ptr_equal(memcpy(to + t, from + f, size), to + t);
                for (size_t i = 0; i < sizeof to; i++)
                    assert_int_equal(to[i], i >= t && i < t + size ? from[f + i - t] : 0xee);
            }
        }
    }
}

/* Every distance, to both sides, also farther than the size and less than a word. */
static void memmove_moves_overlapping_text(void **state)
{
    uint8_t bytes[SIZE + 2 * AROUND], before[sizeof bytes];

    fill(before, sizeof before);
    for (size_t size = 0; size <= SIZE; size++) {
        for (size_t t = 0; t <= 2 * AROUND; t++) {
            fill(bytes, sizeof bytes);
            assert_ptr_equal(memmove(bytes + t, bytes + AROUND, size), bytes + t);
            for (size_t i = 0; i < sizeof bytes; i++)
                assert_int_equal(bytes[i], i >= t && i < t + size ? before[AROUND + i - t] : before[i]);
        }
    }
}

static void memset_fills_exactly(void **state)
{
    uint8_t bytes[SIZE + 16];

    for (size_t size = 0; size <= SIZE; size++) {
        for (size_t t = 0; t < 8; t++) {
            their_memset(bytes, 0x11, sizeof bytes);
            assert_ptr_equal(memset(bytes + t, 0x1a5, size), bytes + t);
            for (size_t i = 0; i < sizeof bytes; i++)
                assert_int_equal(bytes[i], i >= t && i < t + size ? 0xa5 : 0x11);
        }
    }
}

static void memcmp_finds_the_first_difference(void **state)
{
    uint8_t a[SIZE], b[SIZE];

    for (size_t size = 0; size <= 40; size++) {
        for (size_t at = 0; at < 40; at++) {
            fill(a, sizeof a);
            fill(b, sizeof b);
            b[at] = 0xf0;
            b[at + 1] = 0; /* a later difference the other way round */
            assert_int_equal(sign(memcmp(a, b, size)), sign(their_memcmp(a, b, size)));
            assert_int_equal(sign(memcmp(b, a, size)), sign(their_memcmp(b, a, size)));
        }
    }
}

/* On the heap and exactly as long as the text, so that the address sanitizer sees every byte that is read too much. */
static char *exact_copy(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);

    assert_non_null(copy);
    for (size_t i = 0; i < size; i++)
        copy[i] = text[i];
    return copy;
}

static void lengths(void **state)
{
    char text[SIZE];

    for (size_t length = 0; length < 40; length++) {
        their_memset(text, 'x', sizeof text);
        text[length] = 0;
        char *terminated = exact_copy(text, length + 1), *unterminated = exact_copy(text, length);

        assert_int_equal(strlen(terminated), length);
        assert_int_equal(strnlen(terminated, 1000), length);
        assert_int_equal(strnlen(unterminated, length), length);
        assert_int_equal(strnlen(unterminated, length / 2), length / 2);
        free(terminated);
        free(unterminated);
    }
}

static void comparisons(void **state)
{
    static const char *const texts[] = { "", "a", "b", "ab", "abc", "abd", "abc\x80", "abc\x7f", "\xff", "Abc" };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            assert_int_equal(sign(strcmp(texts[i], texts[j])), sign(their_strncmp(texts[i], texts[j], 100)));
            for (size_t size = 0; size < 6; size++)
                assert_int_equal(sign(strncmp(texts[i], texts[j], size)),
                                 sign(their_strncmp(texts[i], texts[j], size)));
        }
    }
    char *unterminated = exact_copy("ab", 2);

    assert_int_equal(strncmp(unterminated, "ab", 2), 0);
    free(unterminated);
}

static void strchr_finds_the_first(void **state)
{
    const char *text = "hello";

    assert_ptr_equal(strchr(text, 'l'), text + 2);
    assert_ptr_equal(strchr(text, 'h'), text);
    assert_ptr_equal(strchr(text, 0), text + 5);
    assert_null(strchr(text, 'x'));
    assert_null(strchr("", 'x'));
    text = "a\xff";
    assert_ptr_equal(strchr(text, 0xff), text + 1);
    assert_ptr_equal(strchr(text, -1), text + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcpy_copies_exactly),
        cmocka_unit_test(memmove_moves_overlapping_text),
        cmocka_unit_test(memset_fills_exactly),
        cmocka_unit_test(memcmp_finds_the_first_difference),
        cmocka_unit_test(lengths),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(strchr_finds_the_first),
    };

    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}

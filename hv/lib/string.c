/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of string.h. Bulk moves use the processor's string instructions, eight bytes at a time: fast on real
 * processors, and few steps in an emulator that counts every iteration. The direction flag is never set, so an exception
 * that comes in between finds it as the ABI promises.
 */
#include "hv/lib/string.h"

#include <stdint.h>

/* Eight bytes at any address. */
typedef uint64_t __attribute__((may_alias, aligned(1))) any_word;

/* Keeps the compiler from recognizing a loop as memset, strlen … and replacing it with a call of the very function that
 * it is in. Stronger than -fno-builtin, which does not forbid that. */
#define HIDE(variable) __asm__("" : "+r"(variable))

static void copy_forward(void *to, const void *from, size_t size)
{
    size_t words = size / 8, bytes = size % 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void copy_backward(void *to, const void *from, size_t size)
{
    uint8_t *t = (uint8_t *)to + size;
    const uint8_t *f = (const uint8_t *)from + size;

    while (size % 8) {
        *--t = *--f;
        size--;
        HIDE(f);
    }
    while (size) {
        t -= 8;
        f -= 8;
        *(any_word *)t = *(const any_word *)f;
        size -= 8;
        HIDE(f);
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    copy_forward(to, from, size);
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size) /* also when `to` is below: the difference wraps */
        copy_forward(to, from, size);
    else
        copy_backward(to, from, size);
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    void *at = to;
    size_t words = size / 8, bytes = size % 8;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;

    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;

    while (size >= 8 && *(const any_word *)x == *(const any_word *)y) {
        x += 8;
        y += 8;
        size -= 8;
        HIDE(x);
    }
    while (size) {
        if (*x != *y)
            return *x - *y;
        x++;
        y++;
        size--;
        HIDE(x);
    }
    return 0;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end) {
        end++;
        HIDE(end);
    }
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && text[length]) {
        length++;
        HIDE(length);
    }
    return length;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
        HIDE(a);
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
    while (size && *a && *a == *b) {
        a++;
        b++;
        size--;
        HIDE(a);
    }
    return size ? (uint8_t)*a - (uint8_t)*b : 0;
}

char *strchr(const char *text, int c)
{
    while (*text != (char)c) {
        if (!*text)
            return NULL;
        text++;
        HIDE(text);
    }
    return (char *)(uintptr_t)text;
}

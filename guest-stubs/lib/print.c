/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to COM1, polled. The UART is used as it is found: 8 bits at whatever speed the firmware or slat has set. */
#include "guest-stubs/lib/stub.h"

enum { LSR = 5, LSR_EMPTY = 0x20 };

static void put(char c)
{
    if (c == '\n')
        put('\r');
    while (!(inb(COM1 + LSR) & LSR_EMPTY))
        ;
    outb(COM1, (u8)c);
}

/* Divides in place, high half first: a 32-bit stub has no library for 64-bit division. */
static u32 divide(u64 *number, u32 base)
{
    u32 high = (u32)(*number >> 32), low = (u32)*number, remainder = high % base, quotient;

    __asm__("divl %4" : "=a"(quotient), "=d"(remainder) : "a"(low), "d"(remainder), "rm"(base));
    *number = (u64)(high / base) << 32 | quotient;
    return remainder;
}

static void put_number(u64 number, u32 base, bool negative, unsigned width, char fill)
{
    char digits[24];
    unsigned count = 0;

    do
        digits[count++] = "0123456789abcdef"[divide(&number, base)];
    while (number);
    if (negative)
        digits[count++] = '-';
    for (unsigned i = count; i < width; i++)
        put(fill);
    while (count)
        put(digits[--count]);
}

void print_v(const char *format, va_list args)
{
    for (; *format; format++) {
        unsigned width = 0, longs = 0;
        char fill = ' ';
        u64 number;

        if (*format != '%') {
            put(*format);
            continue;
        }
        format++;
        if (*format == '0')
            fill = *format++;
        while (*format >= '0' && *format <= '9')
            width = width * 10 + (unsigned)(*format++ - '0');
        while (*format == 'l') {
            longs++;
            format++;
        }
        switch (*format) {
        case 'd':
            number = (u64)(int64_t)va_arg(args, int);
            if (number >> 63)
                put_number(-number, 10, true, width, fill);
            else
                put_number(number, 10, false, width, fill);
            break;
        case 'u':
        case 'x':
            number = longs >= 2   ? va_arg(args, unsigned long long)
                     : longs == 1 ? va_arg(args, unsigned long)
                                  : va_arg(args, unsigned);
            put_number(number, *format == 'u' ? 10 : 16, false, width, fill);
            break;
        case 's':
            for (const char *text = va_arg(args, const char *); *text; text++)
                put(*text);
            break;
        case 'c':
            put((char)va_arg(args, int));
            break;
        default:
            put(*format);
            break;
        }
    }
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_v(format, args);
    va_end(args);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: whatever bytes a guest sends to its serial port, its own lines stay lines and nobody else's are hurt. size=N
 * bytes on the command line, else 64K; kind=0 every byte value in turn, 1 one endless line, 2 escape sequences begun and
 * not ended, 3 NULs, 4 invalid UTF-8, 5 bytes at random.
 *
 *   [guest noise]
 *   image = noise.elf
 *   cmdline = kind=1 size=1M
 *   memory = 4M
 *   output-limit = 4K
 */
#include "guest-stubs/lib/stub.h"

static u8 noise(u32 kind, u32 i)
{
    static const char escapes[] =
        "\x1b[\x1b]0;title\x1b[999;999H\x1b[2J\x1bP\x1b[?25l\x1b[31;1m\x1b(0\x1b#8\x1b[9999999999C\x1b";
    static const u8 bad_utf8[] = { 0xc0, 0x80, 0xff, 0xf8, 0x88, 0xed, 0xa0, 0x80, 0xe2, 0x82, 0x80, 0xf4, 0x90, 0x80 };
    static u32 random = 1;

    switch (kind) {
    case 0:
        return (u8)i;
    case 1:
        return (u8)('a' + i % 26);
    case 2:
        return (u8)escapes[i % (sizeof(escapes) - 1)];
    case 3:
        return 0;
    case 4:
        return bad_utf8[i % sizeof(bad_utf8)];
    default:
        random = random * 1664525 + 1013904223;
        return (u8)(random >> 24);
    }
}

void stub_main(void)
{
    u32 kind = (u32)argument("kind", 0), size = (u32)argument("size", 64 << 10);

    plan(1);
    for (u32 i = 0; i < size; i++)
        outb(COM1, noise(kind, i)); /* never waits: slat's line status is always ready */
    print("\x18\x1b[0m\r\n");
    ok(true, "%u bytes of noise", size);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes that a guest sends: characters, control characters, escape sequences. See guest_console.h; what they do to
 * the screen is in guest_screen.c. The sequences are ECMA-48's, as far as programs for a VT100 use them.
 */
#include "hv/guest_console.h"

#include "hv/guest_screen.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

enum {
    CSI_MAX = 32,     /* a longer sequence is none, and the rest of it is text */
    STRING_MAX = 250, /* the same for OSC and the like */
};

enum {
    BEL = 0x07,
    BS = 0x08,
    CAN = 0x18,
    SUB = 0x1a,
    ESC = 0x1b,
    DEL = 0x7f,
};

enum parser_state {
    GROUND,
    ESCAPE,       /* after ESC */
    INTERMEDIATE, /* ESC ( and the like: one more byte */
    CSI,
    STRING, /* OSC, DCS, SOS, PM, APC: up to BEL, or to ESC \, which is a sequence without effect */
};

/* Parameter `index` of the sequence; absent and 0 mean 1 for all that counts or numbers from 1. */
static unsigned parameter(const struct guest_console *console, unsigned index)
{
    unsigned value = index < console->parameter_count ? console->parameters[index] : 0;

    return value ? value : 1;
}

static void csi_execute(struct guest_console *console, u8 final)
{
    unsigned row = console->row, column = console->column, n = parameter(console, 0);
    unsigned what = console->parameter_count ? console->parameters[0] : 0;

    if (console->private_sequence)
        return;
    switch (final) {
    case 'A':
        guest_screen_move(console, n < row ? row - n : 0, column);
        break;
    case 'B':
        guest_screen_move(console, row + n, column);
        break;
    case 'C':
        guest_screen_move(console, row, column + n);
        break;
    case 'D':
        guest_screen_move(console, row, n < column ? column - n : 0);
        break;
    case 'E':
        guest_screen_move(console, row + n, 0);
        break;
    case 'F':
        guest_screen_move(console, n < row ? row - n : 0, 0);
        break;
    case 'G':
        guest_screen_move(console, row, n - 1);
        break;
    case 'd':
        guest_screen_move(console, n - 1, column);
        break;
    case 'H':
    case 'f':
        guest_screen_move(console, n - 1, parameter(console, 1) - 1);
        break;
    case 'J':
        guest_screen_erase(console, what);
        break;
    case 'K':
        guest_screen_erase_in_row(console, what);
        break;
    case 'X':
        guest_screen_erase_characters(console, n);
        break;
    case 's':
        guest_screen_save_cursor(console);
        break;
    case 'u':
        guest_screen_restore_cursor(console);
        break;
    default: /* colors, modes, questions: nothing that changes text */
        break;
    }
}

static void csi_byte(struct guest_console *console, u8 byte)
{
    u16 *parameters = console->parameters;
    enum { PARAMETERS = sizeof(console->parameters) / sizeof(console->parameters[0]) };

    if (++console->length > CSI_MAX) {
        console->state = GROUND;
        return;
    }
    if (byte >= '0' && byte <= '9') {
        if (console->parameter_count == 0)
            console->parameter_count = 1;
        if (console->parameter_count <= PARAMETERS) {
            u16 *value = &parameters[console->parameter_count - 1];
            *value = (u16)(*value < 1000 ? *value * 10 + (byte - '0') : *value);
        }
    } else if (byte == ';' || byte == ':') {
        if (console->parameter_count == 0)
            console->parameter_count = 1;
        console->parameter_count++; /* CSI_MAX bounds it */
    } else if (byte >= 0x40) {
        console->state = GROUND;
        csi_execute(console, byte);
    } else { /* < = > ? and the intermediate bytes: a sequence that is not ours */
        console->private_sequence = true;
    }
}

static void escape_byte(struct guest_console *console, u8 byte)
{
    console->state = GROUND;
    switch (byte) {
    case '[':
        console->state = CSI;
        console->length = 0;
        console->parameter_count = 0;
        console->private_sequence = false;
        memset(console->parameters, 0, sizeof(console->parameters));
        break;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
        console->state = STRING;
        console->length = 0;
        break;
    case '7':
        guest_screen_save_cursor(console);
        break;
    case '8':
        guest_screen_restore_cursor(console);
        break;
    case 'D':
    case 'E':
        guest_screen_line_feed(console);
        break;
    case 'M':
        guest_screen_move(console, console->row ? console->row - 1u : 0, console->column);
        break;
    case 'c':
        guest_screen_clear(console);
        guest_screen_move(console, 0, 0);
        break;
    default:
        if (byte >= 0x20 && byte <= 0x2f)
            console->state = INTERMEDIATE;
        break;
    }
}

static void string_byte(struct guest_console *console, u8 byte)
{
    if (byte == BEL || byte == CAN || byte == SUB || ++console->length > STRING_MAX)
        console->state = GROUND;
}

static void put_text(struct guest_console *console, const char *text)
{
    while (*text)
        guest_screen_put(console, (u8)*text++);
}

static void put_hex(struct guest_console *console, u8 byte)
{
    char text[8];

    format_text(text, sizeof(text), "\\x%02x", byte);
    put_text(console, text);
}

/* The bytes of a character that was not completed. */
static void give_up_utf8(struct guest_console *console)
{
    unsigned count = console->utf8_count;

    console->utf8_left = console->utf8_count = 0;
    for (unsigned i = 0; i < count; i++)
        put_hex(console, console->utf8[i]);
}

/* Characters that would steer a terminal, or make a line read otherwise than it is, become a question mark. */
static bool is_harmless(u32 code)
{
    if (code < 0xa0 || code == 0xad)
        return false; /* C1 controls; the soft hyphen */
    if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f))
        return false; /* zero width, separators, direction */
    return code != 0xfeff && !(code >= 0xfff0 && code <= 0xfffb) && (code & 0xfffe) != 0xfffe && code < 0xe0000;
}

static void utf8_complete(struct guest_console *console)
{
    static const u32 smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    static const u8 lead_bits[5] = { 0, 0, 0x1f, 0x0f, 0x07 };
    unsigned count = console->utf8_count;
    u32 code = console->utf8[0] & lead_bits[count];

    for (unsigned i = 1; i < count; i++)
        code = code << 6 | (console->utf8[i] & 0x3f);
    if (code < smallest[count] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) {
        give_up_utf8(console);
        return;
    }
    console->utf8_count = 0;
    guest_screen_put(console, is_harmless(code) ? code : '?');
}

static void utf8_byte(struct guest_console *console, u8 byte)
{
    if (console->utf8_left > 0 && (byte & 0xc0) == 0x80) {
        console->utf8[console->utf8_count++] = byte;
        if (--console->utf8_left == 0)
            utf8_complete(console);
        return;
    }
    give_up_utf8(console);
    if (byte >= 0xc2 && byte <= 0xf4) {
        console->utf8[0] = byte;
        console->utf8_count = 1;
        console->utf8_left = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        return;
    }
    put_hex(console, byte);
}

static void control_byte(struct guest_console *console, u8 byte)
{
    switch (byte) {
    case '\n':
    case '\v':
    case '\f':
        guest_screen_line_feed(console);
        break;
    case '\r':
        guest_screen_return(console);
        break;
    case '\t':
        guest_screen_tab(console);
        break;
    case BS:
        guest_screen_backspace(console);
        break;
    case 0x00: /* padding */
    case BEL:
    case 0x0e: /* SO, SI: character sets */
    case 0x0f:
    case 0x11: /* XON, XOFF */
    case 0x13:
    case DEL:
        break;
    default:
        guest_screen_put(console, '^');
        guest_screen_put(console, byte ^ 0x40u);
        break;
    }
}

void guest_console_put(struct guest_console *console, u8 byte)
{
    if (byte >= 0x80) {
        /* No sequence that we know has such a byte, but a window title in a string may. */
        if (console->state == STRING) {
            string_byte(console, byte);
            return;
        }
        console->state = GROUND;
        utf8_byte(console, byte);
        return;
    }
    give_up_utf8(console);
    if (byte == ESC) {
        console->state = ESCAPE;
        return;
    }
    if (console->state == STRING && byte != '\n') {
        string_byte(console, byte);
        return;
    }
    if (byte < 0x20 || byte == DEL) {
        /* It ends an unfinished sequence, so that a guest that dies within one loses no line. */
        bool cancels = console->state != GROUND && (byte == CAN || byte == SUB);
        console->state = GROUND;
        if (!cancels)
            control_byte(console, byte);
        return;
    }
    switch (console->state) {
    case ESCAPE:
        escape_byte(console, byte);
        break;
    case INTERMEDIATE:
        if (byte >= 0x30)
            console->state = GROUND;
        break;
    case CSI:
        csi_byte(console, byte);
        break;
    default:
        guest_screen_put(console, byte);
        break;
    }
}

void guest_console_idle(struct guest_console *console)
{
    guest_screen_match_unfinished(console);
}

void guest_console_flush(struct guest_console *console)
{
    give_up_utf8(console);
    guest_screen_flush(console);
}

void guest_console_init(struct guest_console *console, const struct guest_console_config *config)
{
    memset(console, 0, sizeof(*console));
    console->config = *config;
    guest_screen_init(console);
}

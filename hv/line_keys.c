/* SPDX-License-Identifier: BSD-2-Clause */
/* See line_keys.h. A byte that cannot go on with what has begun ends that, without effect, and counts itself. */
#include "hv/line_keys.h"

#include "hv/lib/string.h"

enum {
    ESC = 0x1b,
    DEL = 0x7f,
    LONGEST_SEQUENCE = 32, /* what is longer is none, and the rest of it is text */
};

enum state {
    GROUND,
    ESCAPE,   /* after ESC: Alt and a key, or a sequence */
    CSI,      /* ESC [ */
    SS3,      /* ESC O: one more byte, and perhaps a number before it */
    FUNCTION, /* ESC [ [: one more byte. So sends the console of Linux its function keys */
};

#define CONTROL(letter) ((letter) - '@')

static enum line_key_kind control_key(u8 byte)
{
    static const u8 kinds[0x20] = {
        [CONTROL('A')] = KEY_HOME,       [CONTROL('B')] = KEY_LEFT,
        [CONTROL('C')] = KEY_CANCEL,     [CONTROL('D')] = KEY_END_OF_INPUT,
        [CONTROL('E')] = KEY_END,        [CONTROL('F')] = KEY_RIGHT,
        [CONTROL('H')] = KEY_BACKSPACE,  [CONTROL('I')] = KEY_TAB,
        [CONTROL('J')] = KEY_ENTER,      [CONTROL('K')] = KEY_ERASE_RIGHT,
        [CONTROL('L')] = KEY_CLEAR,      [CONTROL('M')] = KEY_ENTER,
        [CONTROL('N')] = KEY_DOWN,       [CONTROL('P')] = KEY_UP,
        [CONTROL('U')] = KEY_ERASE_LEFT, [CONTROL('W')] = KEY_ERASE_WORD_LEFT,
    };

    return byte == DEL ? KEY_BACKSPACE : (enum line_key_kind)kinds[byte];
}

static enum line_key_kind alt_key(u8 byte)
{
    switch (byte) {
    case 'b':
    case 'B':
        return KEY_WORD_LEFT;
    case 'f':
    case 'F':
        return KEY_WORD_RIGHT;
    case 'd':
    case 'D':
        return KEY_ERASE_WORD_RIGHT;
    case CONTROL('H'):
    case DEL:
        return KEY_ERASE_WORD_LEFT;
    default:
        return KEY_UNKNOWN;
    }
}

/* Keys that have a number: ESC [ 3 ~ */
static enum line_key_kind numbered_key(u8 number)
{
    static const u8 kinds[] = { [1] = KEY_HOME, [3] = KEY_DELETE, [4] = KEY_END, [7] = KEY_HOME, [8] = KEY_END };

    return number < sizeof(kinds) ? (enum line_key_kind)kinds[number] : KEY_UNKNOWN;
}

/* The last byte of a sequence. Its second number, from 2 on, says that Shift, Alt or Ctrl were pressed, too. */
static enum line_key_kind sequence_key(const struct line_keys *keys, u8 final)
{
    bool modified = keys->parameters[1] > 1;

    switch (final) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return modified ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D':
        return modified ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case '~':
        return numbered_key(keys->parameters[0]);
    default:
        return KEY_UNKNOWN;
    }
}

static void parameter_byte(struct line_keys *keys, u8 byte)
{
    enum { PARAMETERS = sizeof(keys->parameters) };
    u8 *value = &keys->parameters[keys->parameter];

    if (byte == ';' && keys->parameter < PARAMETERS)
        keys->parameter++;
    else if (byte >= '0' && byte <= '9' && keys->parameter < PARAMETERS)
        *value = (u8)(*value < 25 ? *value * 10 + (byte - '0') : 255);
}

static bool start_sequence(struct line_keys *keys, u8 byte)
{
    if (byte != '[' && byte != 'O')
        return false;
    keys->state = byte == '[' ? CSI : SS3;
    keys->sequence = keys->parameter = 0;
    memset(keys->parameters, 0, sizeof(keys->parameters));
    return true;
}

/* A byte from 0x20 to 0x7e within a sequence. False: more of it comes. */
static bool sequence_byte(struct line_keys *keys, u8 byte, struct line_key *key)
{
    enum state state = keys->state;

    keys->state = GROUND;
    key->kind = KEY_UNKNOWN;
    switch (state) {
    case ESCAPE:
        if (start_sequence(keys, byte))
            return false;
        key->kind = alt_key(byte);
        return true;
    case CSI:
        if (byte == '[' && keys->sequence == 0) {
            keys->state = FUNCTION;
            return false;
        }
        break;
    case SS3:
        break;
    default:
        return true;
    }
    if (byte >= 0x40) {
        key->kind = sequence_key(keys, byte);
        return true;
    }
    if (++keys->sequence > LONGEST_SEQUENCE)
        return true;
    parameter_byte(keys, byte);
    keys->state = state;
    return false;
}

/* Its bytes are of the right form: whether they are the right ones (Unicode, table 3-7). */
static bool is_character(const struct line_key *character)
{
    const u8 *bytes = (const u8 *)character->text;

    switch (character->length) {
    case 3: /* not in two bytes, and no surrogate */
        return !(bytes[0] == 0xe0 && bytes[1] < 0xa0) && !(bytes[0] == 0xed && bytes[1] >= 0xa0);
    case 4: /* not in three bytes, and not beyond the last one */
        return !(bytes[0] == 0xf0 && bytes[1] < 0x90) && !(bytes[0] == 0xf4 && bytes[1] >= 0x90);
    default:
        return true;
    }
}

static bool utf8_byte(struct line_keys *keys, u8 byte, struct line_key *key)
{
    struct line_key *character = &keys->character;

    keys->state = GROUND;
    if ((byte & 0xc0) == 0x80 && keys->utf8_left > 0) {
        character->text[character->length++] = (char)byte;
        if (--keys->utf8_left > 0)
            return false;
        *key = *character;
        key->kind = is_character(character) ? KEY_TEXT : KEY_UNKNOWN;
        /* C1 control characters are none that a line has. */
        if (character->length == 2 && (u8)character->text[0] == 0xc2 && byte < 0xa0)
            key->kind = KEY_UNKNOWN;
        return true;
    }
    keys->utf8_left = byte >= 0xc2 && byte < 0xe0   ? 1
                      : byte >= 0xe0 && byte < 0xf0 ? 2
                      : byte >= 0xf0 && byte < 0xf5 ? 3
                                                    : 0;
    *character = (struct line_key){ .length = 1, .text = { (char)byte } };
    key->kind = KEY_UNKNOWN;
    return keys->utf8_left == 0;
}

bool line_keys_byte(struct line_keys *keys, u8 byte, struct line_key *key)
{
    bool repeated = byte == '\n' && keys->after_return;
    enum state state = keys->state;

    *key = (struct line_key){ 0 };
    keys->after_return = byte == '\r';
    if (byte >= 0x80)
        return utf8_byte(keys, byte, key);
    keys->utf8_left = 0;
    if (byte == 0 || repeated)
        return false;
    if (byte == ESC) {
        keys->state = ESCAPE;
        return false;
    }
    if (byte < 0x20 || byte == DEL) {
        keys->state = GROUND;
        key->kind = state == ESCAPE && alt_key(byte) != KEY_UNKNOWN ? alt_key(byte) : control_key(byte);
        return true;
    }
    if (state != GROUND)
        return sequence_byte(keys, byte, key);
    *key = (struct line_key){ .kind = KEY_TEXT, .length = 1, .text = { (char)byte } };
    return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* From the bytes that a terminal sends to keys: control characters, escape sequences of VT100 and its kin, UTF-8. */
#ifndef HV_LINE_KEYS_H
#define HV_LINE_KEYS_H

#include "mm/types.h"

enum line_key_kind {
    KEY_UNKNOWN,
    KEY_TEXT, /* a character */
    KEY_LEFT,
    KEY_RIGHT,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_UP,
    KEY_DOWN,
    KEY_BACKSPACE,
    KEY_DELETE,
    KEY_ERASE_WORD_LEFT,
    KEY_ERASE_WORD_RIGHT,
    KEY_ERASE_LEFT,
    KEY_ERASE_RIGHT,
    KEY_TAB,
    KEY_CLEAR,
    KEY_ENTER,
    KEY_CANCEL,
    KEY_END_OF_INPUT,
};

struct line_key {
    enum line_key_kind kind;
    u8 length; /* of a character: valid UTF-8 */
    char text[4];
};

/* All zero: no key has begun. */
struct line_keys {
    u8 state;
    u8 sequence;       /* bytes of the escape sequence so far */
    u8 parameters[2];  /* its first numbers */
    u8 parameter;      /* which of its numbers comes */
    u8 utf8_left;      /* bytes that the character still needs */
    bool after_return; /* the last byte was a CR: a LF says the same again */
    struct line_key character;
};

/* False: the key is not complete, or the byte says nothing. */
bool line_keys_byte(struct line_keys *keys, u8 byte, struct line_key *key);

#endif

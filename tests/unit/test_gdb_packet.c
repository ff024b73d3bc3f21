/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/gdb_packet.c: frames in both directions, what is acknowledged, asked for again, cut off; and hv/gdb_text.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/gdb_packet.h"
#include "hv/gdb_text.h"

static struct gdb_link line;
static char sent[2 * GDB_PACKET_SIZE];
static size_t sent_length;

static void transmit(void *context, const char *bytes, size_t length)
{
    assert_ptr_equal(context, &line);
    assert_true(sent_length + length < sizeof(sent));
    memcpy(sent + sent_length, bytes, length);
    sent_length += length;
    sent[sent_length] = '\0';
}

static int setup(void **state)
{
    gdb_link_init(&line, transmit, &line);
    sent_length = 0;
    sent[0] = '\0';
    return 0;
}

/* What the last of the bytes was for; none before it may be for anything. */
static enum gdb_received feed(const char *bytes, size_t length)
{
    enum gdb_received received = GDB_RECEIVED_NOTHING;

    sent_length = 0;
    sent[0] = '\0';
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(received, GDB_RECEIVED_NOTHING);
        received = gdb_link_receive(&line, (u8)bytes[i]);
    }
    return received;
}

static enum gdb_received say(const char *text)
{
    return feed(text, strlen(text));
}

static void packets(void **state)
{
    assert_int_equal(say("$g#67"), GDB_RECEIVED_PACKET);
    assert_string_equal(line.packet, "g");
    assert_int_equal(line.length, 1);
    assert_string_equal(sent, "+");
    assert_int_equal(say("+noise\n$m0,4#fd"), GDB_RECEIVED_PACKET);
    assert_string_equal(line.packet, "m0,4");
    assert_int_equal(say("$#00"), GDB_RECEIVED_PACKET);
    assert_int_equal(line.length, 0);
    assert_int_equal(say("$mlost$g#67"), GDB_RECEIVED_PACKET);
    assert_string_equal(line.packet, "g");
    assert_int_equal(say("$O\xc3#12"), GDB_RECEIVED_PACKET);
    assert_int_equal(say("$O\xfb#4A"), GDB_RECEIVED_PACKET);
}

static void wrong_checksums(void **state)
{
    assert_int_equal(say("$g#68"), GDB_RECEIVED_NOTHING);
    assert_string_equal(sent, "-");
    assert_int_equal(say("$g#6x"), GDB_RECEIVED_NOTHING);
    assert_string_equal(sent, "-");
    assert_int_equal(say("$g#x7"), GDB_RECEIVED_NOTHING);
    assert_string_equal(sent, "-");
    assert_int_equal(say("7$g#67"), GDB_RECEIVED_PACKET);
    /* The end of the one before was lost. */
    assert_int_equal(say("$g#$g#6$g#67"), GDB_RECEIVED_PACKET);
    assert_string_equal(sent, "--+");
}

static void escapes(void **state)
{
    /* '}' '#' '$' and ^C */
    assert_int_equal(feed("$X}]}\x03}\x04\x03#36", 12), GDB_RECEIVED_PACKET);
    assert_int_equal(line.length, 5);
    assert_memory_equal(line.packet, "X}#$\x03", 6);
    /* Nothing follows an escape but what it escapes. */
    assert_int_equal(say("$X}#d5"), GDB_RECEIVED_PACKET);
    assert_string_equal(line.packet, "X");
    assert_int_equal(say("$X}$g#67"), GDB_RECEIVED_PACKET);
    assert_string_equal(line.packet, "g");
}

static void interrupts(void **state)
{
    assert_int_equal(say("\x03"), GDB_RECEIVED_INTERRUPT);
    assert_int_equal(say("$g#67"), GDB_RECEIVED_PACKET);
    assert_int_equal(say("\x03"), GDB_RECEIVED_INTERRUPT);
}

static void too_long(void **state)
{
    static char frame[GDB_PACKET_SIZE + 5];

    for (unsigned extra = 0; extra < 2; extra++) {
        size_t length = GDB_PACKET_SIZE + extra;
        memset(frame, '\0', sizeof(frame));
        frame[0] = '$';
        memcpy(frame + 1 + length, "#00", 3);
        assert_int_equal(feed(frame, length + 4), extra ? GDB_RECEIVED_TOO_LONG : GDB_RECEIVED_PACKET);
        assert_string_equal(sent, "+");
        assert_int_equal(line.length, GDB_PACKET_SIZE);
    }
    assert_int_equal(say("$g#67"), GDB_RECEIVED_PACKET);
}

static void answer(const char *text)
{
    gdb_link_begin(&line);
    gdb_link_put(&line, text);
    gdb_link_end(&line);
}

static void what_goes_out(void **state)
{
    answer("OK");
    assert_string_equal(sent, "$OK#9a");
    sent_length = 0;
    gdb_link_begin(&line);
    gdb_link_put(&line, "forgotten");
    gdb_link_begin(&line);
    gdb_link_put_hex(&line, "\x01\xfe", 2);
    gdb_link_put_number(&line, 0);
    gdb_link_put_number(&line, 0x10);
    gdb_link_put_number(&line, ~0ull);
    gdb_link_end(&line);
    assert_memory_equal(sent, "$01fe010ffffffffffffffff#", 25);
    sent_length = 0;
    gdb_link_begin(&line);
    gdb_link_put_binary(&line, "a$#*}\0", 6);
    gdb_link_end(&line);
    assert_memory_equal(sent, "$a}\x04}\x03}\n}]\0#", 12);
}

static void a_full_packet(void **state)
{
    static u8 bytes[GDB_PACKET_SIZE / 2];

    gdb_link_begin(&line);
    assert_int_equal(gdb_link_room(&line), GDB_PACKET_SIZE);
    gdb_link_put_hex(&line, bytes, sizeof(bytes));
    assert_int_equal(gdb_link_room(&line), 0);
    gdb_link_end(&line);
    assert_int_equal(sent_length, GDB_PACKET_SIZE + 4);
    assert_string_equal(sent + sent_length - 3, "#00");
}

static void sent_again(void **state)
{
    say("-"); /* nothing was sent yet */
    assert_string_equal(sent, "");
    answer("OK");
    say("--");
    assert_string_equal(sent, "$OK#9a$OK#9a");
    say("+-");
    assert_string_equal(sent, "");
    answer("OK");
    assert_int_equal(say("$g#67"), GDB_RECEIVED_PACKET); /* the next one: so the answer came */
    say("-");
    assert_string_equal(sent, "");
}

static void without_acknowledgements(void **state)
{
    answer("OK");
    line.acknowledges = false;
    say("-"); /* the answer to QStartNoAckMode still is */
    assert_string_equal(sent, "$OK#9a");
    say("+");
    assert_false(line.acknowledges);
    assert_int_equal(say("$g#67"), GDB_RECEIVED_PACKET);
    assert_int_equal(say("$g#68"), GDB_RECEIVED_NOTHING);
    assert_string_equal(sent, "");
    answer("OK");
    say("-");
    assert_string_equal(sent, "");
    /* Somebody has come who expects them. */
    assert_int_equal(say("+$g#67"), GDB_RECEIVED_PACKET);
    assert_string_equal(sent, "+");
}

static struct gdb_text text(const char *what)
{
    return (struct gdb_text){ what, what + strlen(what) };
}

static void reading_texts(void **state)
{
    struct gdb_text at = text("10,fFff:00zz");
    u64 number = 1;
    u8 bytes[2] = { 7, 7 };

    assert_true(gdb_text_take_number(&at, &number));
    assert_int_equal(number, 0x10);
    assert_false(gdb_text_take_number(&at, &number));
    assert_false(gdb_text_take(&at, ",0"));
    assert_true(gdb_text_take(&at, ","));
    assert_true(gdb_text_take_number(&at, &number));
    assert_int_equal(number, 0xffff);
    assert_true(gdb_text_take(&at, ":"));
    assert_false(gdb_text_take_bytes(&at, bytes, 2));
    assert_false(gdb_text_take_bytes(&at, bytes, SIZE_MAX));
    assert_int_equal(bytes[0], 7);
    assert_true(gdb_text_take_bytes(&at, bytes, 1));
    assert_int_equal(bytes[0], 0);
    assert_int_equal(gdb_text_left(&at), 2);
    assert_false(gdb_text_take(&at, "zzz"));
    at = text("0000ffffffffffffffff");
    assert_true(gdb_text_take_number(&at, &number));
    assert_int_equal(number, ~0ull);
    at = text("10000000000000000");
    assert_false(gdb_text_take_number(&at, &number));
    assert_int_equal(gdb_text_left(&at), 17);
    assert_int_equal(gdb_text_digit('g'), -1);
    assert_int_equal(gdb_text_digit('G'), -1);
    assert_int_equal(gdb_text_digit('/'), -1);
    assert_int_equal(gdb_text_digit(':'), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(packets, setup),
        cmocka_unit_test_setup(wrong_checksums, setup),
        cmocka_unit_test_setup(escapes, setup),
        cmocka_unit_test_setup(interrupts, setup),
        cmocka_unit_test_setup(too_long, setup),
        cmocka_unit_test_setup(what_goes_out, setup),
        cmocka_unit_test_setup(a_full_packet, setup),
        cmocka_unit_test_setup(sent_again, setup),
        cmocka_unit_test_setup(without_acknowledgements, setup),
        cmocka_unit_test_setup(reading_texts, setup),
    };

    return cmocka_run_group_tests_name("gdb_packet", tests, NULL, NULL);
}

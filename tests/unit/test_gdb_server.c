/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/gdb_server.c and the files behind it while the machine is stopped: each packet by its answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/gdb_client.h"

static int setup(void **state)
{
    start(3, true, true);
    return 0;
}

static void what_it_can_do(void **state)
{
    ASK("qSupported:multiprocess+;swbreak+;xmlRegisters=i386", HELLO);
    assert_true(server.knows_swbreak && !server.knows_hwbreak);
    ASK("qSupported", HELLO);
    assert_false(server.knows_swbreak);
    ASK("vMustReplyEmpty", "\n");
    ASK("", "\n");
    ASK("!", "\n");
    ASK("qOffsets", "\n");
    ASK("qCRC:0,4", "\n");
    ASK("QNonStop:1", "\n");
    ASK("vRun;x", "\n");
    ASK("vCont?", "vCont;c;C;s;S;t\n");
    ASK("qAttached", "1\n");
    ASK("?", "T05thread:1;\n");
}

static void threads(void **state)
{
    ASK("qfThreadInfo", "m1,2,3\n");
    ASK("qsThreadInfo", "l\n");
    ASK("qC", "QC1\n");
    ASK("T3", "OK\n");
    ASK("T4", "E16\n");
    ASK("T0", "E16\n");
    ASK("T", "E16\n");
    ASK("Hg3", "OK\n");
    ASK("qC", "QC3\n");
    ASK("Hg0", "OK\n");
    ASK("Hg-1", "OK\n");
    ASK("qC", "QC3\n");
    ASK("Hg4", "E16\n");
    ASK("Hgffffffffffffffff", "E16\n");
    ASK("Hx1", "E16\n");
    ASK("H", "E16\n");
    ASK("Hg1 ", "E16\n");
    ASK("Hc2", "OK\n");
    assert_int_equal(server.resumed, 1);
    ASK("qSupported", HELLO); /* another gdb */
    assert_int_equal(server.resumed, -1);
    ASK("qC", "QC1\n");
    ASK("qThreadExtraInfo,2", "7643505520312c2068616c746564\n"); /* vCPU 1, halted */
    ASK("qThreadExtraInfo,9", "E16\n");
}

static void registers(void **state)
{
    char packet[4100], answer[4096];

    machine.registers[1].gpr[3] = 0x0102030405060708; /* rbx */
    ASK("Hg2", "OK\n");
    ASK("p1", "0807060504030201\n");
    ASK("P1=1122334455667788", "OK\n");
    assert_true(machine.registers[1].gpr[3] == 0x8877665544332211 && machine.registers[0].gpr[3] == 0);
    ASK("P1=112233445566778", "E16\n");
    ASK("P1=11223344556677889", "E16\n");
    ASK("P1=112233445566778899", "E16\n");
    ASK("P1", "E16\n");
    ASK("P=11", "E16\n");
    ASK("P1000=11", "E16\n");
    ASK("p1000", "E16\n");
    ASK("p", "E16\n");
    ASK("p1,", "E16\n");
    ASK("pffffffffffffffff", "E16\n");
    ASK("P12=0000000000000000", "E16\n");
    ASK("P12=12000000", "E01\n"); /* cs */
    ASK("P12=10000000", "OK\n");
    assert_true(machine.registers[1].gpr[3] == 0x8877665544332211);
    /* All of them, there and back; then a digit too few, and too many. */
    strcpy(answer, ask("g"));
    answer[strlen(answer) - 1] = '\0';
    assert_memory_equal(answer, "00000000000000001122334455667788", 32);
    snprintf(packet, sizeof(packet), "G%s", answer);
    memcpy(packet + 1, "7f", 2);
    ASK(packet, "OK\n");
    assert_true(machine.registers[1].gpr[0] == 0x7f);
    memcpy(packet + 1, "80", 2);
    packet[strlen(packet) - 1] = '\0';
    ASK(packet, "E16\n");
    strcat(packet, "000");
    ASK(packet, "E16\n");
    assert_true(machine.registers[1].gpr[0] == 0x7f); /* all or nothing */
}

static void memory(void **state)
{
    const u8 *page = machine.memory[2];
    char answer[16];

    snprintf(answer, sizeof(answer), "%02x%02x%02x%02x\n", page[0], page[1], page[2], page[3]);
    ASK("m2000,4", answer);
    ASK("mffffffff80002000,4", answer);
    ASK("m2000,0", "\n");
    ASK("m40000,1", "E0e\n");
    assert_int_equal(strlen(ask("m3fff0,20")), 33); /* what there is */
    assert_int_equal(strlen(ask("m0,ffffffffffffffff")), GDB_PACKET_SIZE + 1);
    assert_int_equal(strlen(ask("mffffffffffffffff,2")), 3); /* nothing is behind it */
    assert_int_equal(strlen(ask("mfffffffffffffff0,200")), 33);
    ASK("m2000", "E16\n");
    ASK("m2000,4,", "E16\n");
    ASK("m,4", "E16\n");
    ASK("M2000,3:112233", "OK\n");
    assert_memory_equal(page, "\x11\x22\x33", 3);
    ASK("M2000,3:1122", "E16\n");
    ASK("M2000,3:11223344", "E16\n");
    ASK("M2000,3:11223", "E16\n");
    ASK("M2000,3:11223g", "E16\n");
    ASK("M2000,3:1122334", "E16\n");
    ASK("M2000,3:", "E16\n");
    ASK("M2000,0:", "OK\n");
    ASK("M2000,8000000000000001:1122", "E16\n");
    ASK("M3fffe,4:11223344", "E0e\n");
    assert_int_equal(machine.memory[63][PAGE_SIZE - 2], (u8)(63 * 7 + (PAGE_SIZE - 2) * 3 + 15));
    ASK("M3c000,1:11", "E0e\n"); /* read-only */
    u8 last = machine.memory[0][PAGE_SIZE - 1];
    ASK("Mffffffffffffffff,2:1122", "E0e\n");
    assert_int_equal(machine.memory[0][PAGE_SIZE - 1], last);
    feed("$X2000,4:a}\x04\0}]#70", 18);
    assert_string_equal(sent, "+OK\n");
    assert_memory_equal(page, "a$\0}", 4);
    ASK("X2000,0:", "OK\n");
    ASK("X2000,5:abcd", "E16\n");
    ASK("X2000,3:abcd", "E16\n");
    /* Through the page tables of the one that is asked, across pages that do not follow each other. */
    machine.pages[1][5] = 9;
    machine.pages[1][6] = 8;
    ASK("Hg2", "OK\n");
    ASK("M5fff,2:1234", "OK\n");
    assert_int_equal(machine.memory[9][PAGE_SIZE - 1], 0x12);
    assert_int_equal(machine.memory[8][0], 0x34);
}

static void descriptions(void **state)
{
    static char whole[1 << 15];
    size_t length = 0;
    char packet[80];

    do {
        assert_true(length < sizeof(whole) - 1024);
        snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,13", length);
        const char *answer = ask(packet);
        size_t piece = strlen(answer) - 2;
        assert_true(piece <= 0x13);
        memcpy(whole + length, answer + 1, piece);
        length += piece;
    } while (sent[1] == 'm');
    assert_int_equal(sent[1], 'l');
    whole[length] = '\0';
    assert_non_null(strstr(whole, "<architecture>i386:x86-64</architecture>"));
    assert_string_equal(whole + length - 10, "</target>\n");
    assert_true(strlen(ask("qXfer:features:read:target.xml:0,ffffffff")) <= GDB_PACKET_SIZE + 1);
    ASK("qXfer:features:read:target.xml:100000,10", "l\n");
    ASK("qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff", "l\n");
    ASK("qXfer:features:read:target.xml:0", "E16\n");
    ASK("qXfer:features:read:target.xml:0,1,", "E16\n");
    ASK("qXfer:features:read:other.xml:0,10", "E16\n");
    ASK("qXfer:features:write:target.xml:0,10", "\n");
}

static void commands(void **state)
{
    char packet[600] = "qRcmd,";

    ASK("qRcmd,656c6c", "O796f7520736169643a20656c6c0a\nO0a\nOK\n");
    assert_string_equal(machine.command, "ell");
    ASK("qRcmd,", "O796f7520736169643a200a\nO0a\nOK\n");
    ASK("qRcmd,6", "E16\n");
    ASK("qRcmd,6g", "E16\n");
    for (unsigned i = 0; i < 127; i++)
        strcat(packet, "61");
    assert_non_null(strstr(ask(packet), "\nOK\n"));
    strcat(packet, "61");
    ASK(packet, "E16\n");
    /* registers 32, registers 64, registers auto: for the next gdb */
    assert_non_null(strstr(ask("qRcmd,72656769737465727320"
                               "3332"),
                           "\nOK\n"));
    assert_true(server.layout.is_64);
    ASK("qSupported", HELLO);
    assert_false(server.layout.is_64);
    machine.registers[0].efer = 0;
    ask("qRcmd,72656769737465727320"
        "3634");
    ASK("qSupported", HELLO);
    assert_true(server.layout.is_64);
    ask("qRcmd,72656769737465727320"
        "6175746f");
    ASK("qSupported", HELLO);
    assert_false(server.layout.is_64);
}

static void too_long(void **state)
{
    static char packet[GDB_PACKET_SIZE + 100];

    memset(packet, 'g', sizeof(packet) - 1);
    ASK(packet, "E1c\n");
    ASK("qC", "QC1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_it_can_do, setup), cmocka_unit_test_setup(threads, setup),
        cmocka_unit_test_setup(registers, setup),      cmocka_unit_test_setup(memory, setup),
        cmocka_unit_test_setup(descriptions, setup),   cmocka_unit_test_setup(commands, setup),
        cmocka_unit_test_setup(too_long, setup),
    };

    return cmocka_run_group_tests_name("gdb_server", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/gdb_server.c and hv/gdb_resume.c: the machine runs and stops, for several reasons at once; gdbs come and go. */
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

static void going_on(void **state)
{
    ASK("c", "");
    assert_int_equal(machine.actions[0] == GDB_CONTINUE && machine.actions[1] == GDB_CONTINUE, 1);
    stop(GDB_STOP_INTERRUPT, 1, 0);
    assert_string_equal(sent, "T02thread:2;\n");
    assert_true(machine.is_stopped);
    ASK("qC", "QC2\n");
    ASK("?", "T02thread:2;\n");
    ASK("s", ""); /* the one that stopped */
    assert_true(machine.actions[0] == GDB_CONTINUE && machine.actions[1] == GDB_STEP);
    stop(GDB_STOP_STEP, 1, 0);
    assert_string_equal(sent, "T05thread:2;\n");
    ASK("Hc3", "OK\n");
    ASK("S05", "");
    assert_true(machine.actions[0] == GDB_HOLD && machine.actions[1] == GDB_HOLD && machine.actions[2] == GDB_STEP);
    stop(GDB_STOP_STEP, 2, 0);
    ASK("C05", "");
    assert_true(machine.actions[0] == GDB_CONTINUE && machine.actions[2] == GDB_CONTINUE);
    stop(GDB_STOP_STEP, 2, 0);
    unsigned resumes = machine.resumes;
    ASK("c1000", "E16\n");
    ASK("C", "E16\n");
    ASK("C05;", "E16\n");
    ASK("C05;10", "E16\n");
    assert_int_equal(machine.resumes, resumes);
}

static void vcont(void **state)
{
    ASK("vCont;s:2;c", "");
    assert_true(machine.actions[0] == GDB_CONTINUE && machine.actions[1] == GDB_STEP);
    stop(GDB_STOP_STEP, 1, 0);
    ASK("vCont;s:2", "");
    assert_true(machine.actions[0] == GDB_HOLD && machine.actions[1] == GDB_STEP && machine.actions[2] == GDB_HOLD);
    stop(GDB_STOP_STEP, 1, 0);
    ASK("vCont;C05:-1", "");
    assert_true(machine.actions[0] == GDB_CONTINUE && machine.actions[2] == GDB_CONTINUE);
    stop(GDB_STOP_STEP, 1, 0);
    ASK("vCont;t:1;S0b:3;s:1;c:3", "");
    assert_true(machine.actions[0] == GDB_HOLD && machine.actions[1] == GDB_HOLD && machine.actions[2] == GDB_STEP);
    stop(GDB_STOP_STEP, 2, 0);
    unsigned resumes = machine.resumes;
    ASK("vCont", "E16\n");
    ASK("vCont;", "E16\n");
    ASK("vCont;t", "E16\n");
    ASK("vCont;c:4", "E16\n");
    ASK("vCont;c:", "E16\n");
    ASK("vCont;C", "E16\n");
    ASK("vCont;r1,2:1", "E16\n");
    ASK("vContx", "E16\n");
    assert_int_equal(machine.resumes, resumes);
}

static void breakpoints(void **state)
{
    u8 *byte = &machine.memory[1][0x10], original = *byte;
    char answer[8];

    ASK("qSupported:swbreak+", HELLO);
    ASK("Z0,1010,1", "OK\n");
    assert_int_equal(*byte, 0xcc);
    assert_true(gdb_server_has_breakpoint(&server, 0x1010));
    snprintf(answer, sizeof(answer), "%02x\n", original);
    ASK("m1010,1", answer);
    ASK("c", "");
    machine.registers[2].rip = 0x1010;
    stop(GDB_STOP_BREAKPOINT, 2, 0);
    assert_string_equal(sent, "T05thread:3;swbreak:;\n");
    ASK("c", "");
    machine.registers[2].rip = 0x9010; /* where it can be read as well */
    stop(GDB_STOP_BREAKPOINT, 2, 0);
    assert_string_equal(sent, "T05thread:3;\n");
    ASK("?", "T05thread:3;\n");
    ASK("qSupported", HELLO);
    assert_int_equal(*byte, original); /* a new gdb */
    ASK("Z0,1010,1", "OK\n");
    ASK("c", "");
    stop(GDB_STOP_BREAKPOINT, 2, 0);
    assert_string_equal(sent, "T05thread:3;\n");
    ASK("z0,1010,1", "OK\n");
    assert_int_equal(*byte, original);
    assert_false(gdb_server_has_breakpoint(&server, 0x1010));
    ASK("z0,1010,1", "OK\n");
    ASK("Z0,40000,1", "E0e\n");
    ASK("Z0,3c000,1", "E0e\n");
    ASK("Z0,1010", "E16\n");
    ASK("Z0,1010,1;X", "E16\n");
    ASK("Z", "E16\n");
    ASK("Z5,1010,1", "\n");
    ASK("Z3,1010,1", "\n");
    ASK("Zff,1010,1", "\n");
}

static void debug_registers(void **state)
{
    ASK("qSupported:hwbreak+", HELLO);
    ASK("Z1,1000,1", "OK\n");
    ASK("Z2,2004,4", "OK\n");
    ASK("Z4,2008,8", "OK\n");
    assert_int_equal(machine.slots[1].kind, GDB_SLOT_WRITE);
    ASK("c", "");
    stop(GDB_STOP_SLOTS, 0, 1);
    assert_string_equal(sent, "T05thread:1;hwbreak:;\n");
    ASK("c", "");
    stop(GDB_STOP_SLOTS, 1, 2);
    assert_string_equal(sent, "T05thread:2;watch:2004;\n");
    ASK("c", "");
    stop(GDB_STOP_SLOTS, 2, 0xf4);
    assert_string_equal(sent, "T05thread:3;awatch:2008;\n");
    ASK("c", "");
    stop(GDB_STOP_SLOTS, 2, 0x8); /* free */
    assert_string_equal(sent, "T05thread:3;\n");
    ASK("Z2,3001,2", "E1c\n");
    ASK("Z2,3002,2", "OK\n");
    ASK("Z2,3002,2", "OK\n");
    ASK("Z1,3004,1", "E1c\n");
    ASK("Z2,3000,0", "E16\n");
    ASK("Z2,fffffffffffffffe,4", "E16\n");
    ASK("z2,2004,8", "OK\n"); /* another one: nothing */
    ASK("z2,2004,4", "OK\n");
    assert_int_equal(machine.slots[1].kind, GDB_SLOT_ACCESS);
    assert_int_equal(machine.slots[3].kind, GDB_SLOT_FREE);
    ASK("qSupported", HELLO);
    assert_int_equal(machine.slots[0].kind, GDB_SLOT_FREE);
    /* 15 bytes from an odd address on: 1, 2, 4, 8. */
    ASK("Z2,2001,f", "OK\n");
    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++)
        assert_int_equal(machine.slots[i].length, 1 << i);
    assert_int_equal(machine.slots[3].linear, 0x2008);
}

/* Two vCPUs stop at the same time: a write is not made again, a breakpoint is met again. */
static void stops_that_meet(void **state)
{
    ASK("Z2,2004,4", "OK\n");
    ASK("Z1,1000,1", "OK\n");
    ASK("c", "");
    stop(GDB_STOP_BREAKPOINT, 0, 0);
    stop(GDB_STOP_SLOTS, 1, 1);
    stop(GDB_STOP_SLOTS, 2, 2);
    assert_string_equal(sent, "");
    ASK("z2,2004,4", "OK\n"); /* as gdb does while the machine is stopped */
    ASK("Z2,2004,4", "OK\n");
    unsigned resumes = machine.resumes;
    ASK("vCont;c:1;c:3", "");
    stop(GDB_STOP_STEP, 0, 0);
    assert_int_equal(machine.resumes, resumes + 1);
    ASK("c", "T05thread:2;watch:2004;\n");
    assert_int_equal(machine.resumes, resumes + 1);
    assert_true(machine.is_stopped);
    ASK("?", "T05thread:2;watch:2004;\n");
    ASK("c", "");
    assert_int_equal(machine.resumes, resumes + 2);
    stop(GDB_STOP_BREAKPOINT, 0, 0);
    stop(GDB_STOP_SLOTS, 1, 2);
    stop(GDB_STOP_SLOTS, 1, 2);
    ASK("z2,2004,4", "OK\n");
    ASK("c", ""); /* nobody asks for it any more */
    ASK("Z2,2004,4", "OK\n");
    ASK("c", "");
    stop(GDB_STOP_BREAKPOINT, 0, 0);
    stop(GDB_STOP_SLOTS, 1, 2);
    ASK("qSupported", HELLO);
    ASK("Z2,2004,4", "OK\n");
    ASK("c", ""); /* it was another one's */
}

static void interrupts(void **state)
{
    feed("\x03", 1);
    assert_string_equal(sent, "");
    ASK("c", "");
    feed("\x03", 1);
    assert_string_equal(sent, "T02thread:1;\n");
    assert_true(machine.is_stopped);
    feed("\x03", 1);
    assert_string_equal(sent, "");
}

static void ends(void **state)
{
    ASK("Z0,1000,1", "OK\n");
    ASK("c", "");
    end(true, 42, "exit 42");
    assert_string_equal(sent, "O657869742034320a\nW2a\n");
    assert_int_equal(server.memory.count, 0);
    ASK("?", "W2a\n");
    ASK("c", "W2a\n");
    ASK("vCont;c", "W2a\n");
    machine.is_stopped = false; /* nothing of it may be asked */
    for (const char *const *at = (const char *const[]){ "g", "p1", "m0,1", "M0,1:11", "Z0,1000,1", "z2,0,1", NULL };
         *at; at++)
        ASK(*at, "E03\n");
    ASK("qSupported", HELLO);
    ASK("qThreadExtraInfo,1", "764350552030\n");
    ASK("D", "OK\n");
    ASK("k", "");
    stop(GDB_STOP_STEP, 0, 0);
    ASK("?", "W2a\n");
    setup(NULL);
    ASK("c", "");
    end(false, 6, NULL);
    assert_string_equal(sent, "X06\n");
    setup(NULL);
    end(true, 1, "text"); /* while it is stopped: gdb hears of it when it asks */
    assert_string_equal(sent, "");
    ASK("c", "W01\n");
}

static void detaching(void **state)
{
    u8 original = machine.memory[1][0];

    ASK("Z0,1000,1", "OK\n");
    ASK("Z2,1000,1", "OK\n");
    ASK("D", "OK\n");
    assert_false(machine.is_stopped);
    assert_true(machine.actions[2] == GDB_CONTINUE);
    assert_int_equal(machine.memory[1][0], original);
    assert_int_equal(machine.slots[0].kind, GDB_SLOT_FREE);
    stop(GDB_STOP_SLOTS, 1, 1);
    feed("\x03", 1);
    assert_string_equal(sent, "");
    assert_false(machine.is_stopped);
    /* And here is the next one. */
    ASK("qSupported", HELLO);
    assert_true(machine.is_stopped);
    ASK("?", "T05thread:1;\n");
    ASK("Z0,1000,1", "OK\n");
    ASK("k", "");
    assert_true(machine.is_killed);
    assert_int_equal(machine.memory[1][0], original);
}

/* A gdb that dies does not say so. */
static void gdbs_that_vanish(void **state)
{
    u8 original = machine.memory[1][0];

    ASK("QStartNoAckMode", "OK\n");
    feed("+$qC#b4", 7);
    assert_string_equal(sent, "QC1\n");
    feed("$Z0,1000,1#ae", 13);
    feed("$c#63", 5);
    assert_false(machine.is_stopped);
    feed("+", 1);
    ASK("qSupported", HELLO);
    assert_true(machine.is_stopped);
    assert_int_equal(machine.memory[1][0], original);
    ASK("D", "OK\n");
    ASK("QStartNoAckMode", "OK\n");
    feed("$D#44", 5);
    ASK("?", "T05thread:1;\n"); /* with a + */
}

static void a_machine_that_runs(void **state)
{
    start(2, false, false);
    feed("\x03$x#00noise", 12);
    assert_string_equal(sent, "-");
    assert_int_equal(machine.stops, 0);
    ASK("qSupported", HELLO);
    assert_int_equal(machine.stops, 1);
    assert_non_null(strstr(ask("qXfer:features:read:target.xml:0,200"), "<architecture>i386</architecture>"));
    start(2, false, false);
    ASK("?", "T05thread:1;\n");
    assert_false(server.layout.is_64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(going_on, setup),
        cmocka_unit_test_setup(vcont, setup),
        cmocka_unit_test_setup(breakpoints, setup),
        cmocka_unit_test_setup(debug_registers, setup),
        cmocka_unit_test_setup(stops_that_meet, setup),
        cmocka_unit_test_setup(interrupts, setup),
        cmocka_unit_test_setup(ends, setup),
        cmocka_unit_test_setup(detaching, setup),
        cmocka_unit_test_setup(gdbs_that_vanish, setup),
        cmocka_unit_test_setup(a_machine_that_runs, setup),
    };

    return cmocka_run_group_tests_name("gdb_session", tests, NULL, NULL);
}

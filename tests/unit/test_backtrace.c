/* SPDX-License-Identifier: BSD-2-Clause */
/* Backtraces over stacks that are whole and over stacks that are not, and the table of function names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/backtrace.h"
#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"

/* What the linker script defines in the hypervisor. */
char text_start[1], text_end[1];
const u32 symbols_start[1], symbols_end[1];

enum { WORDS = 64, TEXT = 0x1000, TEXT_END = 0x2000 };

static u64 words[WORDS];

/* A frame of three words at each third word: saved RBP, return address, something. The outermost saved RBP is 0. */
static void make_stack(unsigned frames)
{
    memset(words, 0xee, sizeof words);
    for (unsigned i = 0; i < frames; i++) {
        words[3 * i] = i + 1 < frames ? (u64)&words[3 * (i + 1)] : 0;
        words[3 * i + 1] = TEXT + 16 * i;
    }
}

/* Takes all steps from `rbp` and returns how many there are; the callers found must be those that make_stack() put there. */
static unsigned steps(u64 rbp)
{
    struct backtrace_bounds bounds = { (u64)words, (u64)(words + WORDS), TEXT, TEXT_END };
    unsigned count = 0;
    u64 caller;

    while (backtrace_step(&bounds, &rbp, &caller)) {
        assert_int_equal(caller, TEXT + 16 * count);
        count++;
    }
    return count;
}

static void callers_are_found(void **state)
{
    make_stack(1);
    assert_int_equal(steps((u64)words), 1);
    make_stack(20);
    assert_int_equal(steps((u64)words), 20);
}

static void a_bad_stack_ends_the_backtrace(void **state)
{
    static const struct {
        unsigned word;
        u64 value;
        bool relative; /* to the stack */
        unsigned count;
    } cases[] = {
        { 6, 0, true, 3 },               /* a loop */
        { 6, 48, true, 3 },              /* the same frame again */
        { 6, 1, false, 3 },              /* rubbish */
        { 6, ~0ull, false, 3 },          /* an address at which + 16 overflows */
        { 6, ~0ull - 15, false, 3 },     /* the same, aligned */
        { 6, 8 * WORDS, true, 3 },       /* outside */
        { 6, 8 * (WORDS - 1), true, 3 }, /* half outside */
        { 6, 73, true, 3 },              /* not aligned */
        { 7, TEXT - 1, false, 2 },       /* returns to what is not code */
        { 7, TEXT_END, false, 2 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_stack(5);
        words[cases[i].word] = cases[i].value + (cases[i].relative ? (u64)words : 0);
        assert_int_equal(steps((u64)words), cases[i].count);
    }
}

static void a_bad_start_reads_nothing(void **state)
{
    make_stack(5);
    assert_int_equal(steps(0), 0);
    assert_int_equal(steps((u64)words - 8), 0);
    assert_int_equal(steps((u64)(words + WORDS)), 0);
    assert_int_equal(steps(~0ull - 7), 0);
}

static void names_are_found(void **state)
{
    u32 table[1 + 3 * 2 + 3] = { 3, 0x80000000, 0, 0x80000010, 2, 0x80000100, 5 };
    struct symbol symbol;

    memcpy(table + 7, "a\0bb\0ccc", 9);
    assert_true(symbols_find(table, 10, 0xffffffff80000000, &symbol));
    assert_string_equal(symbol.name, "a");
    assert_int_equal(symbol.offset, 0);
    assert_true(symbols_find(table, 10, 0xffffffff8000000f, &symbol));
    assert_string_equal(symbol.name, "a");
    assert_int_equal(symbol.offset, 15);
    assert_true(symbols_find(table, 10, 0xffffffff80000010, &symbol));
    assert_string_equal(symbol.name, "bb");
    assert_true(symbols_find(table, 10, 0xffffffff80001000, &symbol));
    assert_string_equal(symbol.name, "ccc");
    assert_int_equal(symbol.offset, 0xf00);
    assert_false(symbols_find(table, 10, 0xffffffff7fffffff, &symbol));
}

static void a_bad_table_names_nothing(void **state)
{
    u32 table[] = { 2, 0x80000000, 0, 0x80000010, 400, 0 };
    u32 huge[] = { 0xffffffff, 0, 0 }, none[] = { 0, 0, 0 };
    struct symbol symbol;

    assert_false(symbols_find(table, 0, 0xffffffff80000000, &symbol));
    assert_false(symbols_find(table, 4, 0xffffffff80000000, &symbol));
    assert_false(symbols_find(table, 6, 0xffffffff80000010, &symbol));
    assert_false(symbols_find(huge, 3, 0xffffffff80000010, &symbol));
    assert_false(symbols_find(none, 3, 0xffffffff80000010, &symbol));
}

static void make_symbols_writes_the_table(void **state)
{
    static const char expected[] = "section .symbols progbits alloc noexec nowrite align=8\n"
                                   "dd 2\n"
                                   "dd 0x80000000, 0\n"
                                   "dd 0x80000110, 9\n"
                                   "db \"hv_entry\", 0\n"
                                   "db \"walk.part.0\", 0\n";
    char output[1000];
    FILE *pipe = popen("printf '%s\\n' 'ffffffff80000000 T text_start' 'ffffffff80000000 T hv_entry' "
                       "'ffffffff80000000 t alias' 'ffffffff80000110 t walk.part.0' 'ffffffff80000200 T text_end' "
                       "'ffffffff80001000 D data' '                 U missing' | tools/make-symbols",
                       "r");
    size_t length = fread(output, 1, sizeof output - 1, pipe);

    output[length] = '\0';
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(output, expected);
}

static void stacks_and_their_guards_are_found(void **state)
{
    assert_int_equal(stack_add("one", 0x10000, 0x14000), 0);
    assert_int_equal(stack_add("two, with a name that is longer than there is room", 0x15000, 0x19000), 0);
    assert_null(stack_find(0xffff));
    assert_string_equal(stack_find(0x10000)->name, "one");
    assert_string_equal(stack_find(0x14000)->name, "one");
    assert_null(stack_find(0x14001));
    assert_string_equal(stack_find_guard(0xffff)->name, "one");
    assert_string_equal(stack_find_guard(0xf000)->name, "one");
    assert_null(stack_find_guard(0xefff));
    assert_null(stack_find_guard(0x10000));
    assert_int_equal(strlen(stack_find_guard(0x14fff)->name), STACK_NAME_SIZE - 1);
    assert_null(stack_get(2));
    for (int i = 2; i < STACK_MAX; i++)
        assert_int_equal(stack_add("more", 0x100000, 0x101000), 0);
    assert_int_equal(stack_add("too many", 0x200000, 0x201000), -ENOSPC);
    assert_null(stack_find(0x200000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_are_found),
        cmocka_unit_test(a_bad_stack_ends_the_backtrace),
        cmocka_unit_test(a_bad_start_reads_nothing),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(a_bad_table_names_nothing),
        cmocka_unit_test(make_symbols_writes_the_table),
        cmocka_unit_test(stacks_and_their_guards_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Error codes in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/exception_text.h"

static void error_codes_become_words(void **state)
{
    static const struct {
        u64 vector, error;
        const char *text;
    } cases[] = {
        { VECTOR_PF, 0, ": a read from a page that is not mapped" },
        { VECTOR_PF, 2, ": a write to a page that is not mapped" },
        { VECTOR_PF, 3, ": a write to a page that is read-only" },
        { VECTOR_PF, 0x10, ": execution of a page that is not mapped" },
        { VECTOR_PF, 0x11, ": execution of a page that is not executable" },
        { VECTOR_PF, 9, ": a read from a page whose entry has a reserved bit set" },
        { VECTOR_PF, 6, ": a write to a page that is not mapped, in user mode" },
        { VECTOR_GP, 0, "" },
        { VECTOR_GP, 0x50, ": selector 0x50 in the GDT" },
        { VECTOR_NP, 0x14, ": selector 0x10 in the LDT" },
        { VECTOR_GP, 0x6b, ": gate of vector 13, while an event was delivered" },
        { VECTOR_DF, 0, "" },
        { VECTOR_CP, 3, ": error code 0x3" },
    };
    char text[96];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        exception_describe(cases[i].vector, cases[i].error, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

static void vectors_have_names(void **state)
{
    assert_string_equal(exception_name(VECTOR_DE), "divide error (#DE)");
    assert_string_equal(exception_name(VECTOR_CP), "control protection exception (#CP)");
    assert_string_equal(exception_name(15), "reserved exception");
    assert_string_equal(exception_name(22), "reserved exception");
    assert_string_equal(exception_name(~0ull), "reserved exception");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_codes_become_words),
        cmocka_unit_test(vectors_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

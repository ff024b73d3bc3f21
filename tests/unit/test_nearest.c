/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/lib/nearest.c: which of the names somebody meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/lib/nearest.h"

static const char *const names[] = { "memory", NULL, "module", "image", "a-name-of-more-than-24-letters" };

static const char *nearest(const char *found)
{
    const char *name = nearest_name(found, strlen(found), names, sizeof(names) / sizeof(names[0]));

    return name ? name : "";
}

static void names_that_are_meant(void **state)
{
    assert_string_equal(nearest("memory"), "memory");
    assert_string_equal(nearest("memroy"), "memory");
    assert_string_equal(nearest("MEMORY"), "memory");
    assert_string_equal(nearest("emory"), "memory");
    assert_string_equal(nearest("modul"), "module");
    assert_string_equal(nearest("xmodulex"), "module");
    assert_string_equal(nearest("inage"), "image");
    /* Of two that are as near, the first. */
    assert_string_equal(nearest("memule"), "module");
    assert_string_equal(nearest("modory"), "memory");
}

static void names_that_are_not(void **state)
{
    assert_string_equal(nearest(""), "");
    assert_string_equal(nearest("xyz"), "");
    assert_string_equal(nearest("ima"), "");
    assert_string_equal(nearest("memxxxx"), "");
    assert_string_equal(nearest("a-name-of-more-than-24-letters"), "");
    assert_string_equal(nearest("memorymemorymemorymemorymemory"), "");
    assert_null(nearest_name("x", 1, NULL, 0));
    /* Only so much of it counts. */
    assert_string_equal(nearest_name("image=5", 5, names, 5), "image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_meant),
        cmocka_unit_test(names_that_are_not),
    };

    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}

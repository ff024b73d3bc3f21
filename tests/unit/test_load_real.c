/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads images that others made and says what would be started: SLAT_IMAGES names the files, separated by ':'. Without it
 * there is nothing to test. SLAT_MEMORY_MIB is the guest's memory (128); SLAT_MODULE a module for all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

static struct image read_image(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct image image;
    u8 *data;
    long size;

    if (!file)
        fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    data = malloc((size_t)size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, file), size);
    fclose(file);
    image = (struct image){ data, (u64)size };
    return image;
}

static void load_one(const char *path, u64 memory_size, const char *module)
{
    struct guest_conf conf = { .memory = memory_size, .processors = 1, .cmdline = "console=ttyS0" };
    struct vm_memory *memory = fake_vm_memory_create(memory_size);
    struct load_request request = { .memory = memory, .memory_size = memory_size, .conf = &conf };
    struct load_result result;
    int error;

    snprintf(conf.image, sizeof(conf.image), "%s", path);
    request.image = read_image(path);
    if (module) {
        conf.module_count = 1;
        request.modules[0] = read_image(module);
        snprintf(conf.modules[0].text, sizeof(conf.modules[0].text), "%s", module);
    }
    error = image_load(&request, &result);
    if (error)
        fail_msg("%s: %s", path, result.error);
    print_message("%s: %s, mode %u, rip %#lx rsp %#lx rax %#lx rbx %#lx rsi %#lx cr3 %#lx cs %#x ds %#x gdt %#lx, "
                  "%lu KiB written\n",
                  path, result.format, result.start.mode, result.start.rip, result.start.rsp, result.start.rax,
                  result.start.rbx, result.start.rsi, result.start.cr3, result.start.cs, result.start.ds,
                  result.start.gdt_base, fake_vm_memory_written(memory, 0, UINT64_MAX) / KIB);
    fake_vm_memory_destroy(memory);
    free((void *)request.image.data);
    free((void *)request.modules[0].data);
}

static void images_that_others_made(void **state)
{
    const char *images = getenv("SLAT_IMAGES"), *mib = getenv("SLAT_MEMORY_MIB");
    char *paths, *next;

    if (!images)
        skip();
    paths = strdup(images);
    for (char *path = strtok_r(paths, ":", &next); path; path = strtok_r(NULL, ":", &next))
        load_one(path, (mib ? strtoull(mib, NULL, 10) : 128) * MIB, getenv("SLAT_MODULE"));
    free(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(images_that_others_made) };

    return cmocka_run_group_tests_name("load_real", tests, NULL, NULL);
}

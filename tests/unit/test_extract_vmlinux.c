/* SPDX-License-Identifier: BSD-2-Clause */
/* tools/extract-vmlinux, run from the top folder as all tests are: what it unpacks, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CODE = 0x400, PAYLOAD = 0x500, ELF_SIZE = 5000, IMAGE_MAX = 0x4000 };

static char folder[32];
static unsigned char elf[ELF_SIZE], image[IMAGE_MAX];
static size_t image_size;

static const char *path(const char *name)
{
    static char paths[4][64];
    static unsigned i;
    char *to = paths[i++ % 4];

    snprintf(to, sizeof(paths[0]), "%s/%s", folder, name);
    return to;
}

static void write_file(const char *name, const void *from, size_t size)
{
    FILE *file = fopen(path(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(from, 1, size, file), size);
    fclose(file);
}

static size_t read_file(const char *name, void *to, size_t size)
{
    FILE *file = fopen(path(name), "rb");
    size_t length;

    assert_non_null(file);
    length = fread(to, 1, size, file);
    fclose(file);
    return length;
}

/* A bzImage with one setup sector and `packed` as its payload, as the kernel's build makes them. */
static void make_image(const char *compressor, unsigned trailer)
{
    char command[256];
    size_t size;

    for (unsigned i = 4; i < ELF_SIZE; i++)
        elf[i] = (unsigned char)(i % 251);
    memcpy(elf, "\177ELF", 4);
    write_file("elf", elf, ELF_SIZE);
    snprintf(command, sizeof(command), "%s <%s >%s", compressor, path("elf"), path("packed"));
    assert_int_equal(system(command), 0);

    memset(image, 0x5a, sizeof(image));
    size = read_file("packed", image + PAYLOAD, IMAGE_MAX - PAYLOAD - 64) + trailer;
    memcpy(image + PAYLOAD + size - trailer, "\x88\x13\0\0", trailer);
    image[0x1f1] = 1;
    memcpy(image + 0x202, "HdrS\x0f\x02", 6);
    memcpy(image + 0x248, &(uint32_t[]){ PAYLOAD - CODE, (uint32_t)size }, 8);
    image_size = PAYLOAD + size + 64;
}

static int extract(void)
{
    char command[256];
    int status;

    write_file("image", image, image_size);
    unlink(path("out"));
    snprintf(command, sizeof(command), "tools/extract-vmlinux %s %s 2>%s", path("image"), path("out"), path("error"));
    status = system(command);
    return WEXITSTATUS(status);
}

static void expect_elf(const char *compressor, unsigned trailer)
{
    unsigned char out[ELF_SIZE + 1];

    make_image(compressor, trailer);
    assert_int_equal(extract(), 0);
    assert_int_equal(read_file("out", out, sizeof(out)), ELF_SIZE);
    assert_memory_equal(out, elf, ELF_SIZE);
}

static void refuse(const char *reason)
{
    char error[512] = { 0 };

    if (extract() != 1)
        fail_msg("accepted, not refused with \"%s\"", reason);
    read_file("error", error, sizeof(error) - 1);
    if (!strstr(error, reason))
        fail_msg("\"%s\" is not in: %s", reason, error);
    assert_int_not_equal(access(path("out"), F_OK), 0);
    assert_int_not_equal(access(path("out.new"), F_OK), 0);
}

static void payload_is_unpacked(void **state)
{
    expect_elf("lz4 -l -c -", 4);
    expect_elf("gzip -c", 0);
}

static void other_files_are_refused(void **state)
{
    make_image("gzip -c", 0);
    image[0x202] = 'h';
    refuse("no Linux bzImage");
    make_image("gzip -c", 0);
    memcpy(image + 0x206, "\x07\x02", 2);
    refuse("its boot protocol is older than 2.08");
    make_image("gzip -c", 0);
    image_size -= 65;
    refuse("it ends before its compressed kernel");
    make_image("gzip -c", 0);
    memset(image + 0x24c, 0, 4);
    refuse("it ends before its compressed kernel");
    make_image("gzip -c", 0);
    image[PAYLOAD] = 0x20;
    refuse("compressed in a way that is not known: begins with 208b");
    make_image("gzip -c", 0);
    image[PAYLOAD + 200] ^= 0x55;
    refuse("gzip -dc failed");
    make_image("sh -c 'tr E e | gzip -c'", 0);
    refuse("what is in it is no ELF file");
    image_size = 100;
    refuse("no Linux bzImage");
}

static int setup(void **state)
{
    strcpy(folder, "/tmp/slat-extract-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(payload_is_unpacked, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests_name("extract_vmlinux", tests, NULL, NULL);
}

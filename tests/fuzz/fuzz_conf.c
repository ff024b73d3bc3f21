/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of slat.conf on any bytes. What it accepts has the properties that the hypervisor relies on, and shown as text
 * it parses to the same again; what it refuses, it refuses with one printable line and a place inside the text.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/conf.h"
#include "boot/conf_guest.h"
#include "boot/conf_names.h"
#include "tools/conf_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

static struct slat_conf conf, again;

/* Terminated, padded with NUL, without control characters. */
static void check_text(const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    REQUIRE(length < size);
    for (size_t i = 0; i < length; i++)
        REQUIRE((uint8_t)text[i] >= 0x20 || text[i] == '\t');
    for (size_t i = length; i < size; i++)
        REQUIRE(!text[i]);
}

static void check_path(const char *path)
{
    check_text(path, CONF_PATH_SIZE);
    REQUIRE(!strncmp(path, "\\slat\\", 6) && path[6]);
    REQUIRE(!strpbrk(path, "/:*?\"<>|"));
    REQUIRE(!strstr(path, "\\\\"));
    REQUIRE(!strstr(path, ".\\") && !strstr(path, " \\") && !strstr(path, "\\ "));
    REQUIRE(!strchr("\\. ", path[strlen(path) - 1]));
    for (; *path; path++)
        REQUIRE(*path >= 0x20 && *path < 0x7f);
}

static void check_guest(const struct guest_conf *guest)
{
    check_text(guest->name, sizeof guest->name);
    REQUIRE(guest->name[0] && strcmp(guest->name, "slat"));
    check_path(guest->image);
    check_text(guest->cmdline, sizeof guest->cmdline);
    check_text(guest->expect, sizeof guest->expect);
    REQUIRE(guest->module_count <= CONF_MAX_MODULES);
    for (unsigned i = 0; i < guest->module_count; i++) {
        check_path(guest->modules[i].path);
        check_text(guest->modules[i].text, CONF_MODULE_SIZE);
        REQUIRE(guest->modules[i].text[0]);
    }
    REQUIRE(guest->format < IMAGE_FORMAT_COUNT);
    REQUIRE(guest->memory >= 4096 && guest->memory <= 1ull << 40 && guest->memory % 4096 == 0);
    REQUIRE(guest->processors >= 1 && guest->processors <= CONF_MAX_PROCESSORS);
    REQUIRE(guest->start < FLAT_START_COUNT);
    REQUIRE(guest->entry >= guest->load);
    if (guest->format == IMAGE_FLAT)
        REQUIRE(conf_address_in_memory(guest->load, guest->memory) &&
                conf_address_in_memory(guest->entry, guest->memory));
    REQUIRE(guest->start != FLAT_REAL || guest->entry < 0x100000);
    REQUIRE(guest->start != FLAT_32 || guest->entry < 1ull << 32);
    REQUIRE(guest->largest_page >= CONF_PAGE_4K && guest->largest_page <= CONF_PAGE_1G);
    REQUIRE(guest->on_demand <= 1);
    REQUIRE(guest->expect_end > GUEST_END_NONE && guest->expect_end < GUEST_END_COUNT);
    REQUIRE(guest->expect_end != GUEST_END_EXPECT_SEEN || guest->expect[0]);
    REQUIRE(guest->expect_end == GUEST_END_EXIT || !guest->expect_status);
    REQUIRE(guest->timeout_ms <= 2592000000u);
    REQUIRE(guest->output_limit <= 1ull << 40);
}

static void check_conf(void)
{
    static const struct guest_conf nothing;

    REQUIRE(conf.at_end < AT_END_COUNT);
    REQUIRE(conf.slice_us >= 100 && conf.slice_us <= 1000000);
    REQUIRE(conf.guest_count >= 1 && conf.guest_count <= CONF_MAX_GUESTS);
    for (unsigned i = 0; i < conf.guest_count; i++) {
        check_guest(&conf.guests[i]);
        for (unsigned j = 0; j < i; j++)
            REQUIRE(strcmp(conf.guests[i].name, conf.guests[j].name));
    }
    for (unsigned i = conf.guest_count; i < CONF_MAX_GUESTS; i++)
        REQUIRE(!memcmp(&conf.guests[i], &nothing, sizeof nothing));
}

static void check_round_trip(void)
{
    struct conf_error error;
    size_t length = conf_show(&conf, NULL, 0);
    char *text = malloc(length + 1);

    REQUIRE(text && conf_show(&conf, text, length + 1) == length);
    REQUIRE(!conf_parse(text, length, "shown", &again, &error));
    REQUIRE(!memcmp(&conf, &again, sizeof conf));
    free(text);
}

static void check_error(const struct conf_error *error, const uint8_t *data, size_t size)
{
    size_t length = strnlen(error->text, sizeof error->text), start = 0, end;

    REQUIRE(length < sizeof error->text - 1); /* not cut */
    for (size_t i = 0; i < length; i++)
        REQUIRE(error->text[i] >= 0x20 && error->text[i] < 0x7f);

    /* The line exists, and the column is in it, or just behind its end. */
    for (unsigned line = 1; line < error->line; line++) {
        const uint8_t *newline = memchr(data + start, '\n', size - start);

        REQUIRE(newline);
        start = (size_t)(newline - data) + 1;
    }
    for (end = start; end < size && data[end] != '\n'; end++)
        ;
    REQUIRE(error->line >= 1 && error->column >= 1 && error->column <= end - start + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_error error;
    int result = conf_parse((const char *)data, size, "slat.conf", &conf, &error);

    if (result) {
        REQUIRE(result == -EINVAL);
        check_error(&error, data, size);
        return 0;
    }
    check_conf();
    check_round_trip();
    return 0;
}

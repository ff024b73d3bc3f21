/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a configuration, for slat-conf show and for the tests. */
#include "tools/conf_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "boot/conf_guest.h"
#include "boot/conf_names.h"

struct writer {
    char *to;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format, ...)
{
    size_t room = writer->length < writer->size ? writer->size - writer->length : 0;
    va_list args;

    va_start(args, format);
    writer->length += (size_t)vsnprintf(room ? writer->to + writer->length : NULL, room, format, args);
    va_end(args);
}

static void put_quoted(struct writer *writer, const char *key, const char *text)
{
    put(writer, "%s = \"", key);
    for (; *text; text++)
        put(writer, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    put(writer, "\"\n");
}

static void put_number(struct writer *writer, const char *key, uint64_t value, const struct conf_unit *units)
{
    put(writer, "%s = %s\n", key, conf_show_number(value, units).text);
}

/* A default can be outside the memory if nobody knows yet whether it is needed; in the text it would be an error. */
static void put_address(struct writer *writer, const char *key, uint64_t address, uint64_t memory)
{
    put(writer, "%s%s = %#llx\n", conf_address_in_memory(address, memory) ? "" : "# ", key,
        (unsigned long long)address);
}

static void put_guest(struct writer *writer, const struct guest_conf *guest)
{
    char path[CONF_PATH_SIZE];

    put(writer, "\n[guest %s]\n", guest->name);
    conf_host_path(guest->image, path);
    put_quoted(writer, "image", path + strlen("slat/"));
    put(writer, "format = %s\n", image_format_names[guest->format]);
    put_number(writer, "memory", guest->memory, conf_size_units);
    put(writer, "processors = %u\n", guest->processors);
    put_quoted(writer, "cmdline", guest->cmdline);
    for (unsigned i = 0; i < guest->module_count; i++)
        put_quoted(writer, "module", guest->modules[i].text);
    if (guest->format == IMAGE_AUTO || guest->format == IMAGE_FLAT) {
        put(writer, "start = %s\n", flat_start_names[guest->start]);
    }
    if ((guest->format == IMAGE_AUTO || guest->format == IMAGE_FLAT) && guest->start != FLAT_RESET) {
        put_address(writer, "load", guest->load, guest->memory);
        put_address(writer, "entry", guest->entry, guest->memory);
    }
    put(writer, "largest-page = %s\n", conf_page_names[guest->largest_page]);
    put(writer, "backing = %s\n", backing_names[guest->on_demand]);
    put(writer, "hypercalls = %s\n", yes_no_names[guest->hypercalls]);
    put_quoted(writer, "expect", guest->expect);
    if (guest->expect_end == GUEST_END_EXIT)
        put(writer, "expect-end = exit %u\n", guest->expect_status);
    else
        put(writer, "expect-end = %s\n", guest_end_names[guest->expect_end]);
    put_number(writer, "timeout", guest->timeout_ms, conf_ms_units);
    put_number(writer, "output-limit", guest->output_limit, conf_size_units);
    for (unsigned i = 0; i < guest->vmcs_count; i++)
        put(writer, "vmcs = %#x %#llx\n", guest->vmcs[i].field, (unsigned long long)guest->vmcs[i].value);
}

size_t conf_show(const struct slat_conf *conf, char *to, size_t size)
{
    struct writer writer = { to, size, 0 };

    put(&writer, "[slat]\nat-end = %s\n", at_end_names[conf->at_end]);
    put_number(&writer, "slice", conf->slice_us, conf_us_units);
    put(&writer, "audit = %s\n", yes_no_names[conf->audit]);
    put(&writer, "console = %s\n", choice_names[conf->console]);
    put(&writer, "nx-large-pages = %s\n", choice_names[conf->nx_large_pages]);
    put(&writer, "apic-virtualization = %s\n", choice_names[conf->apic_virtualization]);
    put(&writer, "processors = %u\n", conf->processors);
    if (conf->gdb[0])
        put(&writer, "gdb = %s\n", conf->gdb);
    for (unsigned i = 0; i < conf->guest_count; i++)
        put_guest(&writer, &conf->guests[i]);
    if (conf->command_count)
        put(&writer, "\n[script]\n");
    for (unsigned i = 0; i < conf->command_count; i++)
        put_quoted(&writer, "do", conf->commands[i]);
    return writer.length;
}

void conf_host_path(const char *path, char to[CONF_PATH_SIZE])
{
    size_t i = 0;

    for (path++; path[i]; i++)
        to[i] = path[i] == '\\' ? '/' : path[i];
    to[i] = 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of slat.conf: its sections and the keys in them. Spans and lines come from conf_lines.c, values from
 * conf_value.c, and what a guest's keys mean is in conf_guest.c. The first error ends the parse.
 */
#include "boot/conf.h"

#include <errno.h>

#include "boot/conf_error.h"
#include "boot/conf_guest.h"
#include "boot/conf_names.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

enum {
    SLAT_AT_END,
    SLAT_SLICE,
    SLAT_AUDIT,
    SLAT_CONSOLE,
    SLAT_NX_LARGE_PAGES,
    SLAT_APIC_VIRTUALIZATION,
    SLAT_PROCESSORS,
    SLAT_GDB,
    SLAT_KEYS
};
enum { SCRIPT_DO, SCRIPT_KEYS };
enum { MOST_KEYS = CONF_GUEST_KEYS };

struct parser {
    struct slat_conf *conf;
    struct conf_error *error;
    struct conf_setting setting;

    /* The section that is being read; keys NULL: none yet. */
    const struct conf_key *keys;
    unsigned key_count;
    const char *header_text;
    struct conf_place header;
    struct guest_conf *guest;           /* NULL: not in a [guest] */
    struct conf_place given[MOST_KEYS]; /* where each key's value stands; line 0: nowhere */

    /* All sections. */
    unsigned slat_line, script_line; /* 0: there was none yet */
    struct conf_place gdb;           /* the value of `gdb` */
    unsigned guest_lines[CONF_MAX_GUESTS];
};

static int set_at_end(const struct conf_setting *setting)
{
    return conf_word(setting, at_end_names, AT_END_COUNT, &setting->conf->at_end);
}

static int set_slice(const struct conf_setting *setting)
{
    static const struct conf_number_rule rule = { conf_us_units, "a number with us, ms or s (5ms)", 100, 1000 * 1000,
                                                  0 };
    uint64_t slice;
    int error = conf_number(setting, &rule, &slice);

    if (!error)
        setting->conf->slice_us = (uint32_t)slice;
    return error;
}

static int set_audit(const struct conf_setting *setting)
{
    return conf_word(setting, yes_no_names, YES_NO_COUNT, &setting->conf->audit);
}

static int set_console(const struct conf_setting *setting)
{
    return conf_word(setting, choice_names, CHOICE_COUNT, &setting->conf->console);
}

static int set_nx_large_pages(const struct conf_setting *setting)
{
    return conf_word(setting, choice_names, CHOICE_COUNT, &setting->conf->nx_large_pages);
}

static int set_apic_virtualization(const struct conf_setting *setting)
{
    return conf_word(setting, choice_names, CHOICE_COUNT, &setting->conf->apic_virtualization);
}

static int set_processors(const struct conf_setting *setting)
{
    static const struct conf_unit no_units[] = { { "", 1 }, { NULL, 0 } };
    static const struct conf_number_rule rule = { no_units, "a number from 1 to 64", 1, CONF_MOST_PROCESSORS, 0 };
    uint64_t processors;
    int error = conf_number(setting, &rule, &processors);

    if (!error)
        setting->conf->processors = (uint32_t)processors;
    return error;
}

/* Which guests there are is known at the end. */
static int set_gdb(const struct conf_setting *setting)
{
    memcpy(setting->conf->gdb, setting->text, setting->length);
    return 0;
}

static const struct conf_key slat_keys[SLAT_KEYS] = {
    [SLAT_AT_END] = { "at-end", 64, false, set_at_end },
    [SLAT_SLICE] = { "slice", 64, false, set_slice },
    [SLAT_AUDIT] = { "audit", 64, false, set_audit },
    [SLAT_CONSOLE] = { "console", 64, false, set_console },
    [SLAT_NX_LARGE_PAGES] = { "nx-large-pages", 64, false, set_nx_large_pages },
    [SLAT_APIC_VIRTUALIZATION] = { "apic-virtualization", 64, false, set_apic_virtualization },
    [SLAT_PROCESSORS] = { "processors", 64, false, set_processors },
    [SLAT_GDB] = { "gdb", CONF_NAME_SIZE - 1, false, set_gdb },
};

/* What the commands mean is known to the monitor alone, which reads them when their time has come. */
static int add_command(const struct conf_setting *setting)
{
    struct slat_conf *conf = setting->conf;

    if (conf->command_count == CONF_MAX_COMMANDS)
        return conf_fail(setting->error, setting->place, "%s: too many commands; allowed: %d", setting->key,
                         CONF_MAX_COMMANDS);
    memcpy(conf->commands[conf->command_count++], setting->text, setting->length);
    return 0;
}

static const struct conf_key script_keys[SCRIPT_KEYS] = {
    [SCRIPT_DO] = { "do", CONF_COMMAND_SIZE - 1, true, add_command },
};

static void enter_section(struct parser *parser, struct conf_span header, const struct conf_key *keys, unsigned count)
{
    parser->keys = keys;
    parser->key_count = count;
    parser->header = header.place;
    memset(parser->given, 0, sizeof parser->given);
}

/* One of the sections that have no name of their own and stand at most once; *line is where. */
static int start_single(struct parser *parser, struct conf_span header, struct conf_span name, const char *kind,
                        unsigned *line)
{
    if (name.length)
        return conf_fail(parser->error, name.place, "%s after \"%s\"; allowed: [%s]",
                         conf_quote(name.at, name.length).text, kind, kind);
    if (*line)
        return conf_fail(parser->error, header.place, "[%s] is given twice, first in line %u; allowed: once", kind,
                         *line);
    *line = header.place.line;
    parser->guest = NULL;
    return 0;
}

static int start_slat(struct parser *parser, struct conf_span header, struct conf_span name)
{
    int error = start_single(parser, header, name, "slat", &parser->slat_line);

    if (error)
        return error;
    parser->header_text = "[slat]";
    enter_section(parser, header, slat_keys, SLAT_KEYS);
    return 0;
}

static int start_script(struct parser *parser, struct conf_span header, struct conf_span name)
{
    int error = start_single(parser, header, name, "script", &parser->script_line);

    if (error)
        return error;
    parser->header_text = "[script]";
    enter_section(parser, header, script_keys, SCRIPT_KEYS);
    return 0;
}

static bool is_name_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("_.-", c));
}

static int check_guest_name(const struct parser *parser, struct conf_span header, struct conf_span name)
{
    bool right = name.length > 0 && name.length < CONF_NAME_SIZE;

    for (size_t i = 0; i < name.length; i++)
        right = right && is_name_character(name.at[i]);
    if (!right)
        return conf_fail(parser->error, name.place,
                         "the guest name %s; allowed: 1 to %d characters of A-Z a-z 0-9 _ . -",
                         conf_quote(name.at, name.length).text, CONF_NAME_SIZE - 1);
    if (conf_span_equals(name, "slat"))
        return conf_fail(parser->error, name.place,
                         "the guest name \"slat\" would make its output look like slat's own");
    for (unsigned i = 0; i < parser->conf->guest_count; i++) {
        if (conf_span_equals(name, parser->conf->guests[i].name))
            return conf_fail(parser->error, name.place, "the guest name %s is taken, in line %u",
                             conf_quote(name.at, name.length).text, parser->guest_lines[i]);
    }
    if (parser->conf->guest_count == CONF_MAX_GUESTS)
        return conf_fail(parser->error, header.place, "too many guests; allowed: %d", CONF_MAX_GUESTS);
    return 0;
}

static int start_guest(struct parser *parser, struct conf_span header, struct conf_span name)
{
    int error = check_guest_name(parser, header, name);

    if (error)
        return error;
    parser->guest_lines[parser->conf->guest_count] = header.place.line;
    parser->guest = &parser->conf->guests[parser->conf->guest_count++];
    parser->header_text = "[guest]";
    memcpy(parser->guest->name, name.at, name.length);
    conf_guest_set_defaults(parser->guest);
    enter_section(parser, header, conf_guest_keys, CONF_GUEST_KEYS);
    return 0;
}

static int finish_section(struct parser *parser)
{
    if (parser->keys == slat_keys)
        parser->gdb = parser->given[SLAT_GDB];
    if (!parser->keys || !parser->guest)
        return 0;
    return conf_guest_finish(parser->guest, parser->header, parser->given, parser->error);
}

static int parse_header(struct parser *parser, struct conf_span line)
{
    static const char *const kinds[] = { "slat", "guest", "script" };
    size_t end = conf_span_until(line, "]");
    int error = finish_section(parser);

    if (error)
        return error;
    if (end == line.length)
        return conf_fail(parser->error, line.place, "%s has no \"]\"; allowed: [slat], [guest NAME], [script]",
                         conf_quote(line.at, line.length).text);

    struct conf_span inside = conf_span_trim(conf_span_skip_blanks(conf_span_from(conf_span_first(line, end), 1)));
    struct conf_span kind = conf_span_first(inside, conf_span_until(inside, " \t"));
    struct conf_span name = conf_span_skip_blanks(conf_span_from(inside, kind.length));
    struct conf_span behind = conf_span_skip_blanks(conf_span_from(line, end + 1));

    if (conf_span_equals(kind, kinds[0]))
        error = start_slat(parser, line, name);
    else if (conf_span_equals(kind, kinds[1]))
        error = start_guest(parser, line, name);
    else if (conf_span_equals(kind, kinds[2]))
        error = start_script(parser, line, name);
    else
        error = conf_fail(parser->error, kind.place, "unknown section %s%s", conf_quote(kind.at, kind.length).text,
                          conf_suggest(kind.at, kind.length, kinds, 3).text);
    if (!error && !conf_span_is_over(behind))
        error = conf_fail(parser->error, behind.place, "%s after the section's name; allowed: a comment",
                          conf_quote(behind.at, behind.length).text);
    return error;
}

static int fail_unknown_key(const struct parser *parser, struct conf_span key)
{
    const char *names[MOST_KEYS];

    for (unsigned i = 0; i < parser->key_count; i++)
        names[i] = parser->keys[i].name;
    return conf_fail(parser->error, key.place, "unknown key %s in %s%s", conf_quote(key.at, key.length).text,
                     parser->header_text, conf_suggest(key.at, key.length, names, parser->key_count).text);
}

static int parse_value(struct parser *parser, unsigned key, struct conf_span rest)
{
    struct conf_setting *setting = &parser->setting;
    int error;

    setting->key = parser->keys[key].name;
    setting->guest = parser->guest;
    error = conf_value_read(rest, parser->keys[key].limit, setting);
    if (error)
        return error;
    parser->given[key] = setting->place;
    return parser->keys[key].set(setting);
}

static int parse_setting(struct parser *parser, struct conf_span line)
{
    struct conf_span key = conf_span_first(line, conf_span_until(line, " \t=#"));
    struct conf_span rest = conf_span_skip_blanks(conf_span_from(line, key.length));
    unsigned i = 0;

    if (!key.length)
        return conf_fail(parser->error, line.place, "%s without a key; allowed: KEY = VALUE, [SECTION]",
                         conf_quote(line.at, line.length).text);
    if (!parser->keys)
        return conf_fail(parser->error, line.place,
                         "%s before the first section; allowed: [slat], [guest NAME], [script]",
                         conf_quote(key.at, key.length).text);
    while (i < parser->key_count && !conf_span_equals(key, parser->keys[i].name))
        i++;
    if (i == parser->key_count)
        return fail_unknown_key(parser, key);
    if (!rest.length || rest.at[0] != '=')
        return conf_fail(parser->error, rest.place, "%s after the key %s; allowed: =",
                         rest.length ? conf_quote(rest.at, rest.length).text : "nothing", parser->keys[i].name);
    if (parser->given[i].line && !parser->keys[i].repeatable)
        return conf_fail(parser->error, key.place, "%s is given twice, first in line %u; allowed: once",
                         parser->keys[i].name, parser->given[i].line);
    return parse_value(parser, i, conf_span_from(rest, 1));
}

static int check_gdb(const struct parser *parser)
{
    const struct slat_conf *conf = parser->conf;

    if (!parser->gdb.line)
        return 0;
    for (unsigned i = 0; i < conf->guest_count; i++) {
        if (strcmp(conf->gdb, conf->guests[i].name) == 0)
            return 0;
    }
    return conf_fail(parser->error, parser->gdb, "gdb: there is no guest %s",
                     conf_quote(conf->gdb, strlen(conf->gdb)).text);
}

static int parse(struct parser *parser, const char *text, size_t size)
{
    struct conf_lines lines;
    struct conf_span line;
    int error = 0;

    if (size >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
        return conf_fail(parser->error, (struct conf_place){ 1, 1 }, "the file is UTF-16; allowed: ASCII, UTF-8");
    conf_lines_start(&lines, text, size);
    while (!error && conf_lines_next(&lines, &line))
        error = line.at[0] == '[' ? parse_header(parser, line) : parse_setting(parser, line);
    if (!error)
        error = finish_section(parser);
    if (!error && !parser->conf->guest_count)
        error = conf_fail(parser->error, (struct conf_place){ lines.line ? lines.line : 1, 1 },
                          "the file has no guest, and needs one: [guest NAME]");
    if (!error)
        error = check_gdb(parser);
    return error;
}

int conf_parse(const char *text, size_t size, const char *file, struct slat_conf *conf, struct conf_error *error)
{
    struct parser parser = { .conf = conf, .error = error, .setting = { .conf = conf, .error = error } };
    int failed;

    memset(conf, 0, sizeof *conf);
    conf->at_end = AT_END_POWEROFF;
    conf->slice_us = 5000;
    conf->processors = CONF_MOST_PROCESSORS;
    failed = parse(&parser, text, size);
    if (failed)
        conf_error_add_place(error, file);
    return failed;
}

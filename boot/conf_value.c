/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of values in slat.conf: quotes, numbers with units, words, paths. */
#include "boot/conf_value.h"

#include <stdbool.h>

#include "boot/conf_error.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

const struct conf_unit conf_size_units[] = {
    { "", 1 },
    { "K", 1ull << 10 },
    { "M", 1ull << 20 },
    { "G", 1ull << 30 },
    { "T", 1ull << 40 },
    { "KiB", 1ull << 10 },
    { "MiB", 1ull << 20 },
    { "GiB", 1ull << 30 },
    { "TiB", 1ull << 40 },
    { NULL, 0 },
};

const struct conf_unit conf_ms_units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60 * 1000 }, { NULL, 0 } };
const struct conf_unit conf_us_units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000 * 1000 }, { NULL, 0 } };

static bool is_control(char c)
{
    return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

static int fail_control(const struct conf_setting *setting, struct conf_span at)
{
    return conf_fail(setting->error, at.place, "%s: control character %s; allowed: printable text and tabs",
                     setting->key, conf_quote(at.at, 1).text);
}

/* Appends as long as there is room; the length counts on. */
static void append(struct conf_setting *setting, size_t limit, char c)
{
    if (setting->length < limit)
        setting->text[setting->length] = c;
    setting->length++;
}

static int read_quoted(struct conf_span rest, size_t limit, struct conf_setting *setting)
{
    size_t i = 1;

    for (; i < rest.length && rest.at[i] != '"'; i++) {
        if (is_control(rest.at[i]))
            return fail_control(setting, conf_span_from(rest, i));
        if (rest.at[i] == '\\') {
            struct conf_span escape = conf_span_from(rest, i);

            if (escape.length < 2 || (escape.at[1] != '"' && escape.at[1] != '\\'))
                return conf_fail(setting->error, escape.place, "%s: %s in quotes; allowed: \\\" and \\\\", setting->key,
                                 conf_quote(escape.at, escape.length < 2 ? 1 : 2).text);
            i++;
        }
        append(setting, limit, rest.at[i]);
    }
    if (i == rest.length)
        return conf_fail(setting->error, rest.place, "%s: the closing quote is missing in %s", setting->key,
                         conf_quote(rest.at, rest.length).text);

    struct conf_span behind = conf_span_skip_blanks(conf_span_from(rest, i + 1));

    if (!conf_span_is_over(behind))
        return conf_fail(setting->error, behind.place, "%s: %s after the closing quote; allowed: a comment",
                         setting->key, conf_quote(behind.at, behind.length).text);
    return 0;
}

static int read_bare(struct conf_span rest, size_t limit, struct conf_setting *setting)
{
    rest = conf_span_trim(conf_span_first(rest, conf_span_until(rest, "#")));
    if (!rest.length)
        return conf_fail(setting->error, rest.place, "%s has no value (an empty text is written \"\")", setting->key);
    for (size_t i = 0; i < rest.length; i++) {
        if (is_control(rest.at[i]))
            return fail_control(setting, conf_span_from(rest, i));
        append(setting, limit, rest.at[i]);
    }
    return 0;
}

int conf_value_read(struct conf_span rest, size_t limit, struct conf_setting *setting)
{
    int error;

    rest = conf_span_skip_blanks(rest);
    setting->place = rest.place;
    setting->length = 0;
    error = rest.length && rest.at[0] == '"' ? read_quoted(rest, limit, setting) : read_bare(rest, limit, setting);
    if (error)
        return error;
    if (setting->length > limit)
        return conf_fail(setting->error, setting->place, "%s: the value has %zu bytes; allowed: at most %zu",
                         setting->key, setting->length, limit);
    setting->text[setting->length] = 0;
    return 0;
}

/* The value of a digit; 16 or more: not a digit of any base. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A' + 10);
    return 16;
}

/* Decimal digits, or 0x and hexadecimal ones. What follows them, or NULL if there are none. Too large: UINT64_MAX. */
static const char *parse_digits(const char *text, uint64_t *value)
{
    unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    uint64_t number = 0;
    bool overflow = false;

    if (base == 16)
        text += 2;
    if (digit_value(*text) >= base)
        return NULL;
    for (; digit_value(*text) < base; text++) {
        overflow |= __builtin_mul_overflow(number, base, &number);
        overflow |= __builtin_add_overflow(number, digit_value(*text), &number);
    }
    *value = overflow ? UINT64_MAX : number;
    return text;
}

static const struct conf_unit *find_unit(const struct conf_unit *units, const char *name)
{
    for (; units->name; units++) {
        if (!strcmp(units->name, name))
            return units;
    }
    return NULL;
}

int conf_number(const struct conf_setting *setting, const struct conf_number_rule *rule, uint64_t *value)
{
    struct conf_quoted found = conf_quote(setting->text, setting->length);
    uint64_t number;
    const char *behind = parse_digits(setting->text, &number);

    if (!behind)
        return conf_fail(setting->error, setting->place, "%s: %s is not a number; allowed: %s", setting->key,
                         found.text, rule->allowed);
    while (conf_is_blank(*behind))
        behind++;

    const struct conf_unit *unit = find_unit(rule->units, behind);

    if (!unit && (*behind || number))
        return conf_fail(setting->error, setting->place, "%s: %s has %s%s; allowed: %s", setting->key, found.text,
                         *behind ? "the unknown unit " : "no unit",
                         *behind ? conf_quote(behind, strlen(behind)).text : "", rule->allowed);
    if (__builtin_mul_overflow(number, unit ? unit->factor : 0, &number) || number < rule->least || number > rule->most)
        return conf_fail(setting->error, setting->place, "%s: %s is out of range; allowed: %s to %s", setting->key,
                         found.text, conf_show_number(rule->least, rule->units).text,
                         conf_show_number(rule->most, rule->units).text);
    if (rule->multiple && number % rule->multiple)
        return conf_fail(setting->error, setting->place, "%s: %s is not a multiple of %s", setting->key, found.text,
                         conf_show_number(rule->multiple, rule->units).text);
    *value = number;
    return 0;
}

struct conf_number_text conf_show_number(uint64_t value, const struct conf_unit *units)
{
    const struct conf_unit *best = units;
    struct conf_number_text shown;

    for (; units->name; units++) {
        if (value && value % units->factor == 0 && units->factor > best->factor)
            best = units;
    }
    format_text(shown.text, sizeof shown.text, "%llu%s", (unsigned long long)(value / best->factor),
                value ? best->name : "");
    return shown;
}

int conf_word(const struct conf_setting *setting, const char *const *names, unsigned count, uint32_t *value)
{
    for (unsigned i = 0; i < count; i++) {
        if (names[i] && !strcmp(names[i], setting->text)) {
            *value = i;
            return 0;
        }
    }
    return conf_fail(setting->error, setting->place, "%s: unknown word %s%s", setting->key,
                     conf_quote(setting->text, setting->length).text,
                     conf_suggest(setting->text, setting->length, names, count).text);
}

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

static int fail_path(const struct conf_setting *setting, size_t length, const char *why)
{
    return conf_fail(setting->error, setting->place, "%s: the path %s %s", setting->key,
                     conf_quote(setting->text, length).text, why);
}

int conf_path(const struct conf_setting *setting, size_t length, char to[CONF_PATH_SIZE])
{
    const char *path = setting->text;
    size_t at = 0;

    if (!length || length > CONF_LONGEST_PATH)
        return conf_fail(setting->error, setting->place, "%s: the path has %zu bytes; allowed: 1 to %u", setting->key,
                         length, (unsigned)CONF_LONGEST_PATH);
    for (size_t i = 0; i < length; i++) {
        if (path[i] < 0x20 || path[i] > 0x7e || strchr("\"*:<>?|", path[i]))
            return conf_fail(setting->error, setting->place,
                             "%s: the path has the character %s; allowed: printable ASCII but "
                             "\" * : < > ? |",
                             setting->key, conf_quote(path + i, 1).text);
    }
    if (is_separator(path[0]))
        return fail_path(setting, length, "is absolute; allowed: a path relative to " CONF_FOLDER);
    /* The volume's file system drops dots and spaces at the end of a name, so these names are others than they seem. */
    for (size_t end = 0; end <= length; end++) {
        if (end < length && !is_separator(path[end]))
            continue;
        if (end == at)
            return fail_path(setting, length, "has an empty name; allowed: names with one separator between them");
        if (path[end - 1] == '.' || path[end - 1] == ' ' || path[at] == ' ')
            return fail_path(setting, length, "has a name that begins with a space or ends with a space or a dot");
        at = end + 1;
    }

    memset(to, 0, CONF_PATH_SIZE);
    memcpy(to, CONF_FOLDER, sizeof CONF_FOLDER - 1);
    for (size_t i = 0; i < length; i++)
        to[sizeof CONF_FOLDER - 1 + i] = is_separator(path[i]) ? '\\' : path[i];
    return 0;
}

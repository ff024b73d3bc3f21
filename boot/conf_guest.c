/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a [guest NAME] section: their defaults, their ranges, and which of them contradict each other. */
#include "boot/conf_guest.h"

#include "boot/conf_error.h"
#include "boot/conf_names.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define SIZE_ALLOWED "a number of bytes, or one with K, M, G or T (16M)"

enum { WORD_LIMIT = 64 }; /* of values that are no text */

static const uint64_t default_load = MIB, default_load_real = 0x7c00;

/* Where a guest has memory, as in hv/load/guest_memory_map.h: none from here to 4 GiB, the rest above. */
static const uint64_t below_4g = 3 * GIB;

static int set_image(const struct conf_setting *setting)
{
    return conf_path(setting, setting->length, setting->guest->image);
}

static int set_format(const struct conf_setting *setting)
{
    return conf_word(setting, image_format_names, IMAGE_FORMAT_COUNT, &setting->guest->format);
}

static int set_memory(const struct conf_setting *setting)
{
    static const struct conf_number_rule rule = { conf_size_units, SIZE_ALLOWED, 4 * KIB, TIB, 4 * KIB };

    return conf_number(setting, &rule, &setting->guest->memory);
}

static int set_processors(const struct conf_setting *setting)
{
    static const struct conf_unit no_units[] = { { "", 1 }, { NULL, 0 } };
    static const struct conf_number_rule rule = { no_units, "a number from 1 to 32", 1, CONF_MAX_PROCESSORS, 0 };
    uint64_t value;
    int error = conf_number(setting, &rule, &value);

    if (!error)
        setting->guest->processors = (uint32_t)value;
    return error;
}

static int set_cmdline(const struct conf_setting *setting)
{
    memcpy(setting->guest->cmdline, setting->text, setting->length);
    return 0;
}

static int add_module(const struct conf_setting *setting)
{
    struct guest_conf *guest = setting->guest;
    struct guest_module *module = &guest->modules[guest->module_count];
    size_t path_length = 0;
    int error;

    if (guest->module_count == CONF_MAX_MODULES)
        return conf_fail(setting->error, setting->place, "%s: too many modules; allowed: %d", setting->key,
                         CONF_MAX_MODULES);
    while (path_length < setting->length && !conf_is_blank(setting->text[path_length]))
        path_length++;
    error = conf_path(setting, path_length, module->path);
    if (error)
        return error;
    memcpy(module->text, setting->text, setting->length);
    guest->module_count++;
    return 0;
}

static int set_address(const struct conf_setting *setting, uint64_t *address)
{
    static const struct conf_number_rule rule = { conf_size_units, "an address, as 0x100000 or 1M", 0, TIB + GIB, 0 };

    return conf_number(setting, &rule, address);
}

static int set_load(const struct conf_setting *setting)
{
    return set_address(setting, &setting->guest->load);
}

static int set_entry(const struct conf_setting *setting)
{
    return set_address(setting, &setting->guest->entry);
}

static int set_start(const struct conf_setting *setting)
{
    return conf_word(setting, flat_start_names, FLAT_START_COUNT, &setting->guest->start);
}

static int set_largest_page(const struct conf_setting *setting)
{
    return conf_word(setting, conf_page_names, CONF_PAGE_COUNT, &setting->guest->largest_page);
}

static int set_backing(const struct conf_setting *setting)
{
    return conf_word(setting, backing_names, BACKING_COUNT, &setting->guest->on_demand);
}

static int set_hypercalls(const struct conf_setting *setting)
{
    return conf_word(setting, yes_no_names, YES_NO_COUNT, &setting->guest->hypercalls);
}

static int set_expect(const struct conf_setting *setting)
{
    size_t backslashes = 0;

    while (backslashes < setting->length && setting->text[setting->length - 1 - backslashes] == '\\')
        backslashes++;
    if (backslashes % 2)
        return conf_fail(setting->error, setting->place,
                         "%s: the pattern %s ends with a backslash that quotes nothing; allowed: \\\\ for a backslash",
                         setting->key, conf_quote(setting->text, setting->length).text);
    memcpy(setting->guest->expect, setting->text, setting->length);
    return 0;
}

/* "exit" and a number, which `setting` gets as its text. */
static int set_expect_exit(struct conf_setting setting)
{
    static const struct conf_unit units[] = { { "", 1 }, { NULL, 0 } };
    static const struct conf_number_rule rule = { units, "exit and a number of 32 bits, as exit 0 or exit 0xff", 0,
                                                  UINT32_MAX, 0 };
    size_t skip = strlen("exit");
    uint64_t status;
    int error;

    while (conf_is_blank(setting.text[skip]))
        skip++;
    setting.length -= skip;
    memmove(setting.text, setting.text + skip, setting.length + 1);
    error = conf_number(&setting, &rule, &status);
    if (error)
        return error;
    setting.guest->expect_end = GUEST_END_EXIT;
    setting.guest->expect_status = (uint32_t)status;
    return 0;
}

static int set_expect_end(const struct conf_setting *setting)
{
    const char *names[GUEST_END_COUNT];

    if (!strncmp(setting->text, "exit", 4) && (!setting->text[4] || conf_is_blank(setting->text[4])))
        return set_expect_exit(*setting);
    memcpy(names, guest_end_names, sizeof names);
    names[GUEST_END_NONE] = NULL;
    names[GUEST_END_EXIT] = "exit N";
    return conf_word(setting, names, GUEST_END_COUNT, &setting->guest->expect_end);
}

static int set_timeout(const struct conf_setting *setting)
{
    static const struct conf_number_rule rule = { conf_ms_units, "a number with ms, s or min (60s), 0, none", 0,
                                                  30 * 24 * 60 * 60 * 1000ull, 0 };

    if (!strcmp(setting->text, "none")) {
        setting->guest->timeout_ms = 0;
        return 0;
    }
    return conf_number(setting, &rule, &setting->guest->timeout_ms);
}

/*
 * Fields with which a guest can fail to enter, or do nothing that it could not do by itself: selectors, limits, rights,
 * interruptibility, CR3, bases, DR7, RSP, RIP, RFLAGS, pending debug exceptions, SYSENTER. Not among them: what selects
 * features (CR0, CR4, MSRs), and the activity state, which can stop the preemption timer.
 */
static bool is_vmcs_field_allowed(uint64_t field)
{
    return field % 2 == 0 && ((field >= 0x0800 && field <= 0x080e) || (field >= 0x4800 && field <= 0x4824) ||
                              field == 0x6802 || (field >= 0x6806 && field <= 0x6826));
}

/* One of the two numbers of a "vmcs" line, without a unit: characters [from, to) of the value. */
static int vmcs_number(const struct conf_setting *setting, size_t from, size_t to, uint64_t *value)
{
    struct conf_setting part = *setting;
    static const struct conf_unit units[] = { { "", 1 }, { NULL, 0 } };
    static const struct conf_number_rule rule = { units, "the numbers of a VMCS field and of its value", 0, UINT64_MAX,
                                                  0 };

    part.length = to - from;
    memmove(part.text, setting->text + from, part.length);
    part.text[part.length] = 0;
    return conf_number(&part, &rule, value);
}

static int add_vmcs(const struct conf_setting *setting)
{
    struct guest_conf *guest = setting->guest;
    uint64_t field, value;
    size_t field_end = 0, value_start;
    int error;

    if (guest->vmcs_count == CONF_MAX_VMCS)
        return conf_fail(setting->error, setting->place, "%s: too many fields; allowed: %d", setting->key,
                         CONF_MAX_VMCS);
    while (field_end < setting->length && !conf_is_blank(setting->text[field_end]))
        field_end++;
    error = vmcs_number(setting, 0, field_end, &field);
    if (error)
        return error;
    if (!is_vmcs_field_allowed(field))
        return conf_fail(setting->error, setting->place,
                         "%s: field %#llx is not allowed; allowed: 0x800 to 0x80e, 0x4800 to 0x4824, 0x6802, 0x6806 to "
                         "0x6826, even",
                         setting->key, (unsigned long long)field);
    for (value_start = field_end; value_start < setting->length && conf_is_blank(setting->text[value_start]);)
        value_start++;
    error = vmcs_number(setting, value_start, setting->length, &value);
    if (error)
        return error;
    guest->vmcs[guest->vmcs_count++] = (struct guest_vmcs_field){ .field = (uint32_t)field, .value = value };
    return 0;
}

static int set_output_limit(const struct conf_setting *setting)
{
    static const struct conf_number_rule rule = { conf_size_units, SIZE_ALLOWED, 0, TIB, 0 };

    return conf_number(setting, &rule, &setting->guest->output_limit);
}

const struct conf_key conf_guest_keys[CONF_GUEST_KEYS] = {
    [KEY_IMAGE] = { "image", CONF_LONGEST_PATH, false, set_image },
    [KEY_FORMAT] = { "format", WORD_LIMIT, false, set_format },
    [KEY_MEMORY] = { "memory", WORD_LIMIT, false, set_memory },
    [KEY_PROCESSORS] = { "processors", WORD_LIMIT, false, set_processors },
    [KEY_CMDLINE] = { "cmdline", CONF_CMDLINE_SIZE - 1, false, set_cmdline },
    [KEY_MODULE] = { "module", CONF_MODULE_SIZE - 1, true, add_module },
    [KEY_LOAD] = { "load", WORD_LIMIT, false, set_load },
    [KEY_ENTRY] = { "entry", WORD_LIMIT, false, set_entry },
    [KEY_START] = { "start", WORD_LIMIT, false, set_start },
    [KEY_LARGEST_PAGE] = { "largest-page", WORD_LIMIT, false, set_largest_page },
    [KEY_BACKING] = { "backing", WORD_LIMIT, false, set_backing },
    [KEY_HYPERCALLS] = { "hypercalls", WORD_LIMIT, false, set_hypercalls },
    [KEY_EXPECT] = { "expect", CONF_PATTERN_SIZE - 1, false, set_expect },
    [KEY_EXPECT_END] = { "expect-end", WORD_LIMIT, false, set_expect_end },
    [KEY_TIMEOUT] = { "timeout", WORD_LIMIT, false, set_timeout },
    [KEY_OUTPUT_LIMIT] = { "output-limit", WORD_LIMIT, false, set_output_limit },
    [KEY_VMCS] = { "vmcs", WORD_LIMIT, true, add_vmcs },
};

void conf_guest_set_defaults(struct guest_conf *guest)
{
    guest->format = IMAGE_AUTO;
    guest->memory = 16 * MIB;
    guest->processors = 1;
    guest->start = FLAT_32;
    guest->largest_page = CONF_PAGE_1G;
    guest->timeout_ms = 60 * 1000;
    guest->output_limit = MIB;
}

bool conf_address_in_memory(uint64_t address, uint64_t memory)
{
    uint64_t low = memory < below_4g ? memory : below_4g;

    return address < low || (address >= 4 * GIB && address - 4 * GIB < memory - low);
}

/* Where to point when the value of a key is wrong: at the value, or at what made the default wrong. */
static struct conf_place place_of(const struct conf_place *given, enum conf_guest_key key, enum conf_guest_key cause,
                                  struct conf_place header)
{
    return given[key].line ? given[key] : given[cause].line ? given[cause] : header;
}

/* An address that stands in the file is checked whatever the image is; a default only if the image is sure to be flat. */
static int check_address(const struct guest_conf *guest, enum conf_guest_key key, uint64_t address,
                         struct conf_place header, const struct conf_place *given, struct conf_error *error)
{
    const char *hole = guest->memory > below_4g ? " (from 0 to 3G, and from 4G)" : "";
    struct conf_place place = place_of(given, key, KEY_MEMORY, header);

    if (!given[key].line && guest->format != IMAGE_FLAT)
        return 0;
    if (!conf_address_in_memory(address, guest->memory))
        return conf_fail(error, place, "%s: the address %#llx is outside the guest's memory of %s%s",
                         conf_guest_keys[key].name, (unsigned long long)address,
                         conf_show_number(guest->memory, conf_size_units).text, hole);
    return 0;
}

static int check_entry(const struct guest_conf *guest, struct conf_place header, const struct conf_place *given,
                       struct conf_error *error)
{
    uint64_t reach = guest->start == FLAT_REAL ? MIB : guest->start == FLAT_32 ? 4 * GIB : UINT64_MAX;
    struct conf_place place = place_of(given, KEY_ENTRY, KEY_LOAD, header);

    if (guest->entry >= reach)
        return conf_fail(error, place, "entry: the address %#llx is out of reach for start = %s; allowed: below %s",
                         (unsigned long long)guest->entry, flat_start_names[guest->start],
                         conf_show_number(reach, conf_size_units).text);
    if (guest->entry < guest->load)
        return conf_fail(error, place, "entry: the address %#llx is before the image, which is loaded at %#llx",
                         (unsigned long long)guest->entry, (unsigned long long)guest->load);
    return 0;
}

/* Such an image ends at 4 GiB and starts at its reset vector. */
static int check_rom(const struct conf_place *given, struct conf_error *error)
{
    static const enum conf_guest_key address_keys[] = { KEY_LOAD, KEY_ENTRY };

    for (unsigned i = 0; i < sizeof address_keys / sizeof *address_keys; i++) {
        if (given[address_keys[i]].line)
            return conf_fail(error, given[address_keys[i]],
                             "%s is not possible with start = reset: the image ends at 4G and starts at 0xfffffff0",
                             conf_guest_keys[address_keys[i]].name);
    }
    return 0;
}

static int check_flat(struct guest_conf *guest, struct conf_place header, const struct conf_place *given,
                      struct conf_error *error)
{
    static const enum conf_guest_key flat_keys[] = { KEY_LOAD, KEY_ENTRY, KEY_START };
    int failed;

    for (unsigned i = 0; i < sizeof flat_keys / sizeof *flat_keys; i++) {
        if (given[flat_keys[i]].line && guest->format != IMAGE_FLAT && guest->format != IMAGE_AUTO)
            return conf_fail(error, given[flat_keys[i]],
                             "%s is for flat images; allowed with format = %s: none of load, "
                             "entry, start",
                             conf_guest_keys[flat_keys[i]].name, image_format_names[guest->format]);
    }
    if (guest->start == FLAT_RESET)
        return check_rom(given, error);
    if (!given[KEY_LOAD].line)
        guest->load = guest->start == FLAT_REAL ? default_load_real : default_load;
    if (!given[KEY_ENTRY].line)
        guest->entry = guest->load;
    failed = check_address(guest, KEY_LOAD, guest->load, header, given, error);
    if (!failed)
        failed = check_address(guest, KEY_ENTRY, guest->entry, header, given, error);
    if (!failed)
        failed = check_entry(guest, header, given, error);
    return failed;
}

int conf_guest_finish(struct guest_conf *guest, struct conf_place header, const struct conf_place *given,
                      struct conf_error *error)
{
    if (!given[KEY_IMAGE].line)
        return conf_fail(error, header, "[guest %s] has no image, and needs one: image = FILE", guest->name);
    if (!given[KEY_EXPECT_END].line)
        guest->expect_end = guest->expect[0] ? GUEST_END_EXPECT_SEEN : GUEST_END_EXIT;
    if (guest->expect_end == GUEST_END_EXPECT_SEEN && !guest->expect[0])
        return conf_fail(error, given[KEY_EXPECT_END], "expect-end: expect-seen needs a pattern: expect = TEXT");
    return check_flat(guest, header, given, error);
}

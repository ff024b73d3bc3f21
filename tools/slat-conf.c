/* SPDX-License-Identifier: BSD-2-Clause */
/* slat-conf: checks and shows a configuration on the host, with the parser that the boot application uses. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boot/conf.h"
#include "boot/conf_lines.h"
#include "tools/conf_show.h"

enum { EXIT_FINE = 0, EXIT_WRONG = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
    "usage: slat-conf check FILE [--volume DIR]\n"
    "       slat-conf show FILE\n"
    "       slat-conf files FILE\n"
    "\n"
    "  check   says whether FILE is a correct slat.conf, and where it is not; with --volume also whether\n"
    "          the files that it names exist in DIR, a folder that has what the boot volume will have\n"
    "  show    prints the configuration with every default filled in\n"
    "  files   lists the files that its guests need, relative to the root of the boot volume, one a line\n"
    "\n"
    "Exit status: 0 correct; 1 an error in FILE, or a file is missing; 2 wrong usage, or FILE cannot be read.\n";

struct text {
    char *bytes;
    size_t size;
};

static bool read_file(const char *name, struct text *text)
{
    FILE *file = fopen(name, "rb");
    size_t capacity = 1 << 16, count;
    struct stat status;

    if (file && !fstat(fileno(file), &status) && S_ISDIR(status.st_mode)) {
        fclose(file);
        errno = EISDIR;
        return false;
    }
    if (!file)
        return false;
    *text = (struct text){ malloc(capacity), 0 };
    while (text->bytes && (count = fread(text->bytes + text->size, 1, capacity - text->size, file)) > 0) {
        text->size += count;
        if (text->size == capacity)
            text->bytes = realloc(text->bytes, capacity *= 2);
    }

    bool fine = text->bytes && !ferror(file);

    fclose(file);
    return fine;
}

struct file_list {
    unsigned count;
    char paths[CONF_MAX_GUESTS * (1 + CONF_MAX_MODULES) + 1][CONF_PATH_SIZE]; /* and one that is being compared */
};

/* Prints the path of a file, if it was not printed before. */
static void list_file(struct file_list *list, const char *conf_path)
{
    char *path = list->paths[list->count];

    conf_host_path(conf_path, path);
    for (unsigned i = 0; i < list->count; i++) {
        if (!strcmp(list->paths[i], path))
            return;
    }
    list->count++;
    printf("%s\n", path);
}

static void list_files(const struct slat_conf *conf)
{
    static struct file_list list;

    for (unsigned i = 0; i < conf->guest_count; i++) {
        list_file(&list, conf->guests[i].image);
        for (unsigned j = 0; j < conf->guests[i].module_count; j++)
            list_file(&list, conf->guests[i].modules[j].path);
    }
}

/* The place of the value of the `index`th "image" (or "module") in a text without errors, counted over all guests. */
static struct conf_place find_line(const struct text *text, const char *key, unsigned index)
{
    struct conf_lines lines;
    struct conf_span line = { 0 };

    conf_lines_start(&lines, text->bytes, text->size);
    while (conf_lines_next(&lines, &line)) {
        size_t length = conf_span_until(line, " \t=");

        if (conf_span_equals(conf_span_first(line, length), key) && index-- == 0)
            return conf_span_skip_blanks(conf_span_from(line, conf_span_until(line, "=") + 1)).place;
    }
    return line.place;
}

/* Why a file of the volume cannot be used, or NULL. */
static const char *file_problem(const char *volume, const char *path)
{
    char name[4096];
    struct stat status;

    if (snprintf(name, sizeof name, "%s/%s", volume, path) >= (int)sizeof name)
        return strerror(ENAMETOOLONG);
    if (stat(name, &status))
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "not a file";
    if (!status.st_size)
        return "it is empty";
    return NULL;
}

static bool check_files(const char *file, const struct text *text, const struct slat_conf *conf, const char *volume)
{
    unsigned modules = 0;
    bool fine = true;

    for (unsigned i = 0; i < conf->guest_count; i++) {
        const struct guest_conf *guest = &conf->guests[i];

        for (unsigned j = 0; j <= guest->module_count; j++) {
            const char *key = j ? "module" : "image";
            char path[CONF_PATH_SIZE];

            conf_host_path(j ? guest->modules[j - 1].path : guest->image, path);

            const char *problem = file_problem(volume, path);
            struct conf_place place = find_line(text, key, j ? modules++ : i);

            if (problem) {
                printf("%s:%u:%u: %s: %s/%s: %s\n", file, place.line, place.column, key, volume, path, problem);
                fine = false;
            }
        }
    }
    return fine;
}

static int show(const struct slat_conf *conf)
{
    size_t size = conf_show(conf, NULL, 0) + 1;
    char *text = malloc(size);

    if (!text)
        return EXIT_USAGE;
    conf_show(conf, text, size);
    fputs(text, stdout);
    free(text);
    return EXIT_FINE;
}

static int run(const char *command, const char *file, const char *volume)
{
    static struct slat_conf conf;
    struct conf_error error;
    struct text text;
    int status = EXIT_FINE;

    if (!read_file(file, &text)) {
        fprintf(stderr, "slat-conf: cannot read %s: %s\n", file, strerror(errno));
        return EXIT_USAGE;
    }
    if (conf_parse(text.bytes, text.size, file, &conf, &error)) {
        fprintf(strcmp(command, "check") ? stderr : stdout, "%s\n", error.text);
        status = EXIT_WRONG;
    } else if (!strcmp(command, "show")) {
        status = show(&conf);
    } else if (!strcmp(command, "files")) {
        list_files(&conf);
    } else if (volume && !check_files(file, &text, &conf, volume)) {
        status = EXIT_WRONG;
    } else {
        printf("%s: %u guest%s, ok\n", file, conf.guest_count, conf.guest_count == 1 ? "" : "s");
    }
    free(text.bytes);
    return status;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "", *volume = NULL;

    if (!strcmp(command, "--help") || !strcmp(command, "-h")) {
        fputs(usage_text, stdout);
        return EXIT_FINE;
    }
    if (argc == 5 && !strcmp(command, "check") && !strcmp(argv[3], "--volume"))
        volume = argv[4];

    bool known = !strcmp(command, "check") || !strcmp(command, "show") || !strcmp(command, "files");

    if (!known || (argc != 3 && !volume)) {
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }

    int status = run(command, argv[2], volume);

    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "slat-conf: cannot write: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    return status;
}

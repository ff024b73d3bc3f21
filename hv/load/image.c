/* SPDX-License-Identifier: BSD-2-Clause */
/* See image.h. */
#include "hv/load/image.h"

#include <assert.h>

#include "hv/lib/string.h"
#include "hv/load/elf.h"
#include "hv/load/formats.h"

static const char *const format_names[] = {
    [IMAGE_FLAT] = "flat",
    [IMAGE_MULTIBOOT] = "multiboot",
    [IMAGE_LINUX] = "linux",
    [IMAGE_PVH] = "pvh",
};

static bool gzip_found(const struct image *image)
{
    return image->size >= 2 && image->data[0] == 0x1f && image->data[1] == 0x8b;
}

static int find_elf_format(struct loader *loader, enum image_format *format)
{
    bool is_pvh = false;
    int error = pvh_find(loader, &is_pvh);

    if (error)
        return error;
    if (!is_pvh)
        return loader_fail(loader, "an ELF file without a Multiboot header or a PVH note: slat does not know how to "
                                   "start it");
    *format = IMAGE_PVH;
    return 0;
}

/* What the file is, by its own marks; -EINVAL for what is recognized and cannot be started. */
static int find_format(struct loader *loader, enum image_format *format)
{
    const struct image *image = &loader->request->image;

    if (loader->request->conf->start == FLAT_RESET)
        *format = IMAGE_FLAT; /* whatever else a ROM has in it */
    else if (multiboot_found(image))
        *format = IMAGE_MULTIBOOT;
    else if (linux_found(image))
        *format = IMAGE_LINUX;
    else if (elf_found(image))
        return find_elf_format(loader, format);
    else if (gzip_found(image))
        return loader_fail(loader, "compressed with gzip: unpack it first");
    else
        *format = IMAGE_FLAT;
    return 0;
}

int image_load(const struct load_request *request, struct load_result *result)
{
    struct loader loader = { .request = request, .result = result };
    enum image_format format = request->conf->format;
    int error = 0;

    assert(request->conf->module_count <= CONF_MAX_MODULES);
    memset(result, 0, sizeof(*result));

    if (request->image.size == 0)
        return loader_fail(&loader, "the file is empty");
    for (unsigned i = 0; i < request->conf->module_count; i++)
        if (request->modules[i].size == 0)
            return loader_fail(&loader, "module %u is empty", i + 1);
    if (format == IMAGE_AUTO)
        error = find_format(&loader, &format);
    if (error)
        return error;

    result->format = format_names[format];
    switch (format) {
    case IMAGE_MULTIBOOT:
        error = multiboot_load(&loader);
        break;
    case IMAGE_LINUX:
        error = linux_load(&loader);
        break;
    case IMAGE_PVH:
        error = pvh_load(&loader);
        break;
    default:
        error = request->conf->start == FLAT_RESET ? rom_load(&loader) : flat_load(&loader);
        break;
    }
    if (!error && loader.write_error) {
        loader_set_reason(&loader, "the machine has no memory left for what is loaded (error %d)", -loader.write_error);
        memset(&result->start, 0, sizeof(result->start));
        error = loader.write_error;
    }
    return error;
}

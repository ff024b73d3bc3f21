/* SPDX-License-Identifier: BSD-2-Clause */
/* See modules.h. */
#include "hv/load/modules.h"

#include "hv/load/guest_memory_map.h"

enum { MODULE_ALIGN = 0x1000 };

int modules_place(struct loader *loader, uint64_t kernel_end, uint64_t bases[CONF_MAX_MODULES])
{
    for (unsigned i = 0; i < loader->request->conf->module_count; i++) {
        const struct image *module = &loader->request->modules[i];
        int error;

        if (!loader_find_up(loader, kernel_end, module->size, MODULE_ALIGN, &bases[i]) &&
            !loader_find_up(loader, GUEST_HIGH_BASE, module->size, MODULE_ALIGN, &bases[i]))
            return loader_fail_no_room(loader, "module", (int)i + 1, module->size);
        error = loader_claim(loader, bases[i], module->size, "module", (int)i + 1);
        if (error)
            return error;
        loader_write(loader, bases[i], module->data, module->size);
    }
    return 0;
}

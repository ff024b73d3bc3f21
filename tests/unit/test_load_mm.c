/* SPDX-License-Identifier: BSD-2-Clause */
/* A load into the real memory core, where the other tests have a fake one: it is the same to a loader. */
#include "hv/load/guest_memory_map.h"
#include "hv/load/image.h"
#include "tests/unit/mm_support.h"

enum { MEMORY = 4 << 20, IMAGE_SIZE = 0x5001, LOAD = 0x1ff800 };

struct scene {
    struct vm_memory *vm;
    struct guest_conf conf;
    u8 image[IMAGE_SIZE];
    struct load_result result;
};

static int load(struct scene *scene)
{
    struct load_request request = { scene->vm, MEMORY, &scene->conf, { scene->image, IMAGE_SIZE }, { { 0 } } };

    return image_load(&request, &scene->result);
}

/* A 64-bit guest with 4 MiB, which get their frames when they are touched. */
static struct scene *scene_create(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct backing *backing;

    assert_non_null(scene);
    scene->conf =
        (struct guest_conf){ .start = FLAT_64, .load = LOAD, .entry = LOAD + 1, .memory = MEMORY, .processors = 1 };
    for (unsigned i = 0; i < IMAGE_SIZE; i++)
        scene->image[i] = (u8)(i * 5 + 3);
    assert_int_equal(vm_memory_create(&scene->vm), 0);
    assert_int_equal(backing_create(MEMORY >> PAGE_SHIFT, BACKING_ON_DEMAND, &backing), 0);
    assert_int_equal(vm_memory_add_slot(scene->vm, 0, (gfn_t){ 0 }, MEMORY >> PAGE_SHIFT, backing, 0, 0, LEVEL_4K), 0);
    backing_put(backing);
    return scene;
}

static void scene_destroy(struct scene *scene)
{
    vm_memory_destroy(scene->vm);
    free(scene);
}

static void image_and_tables_are_in_memory(void **state)
{
    struct scene *scene = scene_create();
    u8 bytes[IMAGE_SIZE + 2];
    u64 entry;

    assert_int_equal(load(scene), 0);
    assert_int_equal(vm_memory_read(scene->vm, (gpa_t){ LOAD - 1 }, bytes, sizeof(bytes)), 0);
    assert_int_equal(bytes[0], 0);
    assert_memory_equal(bytes + 1, scene->image, IMAGE_SIZE);
    assert_int_equal(bytes[IMAGE_SIZE + 1], 0);
    assert_int_equal(vm_memory_read(scene->vm, (gpa_t){ scene->result.start.cr3 }, &entry, sizeof(entry)), 0);
    assert_int_equal(entry, (scene->result.start.cr3 + PAGE_SIZE) | 3);
    scene_destroy(scene);
}

static void host_memory_runs_out(void **state)
{
    struct scene *scene = scene_create();

    port_host_take_all_but(2);
    assert_int_equal(load(scene), -ENOMEM);
    assert_non_null(strstr(scene->result.error, "no memory left"));
    port_host_give_back();
    scene_destroy(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(image_and_tables_are_in_memory),
        SMALL_TEST(host_memory_runs_out),
    };

    return cmocka_run_group_tests_name("load_mm", tests, NULL, NULL);
}

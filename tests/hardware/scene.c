/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/scene.h. */
#include "tests/hardware/scene.h"

#include "tests/hardware/frame_watch.h"

struct scene scene;

static struct vm_memory *kicked;

static void on_kick(struct vm_memory *vm)
{
    void (*first)(void) = scene.on_kick;

    scene.on_kick = NULL;
    if (first != NULL)
        first();
    kicked = vm;
}

/* The kick has come through only when somebody waits for that. */
static void on_relax(void)
{
    unsigned left = 0;

    for (unsigned i = 1; i <= SCENE_VCPUS; i++) {
        if (scene.inside[i] && scene.vcpus[i].vm == kicked) {
            scene_leave(i);
            left++;
        }
    }
    if (left == 0)
        abort();
}

int scene_start(void **state)
{
    return scene_start_with(&port_host_caps, LEVEL_4K);
}

int scene_start_with(const struct mm_caps *caps, enum level largest)
{
    memset(&scene, 0, sizeof(scene));
    machine_start(8192, 7, CPU_STALEST, caps);
    port_host.on_kick = on_kick;
    port_host.on_relax = on_relax;
    kicked = NULL;
    scene.vm = new_vm();
    scene.backing = new_backing(SCENE_PAGES, BACKING_ON_DEMAND);
    assert_int_equal(vm_memory_add_slot(scene.vm, 0, (gfn_t){ 0 }, SCENE_PAGES, scene.backing, 0, 0, largest), 0);
    for (unsigned i = 1; i <= SCENE_VCPUS; i++)
        vcpu_memory_init(&scene.vcpus[i], scene.vm);
    return 0;
}

int scene_finish(void **state)
{
    for (unsigned i = 1; i <= SCENE_VCPUS; i++) {
        if (scene.inside[i])
            scene_leave(i);
        vcpu_memory_destroy(&scene.vcpus[i]);
    }
    vm_memory_destroy(scene.vm);
    backing_put(scene.backing);
    if (mm_audit() != 0)
        machine_fail("audit: %s", port_host.last_log);
    machine_stop();
    if (machine.failure[0] != '\0')
        print_error("%s\n", machine.failure);
    return machine.failure[0] == '\0' ? 0 : -1;
}

void scene_enter(unsigned processor)
{
    unsigned before = port_host_processor;

    port_host_processor = processor;
    machine_enter(&scene.vcpus[processor]);
    port_host_processor = before;
    scene.inside[processor] = true;
}

void scene_leave(unsigned processor)
{
    unsigned before = port_host_processor;

    port_host_processor = processor;
    machine_leave(&scene.vcpus[processor]);
    port_host_processor = before;
    scene.inside[processor] = false;
}

enum cpu_result scene_access(unsigned processor, u64 gfn, u32 access, pfn_t *frame)
{
    unsigned before = port_host_processor;

    port_host_processor = processor;
    enum cpu_result result = machine_access((gfn_t){ gfn }, access, frame);
    port_host_processor = before;
    return result;
}

pfn_t scene_touch(unsigned processor, u64 gfn, u32 access)
{
    pfn_t frame = { 0 };

    if (!scene.inside[processor])
        scene_enter(processor);
    for (unsigned tries = 0;; tries++) {
        enum cpu_result found = scene_access(processor, gfn, access, &frame);

        if (found == CPU_HIT)
            break;
        if (machine.failure[0] != '\0')
            fail_msg("%s", machine.failure);
        assert_true(tries < 4);
        scene_leave(processor);
        if (found != CPU_LOG_FULL) {
            enum fault_result result = vm_memory_fault(&scene.vcpus[processor], gfn_to_gpa((gfn_t){ gfn }), access);

            assert_true(result == FAULT_INSTALLED || result == FAULT_SPURIOUS);
        }
        scene_enter(processor);
    }
    return frame;
}

bool scene_resolve_inside(unsigned processor, u64 gfn)
{
    unsigned before = port_host_processor;

    assert_true(scene.inside[processor]);
    port_host_processor = processor;
    bool result = vcpu_memory_fault_inside(&scene.vcpus[processor], gfn_to_gpa((gfn_t){ gfn }), ACCESS_WRITE);
    port_host_processor = before;
    return result;
}

bool scene_reaches(unsigned processor, u64 gfn, u32 access)
{
    pfn_t frame;

    if (!scene.inside[processor])
        scene_enter(processor);
    return scene_access(processor, gfn, access, &frame) == CPU_HIT;
}

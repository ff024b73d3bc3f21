/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors of a virtual machine: their records, and where each of them runs. */
#include "arch/x86/guest_features.h"
#include "arch/x86/processor.h"
#include "hv/lib/string.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "mm/frame.h"
#include "mm/port.h"

static unsigned record_order(void)
{
    return frame_order(sizeof(struct vm_processor));
}

/* Every vCPU of the machine in turn, and a different VPID for each. Guests are created by one task. */
static unsigned created;

static int create(struct vm *vm, unsigned number)
{
    struct vm_processor *processor;
    pfn_t frame;
    int error = frame_alloc(record_order(), FRAME_CONTROL, &frame);

    if (error)
        return error;
    processor = port_frame_address(frame);
    memset(processor, 0, sizeof(*processor));
    processor->frame = frame;
    error = frame_alloc(0, FRAME_CONTROL, &processor->apic_page);
    if (error) {
        frame_free(frame, record_order(), FRAME_CONTROL);
        return error;
    }
    const struct vcpu_config config = {
        .vm = vm,
        .memory = vm->memory,
        .ops = &vm_vcpu_ops,
        .number = number,
        .siblings = vm->conf.processors,
        .processor = created % processor_count(),
        .epoch = &vm->epoch,
        .vpid = (u16)(created + 1),
        .apic_page = processor->apic_page,
    };
    error = vcpu_create(&processor->vcpu, &config);
    if (error) {
        frame_free(processor->apic_page, 0, FRAME_CONTROL);
        frame_free(frame, record_order(), FRAME_CONTROL);
        return error;
    }
    lapic_init(&processor->lapic, port_frame_address(processor->apic_page), number, number == 0, guest_apic_bus_shift(),
               &vm_lapic_ops, processor);
    created++;
    vm->apics[vm->processor_count] = &processor->lapic;
    vm->processors[vm->processor_count++] = processor;
    return 0;
}

int vm_processors_create(struct vm *vm)
{
    vm->has_vcpus = true;
    for (unsigned i = 0; i < vm->conf.processors; i++) {
        int error = create(vm, i);

        if (error)
            return error;
    }
    return 0;
}

void vm_processors_destroy(struct vm *vm)
{
    for (unsigned i = 0; vm->has_vcpus && i < vm->processor_count; i++) {
        vcpu_destroy(&vm->processors[i]->vcpu);
        frame_free(vm->processors[i]->apic_page, 0, FRAME_CONTROL);
    }
    vm->has_vcpus = false;
}

u64 vm_exits(const struct vm *vm)
{
    u64 exits = 0;

    for (unsigned i = 0; i < vm->processor_count; i++)
        exits += vcpu_exits(&vm->processors[i]->vcpu);
    return exits;
}

void vm_processor_notify(struct vm_processor *processor, u32 request)
{
    vcpu_request(&processor->vcpu, request);
    if (processor->task != NULL)
        task_wake(processor->task);
}

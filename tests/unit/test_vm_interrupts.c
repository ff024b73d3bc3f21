/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vm_interrupts.c: what a vCPU is asked and what it takes, while other processors change the devices in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/msr.h"
#include "arch/x86/vmx.h"
#include "hv/vm_internal.h"

struct vmx_caps vmx_caps; /* no virtual interrupts */

enum { PIC_COMMAND = 0x20, PIC_DATA = 0x21, PIC_VECTOR = 0x30, SPURIOUS_IRQ = 7, KEYBOARD = 1 };

struct vm_environment vm_environment;

static struct vm vm;
static struct vm_processor processor;
static _Alignas(4096) u32 page[LAPIC_PAGE_WORDS];
static unsigned inits;

void port_relax(void)
{
}

u64 vm_ns_to_ticks(u64 ns)
{
    return ns;
}

u64 vm_devices_ns(struct vm *of)
{
    return 0;
}

void vm_processor_notify(struct vm_processor *whom, u32 request)
{
    __atomic_fetch_or(&whom->vcpu.requests, request, __ATOMIC_SEQ_CST);
}

void vcpu_bound_run(struct vcpu *vcpu, u64 tsc)
{
    if (tsc < vcpu->run_until)
        vcpu->run_until = tsc;
}

void vcpu_post_nmi(struct vcpu *vcpu)
{
}

void vcpu_init(struct vcpu *vcpu)
{
    inits++;
}

void vcpu_start(struct vcpu *vcpu, u8 vector)
{
}

static void ignore_byte(void *context, u8 byte)
{
}

static void ignore_exit(void *context, u32 status)
{
}

static void ignore(void *context)
{
}

static void port_write(u16 port, u8 value)
{
    platform_port_write(&vm.platform, port, 1, value, 0);
}

static int setup(void **state)
{
    const struct platform_config config = {
        .memory = 16 << 20,
        .processors = 1,
        .console = ignore_byte,
        .exit = ignore_exit,
        .reset = ignore,
        .power_off = ignore,
        .deliver = vm_deliver,
        .intr = vm_pic_interrupt,
        .context = &vm,
    };

    memset(&vm, 0, sizeof(vm));
    memset(&processor, 0, sizeof(processor));
    inits = 0;
    vm.processor_count = 1;
    vm.processors[0] = &processor;
    vm.apics[0] = &processor.lapic;
    processor.vcpu.vm = &vm;
    lapic_init(&processor.lapic, page, 0, true, 0, &vm_lapic_ops, &processor);
    lapic_virtual_wire(&processor.lapic);
    platform_init(&vm.platform, &config);
    port_write(PIC_COMMAND, 0x11);
    port_write(PIC_DATA, PIC_VECTOR);
    port_write(PIC_DATA, 4);
    port_write(PIC_DATA, 1);
    port_write(PIC_DATA, (u8) ~(1u << KEYBOARD));
    return 0;
}

static u32 in_service(u8 vector)
{
    return page[(LAPIC_ISR + vector / 32 * 16) / 4] >> vector % 32 & 1;
}

static void the_pic_is_answered(void **state)
{
    assert_false(vm_interrupt_waits(&processor.vcpu));
    platform_set_irq(&vm.platform, KEYBOARD, true);
    assert_true(vm_interrupt_waits(&processor.vcpu));
    assert_int_equal(vm_interrupt_take(&processor.vcpu), PIC_VECTOR + KEYBOARD);
}

/* Another processor masks it between the question and the answer: no vector of the local APIC comes from nowhere. */
static void a_request_that_goes_away_is_spurious(void **state)
{
    platform_set_irq(&vm.platform, KEYBOARD, true);
    assert_true(vm_interrupt_waits(&processor.vcpu));
    port_write(PIC_DATA, 0xff);
    assert_int_equal(vm_interrupt_take(&processor.vcpu), PIC_VECTOR + SPURIOUS_IRQ);
    assert_int_equal(in_service(0xff), 0);
}

/* Then what waits in the local APIC is taken, and nothing is asked of the PIC. */
static void another_interrupt_takes_its_place(void **state)
{
    platform_set_irq(&vm.platform, KEYBOARD, true);
    lapic_post(&processor.lapic, 0x51, false);
    vm_collect(&processor.vcpu);
    port_write(PIC_DATA, 0xff);
    assert_int_equal(vm_interrupt_take(&processor.vcpu), 0x51);
    assert_int_equal(in_service(0x51), 1);
    assert_false(vm_interrupt_waits(&processor.vcpu));
}

static void init_forgets_a_message_of_the_pic(void **state)
{
    lapic_post_extint(&processor.lapic);
    vm_collect(&processor.vcpu);
    assert_true(vm_interrupt_waits(&processor.vcpu));
    lapic_post_init(&processor.lapic);
    vm_collect(&processor.vcpu);
    assert_int_equal(inits, 1);
    assert_false(vm_interrupt_waits(&processor.vcpu));
}

/* A level that nobody accepts comes as soon as there is somebody with its logical ID. */
static void a_new_logical_id_gets_what_waits(void **state)
{
    vm_device_write(&processor.vcpu, (gpa_t){ 0xfec00000 }, 4, 0x10 + 2 * 9 + 1);
    vm_device_write(&processor.vcpu, (gpa_t){ 0xfec00010 }, 4, 0x04000000);
    vm_device_write(&processor.vcpu, (gpa_t){ 0xfec00000 }, 4, 0x10 + 2 * 9);
    vm_device_write(&processor.vcpu, (gpa_t){ 0xfec00010 }, 4, 0x8861);
    platform_set_irq(&vm.platform, 9, true);
    vm_collect(&processor.vcpu);
    assert_false(vm_interrupt_waits(&processor.vcpu));
    vm_device_write(&processor.vcpu, (gpa_t){ 0xfee00000 + LAPIC_LDR }, 4, 0x04000000);
    vm_collect(&processor.vcpu);
    assert_true(vm_interrupt_waits(&processor.vcpu));
    assert_int_equal(vm_interrupt_take(&processor.vcpu), 0x61);
}

enum { TIMER_VECTOR = 0x41, DEADLINE_MODE = LAPIC_TSC_DEADLINE << LAPIC_TIMER_MODE_SHIFT };
#define FAR (1ull << 62)

static void write_register(u32 offset, u32 value)
{
    vm_device_write(&processor.vcpu, (gpa_t){ LAPIC_DEFAULT_BASE + offset }, 4, value);
}

/* Whether the vCPU has to look for interrupts before it goes on. */
static bool must_look(void)
{
    u32 requests = processor.vcpu.requests;

    processor.vcpu.requests = 0;
    assert_int_equal(requests & ~(u32)REQUEST_INTERRUPT, 0);
    return requests != 0;
}

static void arm(void)
{
    write_register(LAPIC_LVT_TIMER, DEADLINE_MODE | TIMER_VECTOR);
    (void)must_look();
    processor.vcpu.run_until = FAR;
}

/* What is armed comes later, and is waited for; what comes through, or might, is looked at. */
static void arming_a_timer_interrupts_nobody(void **state)
{
    struct vcpu *vcpu = &processor.vcpu;

    arm();
    assert_int_equal(vm_apic_msr_write(vcpu, MSR_TSC_DEADLINE, FAR / 2), 0);
    assert_false(must_look());
    assert_int_equal(vcpu->run_until, FAR / 2);
    write_register(LAPIC_LVT_TIMER, TIMER_VECTOR);
    write_register(LAPIC_TIMER_DIVIDE, 0xa);
    write_register(LAPIC_TIMER_INITIAL, UINT32_MAX);
    assert_false(must_look());
    assert_true(vcpu->run_until < FAR / 2);
    write_register(LAPIC_TIMER_INITIAL, 0);
    write_register(LAPIC_TPR, 0);
    assert_true(must_look());
    write_register(LAPIC_EOI, 0);
    assert_true(must_look());
    write_register(LAPIC_LVT_LINT0, APIC_EXTINT << LAPIC_LVT_MODE_SHIFT);
    assert_true(must_look());
    write_register(LAPIC_SVR, 0x1ff);
    assert_true(must_look());
}

static void what_is_posted_is_looked_at(void **state)
{
    struct vcpu *vcpu = &processor.vcpu;

    arm();
    write_register(LAPIC_ICR, 1 << 18 | 0x51); /* to itself */
    assert_true(must_look());
    vm_collect(vcpu);
    assert_int_equal(vm_interrupt_take(vcpu), 0x51);
    assert_int_equal(vm_apic_msr_write(vcpu, MSR_TSC_DEADLINE, 1), 0);
    assert_false(must_look()); /* it is due: the run ends */
    assert_true(vcpu->run_until < FAR);
    assert_int_equal(vm_apic_msr_write(vcpu, MSR_TSC_DEADLINE, FAR), 0);
    assert_true(must_look()); /* and was so before the next one was written */
    vm_collect(vcpu);
    assert_true(lapic_highest_irr(&processor.lapic) == TIMER_VECTOR);
}

/* Quickly, too, it is there at the end of the run; what has to end the run earlier takes the other way. */
static void a_quick_deadline_is_not_missed(void **state)
{
    struct vcpu *vcpu = &processor.vcpu;

    assert_false(vm_deadline_write_quickly(vcpu, FAR)); /* another mode */
    arm();
    assert_false(vm_deadline_write_quickly(vcpu, FAR - 1));
    assert_int_equal(lapic_timer_next(&processor.lapic), LAPIC_NEVER);
    vcpu->tsc_offset = FAR;
    vm_tsc_offset_changed(vcpu);
    (void)must_look();
    assert_false(vm_deadline_write_quickly(vcpu, 2 * FAR - 1));
    assert_true(vm_deadline_write_quickly(vcpu, 2 * FAR + 1));
    assert_int_equal(lapic_timer_next(&processor.lapic), FAR + 1);
    assert_true(vm_deadline_write_quickly(vcpu, 0));
    assert_int_equal(lapic_timer_next(&processor.lapic), LAPIC_NEVER);
    assert_int_equal(vcpu->run_until, FAR);
    assert_false(must_look());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_pic_is_answered, setup),
        cmocka_unit_test_setup(a_request_that_goes_away_is_spurious, setup),
        cmocka_unit_test_setup(another_interrupt_takes_its_place, setup),
        cmocka_unit_test_setup(init_forgets_a_message_of_the_pic, setup),
        cmocka_unit_test_setup(arming_a_timer_interrupts_nobody, setup),
        cmocka_unit_test_setup(what_is_posted_is_looked_at, setup),
        cmocka_unit_test_setup(a_quick_deadline_is_not_missed, setup),
        cmocka_unit_test_setup(a_new_logical_id_gets_what_waits, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

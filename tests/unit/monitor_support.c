/* SPDX-License-Identifier: BSD-2-Clause */
/* See monitor_support.h. */
#include "tests/unit/monitor_support.h"

#include <asm/prctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/x86/processor.h"
#include "hv/slat_version.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"
#include "hv/vm_snapshot.h"
#include "mm/page_set.h"

struct vm left, right;
static struct vm_processor left_processor, right_processor;
static struct processor host_processor;
u64 now_ns;
char said[1 << 16];
struct monitor_context context;
void (*on_task_yield)(void);
unsigned snapshots, resets, drops, arrivals;
bool (*context_cancelled)(void *argument);
void (*context_connect)(void *argument, struct vm *vm);

/* ---- what the monitor finds in the hypervisor */

u64 vm_now_ns(void)
{
    return now_ns += MS / 4;
}

void task_yield(void)
{
    void (*hook)(void) = on_task_yield;

    on_task_yield = NULL;
    if (hook)
        hook();
}

void task_sleep_until(u64 tsc)
{
    task_yield();
}

u64 vm_ns_to_ticks(u64 ns)
{
    return ns;
}

static struct vm_processor *leaving;

static void leave(void)
{
    leaving->is_out = 0;
    port_host.on_yield = NULL;
}

/* Who is held leaves its guest when the one that holds has waited once. */
void vm_processor_notify(struct vm_processor *processor, u32 request)
{
    if (request != REQUEST_LEAVE || processor->vcpu.vm->holds == 0 || !processor->is_out)
        return;
    leaving = processor;
    port_host.on_yield = leave;
}

u64 vm_exits(const struct vm *vm)
{
    return vcpu_exits(&vm->processors[0]->vcpu);
}

const char slat_version[] = "v1.2";

void vm_stop(struct vm *vm, const char *why)
{
    vm->runs = false;
    snprintf(vm->end_text, sizeof(vm->end_text), "%s", why);
}

void vm_input_arrived(struct vm *vm)
{
    arrivals++;
}

void vm_end_words(enum guest_end end, u32 status, char words[VM_END_WORDS])
{
    snprintf(words, VM_END_WORDS, end == GUEST_END_NONE ? "running" : "end %d", (int)end);
}

int vm_snapshot_take(struct vm *vm, const char *tag, struct vcpu *speaker)
{
    snapshots++;
    return strcmp(tag, "taken") == 0 ? -EEXIST : 0;
}

int vm_snapshot_reset(struct vm *vm, const char *tag, struct snapshot_result *result)
{
    resets++;
    *result = (struct snapshot_result){ 7, 3 };
    return strcmp(tag, "absent") == 0 ? -ENOENT : 0;
}

int vm_snapshot_drop(struct vm *vm, const char *tag)
{
    drops++;
    return strcmp(tag, "absent") == 0 ? -ENOENT : 0;
}

/* ---- for tests */

static void print(void *argument, const char *text)
{
    size_t length = strlen(said);

    if (strlen(text) >= MONITOR_TEXT_SIZE || argument != said)
        abort();
    snprintf(said + length, sizeof(said) - length, "%s\n", text);
}

/* In a hypercall the processor is the guest's. */
int execute_as(struct vm *self, const char *line)
{
    host_processor.running = self ? &self->processors[0]->vcpu : NULL;
    said[0] = '\0';
    context = (struct monitor_context){
        .print = print, .argument = said, .cancelled = context_cancelled, .connect = context_connect, .self = self
    };
    return monitor_execute(line, &context);
}

int execute(const char *line)
{
    return execute_as(NULL, line);
}

void touch(struct vm *vm, u64 first, u64 end, u32 access)
{
    for (u64 gfn = first; gfn < end; gfn++)
        (void)fault(vm->memory, gfn, access);
}

void end_command(void)
{
    left.is_commanded = 0;
}

void end_guests(void)
{
    left.runs = right.runs = false;
}

void print_and_end(void)
{
    console_lines_add(&left.lines, "the last line");
    end_guests();
}

/* The fuzzer has no cmocka. */
static void check(int error)
{
    if (error)
        abort();
}

static void start(struct vm *vm, struct vm_processor *processor, const char *name, u64 memory)
{
    struct backing *backing;
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(memory, slots);

    memset(vm, 0, sizeof(*vm));
    memset(processor, 0, sizeof(*processor));
    vm->processors[vm->processor_count++] = processor;
    processor->vcpu.vm = vm;
    snprintf(vm->conf.name, sizeof(vm->conf.name), "%s", name);
    vm->conf.memory = memory;
    check(vm_memory_create(&vm->memory));
    check(backing_create(memory >> PAGE_SHIFT, BACKING_ON_DEMAND, &backing));
    vm->runs = true;
    for (unsigned i = 0; i < count; i++) {
        check(vm_memory_add_slot(vm->memory, slots[i].id, slots[i].base, slots[i].npages, backing, slots[i].offset, 0,
                                 LEVEL_2M));
    }
    backing_put(backing);
    vcpu_memory_init(&processor->vcpu.mmu, vm->memory);
}

static void end(struct vm *vm)
{
    for (unsigned i = 0; i < VM_SLOTS; i++)
        page_set_destroy(vm->reported[i]);
    vcpu_memory_destroy(&vm->processors[0]->vcpu.mmu);
    vm_memory_destroy(vm->memory);
}

void start_guests(const struct mm_caps *caps)
{
    static bool listed;

    /* this_processor() reads GS, which nobody else uses here. */
    host_processor.self = &host_processor;
    check((int)syscall(SYS_arch_prctl, ARCH_SET_GS, &host_processor));
    port_host_start(SMALL_RAM);
    mm_init(caps);
    start(&left, &left_processor, "left", 8 << 20);
    start(&right, &right_processor, "right", 4ull << 30);
    if (!listed) {
        vm_list_add(&left);
        vm_list_add(&right);
        listed = true;
    }
    on_task_yield = NULL;
    snapshots = resets = drops = arrivals = 0;
    context_cancelled = NULL;
    context_connect = NULL;
}

void stop_guests(void)
{
    end(&left);
    end(&right);
    port_host_stop();
}

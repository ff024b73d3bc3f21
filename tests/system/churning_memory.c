/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat that changes the memory of its guests all the time, for churn.t: linked in with --wrap, so that the hypervisor's own
 * code knows nothing of it. A task of its own does one operation of the memory core after the other, each chosen at random,
 * until every kind was done as often as wanted; then it tells the guests to end, and goes on until they have. The guests
 * are remember.elf: nothing that is done here may change what they see.
 */
#include "arch/x86/vcpu.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "hv/vm_list.h"
#include "mm/audit.h"
#include "mm/invalidation.h"
#include "mm/port.h"
#include "mm/recover.h"
#include "mm/vm.h"
#include "tests/system/churning.h"

enum { AUDIT_EVERY = 20, KINDS = TABLE_KINDS + FRAME_KINDS + LOG_KINDS + SNAPSHOT_KINDS };

struct guest guests[GUEST_MAX];
unsigned guest_count;
static unsigned guests_left, turns, faults_in_flight, most_in_flight, faults_that_yielded, calls_in_flight, selections,
    wrong_vmcs;
static unsigned audits, audits_put_off, violations, failures;
static u64 reclaimed, retried, lockless;
static bool is_busy, is_bulk;

u32 random_below(u64 below)
{
    static u64 state = 0x9e3779b97f4a7c15;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (u32)(((state >> 32) * below) >> 32);
}

/* ---- what is wrapped */

void __real_task_run_all(void);
void __wrap_task_run_all(void);
void __real_vcpu_run(struct vcpu *vcpu, u64 deadline);
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline);
enum fault_result __real_vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access);
enum fault_result __wrap_vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access);
int __real_backing_resolve(struct backing *backing, u64 page, enum level largest, bool write,
                           struct backing_page *found);
int __wrap_backing_resolve(struct backing *backing, u64 page, enum level largest, bool write,
                           struct backing_page *found);
void __real_invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end);
void __wrap_invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end);
unsigned __real_vm_memory_audit(struct vm_memory *vm);
unsigned __wrap_vm_memory_audit(struct vm_memory *vm);
void __real_vm_memory_destroy(struct vm_memory *vm);
void __wrap_vm_memory_destroy(struct vm_memory *vm);
void __real_snapshot_drop_all(struct vm_memory *vm);
void __wrap_snapshot_drop_all(struct vm_memory *vm);
int __real_vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                             struct recover_result *result);
int __wrap_vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                             struct recover_result *result);
u64 __real_vm_memory_recover_executed(struct vm_memory *vm, u64 max);
u64 __wrap_vm_memory_recover_executed(struct vm_memory *vm, u64 max);

static struct guest *guest_of(const struct vm_memory *vm)
{
    for (unsigned i = 0; i < guest_count; i++) {
        if (guests[i].vm == vm)
            return &guests[i];
    }
    return NULL;
}

static struct guest *know(struct vcpu *vcpu)
{
    struct guest *guest = guest_of(vcpu->memory);

    if (guest == NULL) {
        assert(guest_count < GUEST_MAX);
        guest = &guests[guest_count++];
        guest->vm = vcpu->memory;
        guest->vcpu = vcpu;
        guests_left++;
    }
    return guest;
}

/* Only a vCPU's own task selects its view. */
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline)
{
    struct guest *guest = know(vcpu);
    u32 wanted = guest->wanted;

    turns++;
    if (wanted != guest->selected) {
        calls_in_flight++;
        if (vcpu_memory_select(&vcpu->mmu, wanted, mm_caps()->levels) == 0) {
            guest->selected = wanted;
            selections++;
        }
        calls_in_flight--;
    }
    __real_vcpu_run(vcpu, deadline);
}

/* A fault that yields comes back with its own VMCS, whoever else had a fault meanwhile. */
enum fault_result __wrap_vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access)
{
    unsigned before = turns;

    faults_in_flight++;
    if (faults_in_flight > most_in_flight)
        most_in_flight = faults_in_flight;
    enum fault_result result = __real_vm_memory_fault(vcpu, gpa, access);
    faults_in_flight--;
    faults_that_yielded += turns != before;
    wrong_vmcs +=
        !vcpu_is_current(container_of(vcpu, struct vcpu, mmu)) || vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS) != gpa.v;
    return result;
}

/* It may yield: what was found is often old before it is used. */
int __wrap_backing_resolve(struct backing *backing, u64 page, enum level largest, bool write,
                           struct backing_page *found)
{
    int error = __real_backing_resolve(backing, page, largest, write, found);

    for (u32 yields = !is_bulk && random_below(8) == 0 ? random_below(12) : 0; yields != 0; yields--)
        port_yield();
    return error;
}

/* Guests run while pages are being invalidated, as they do where there are other processors. */
void __wrap_invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end)
{
    __real_invalidation_begin(invalidation, backing, first, end);
    for (u32 yields = !is_bulk && random_below(4) == 0 ? random_below(4) : 0; yields != 0; yields--)
        port_yield();
}

/* Of a guest that ends: not while its memory is being changed. */
unsigned __wrap_vm_memory_audit(struct vm_memory *vm)
{
    while (is_busy)
        task_yield();
    return __real_vm_memory_audit(vm);
}

void __wrap_vm_memory_destroy(struct vm_memory *vm)
{
    struct guest *guest = guest_of(vm);

    if (guest != NULL) {
        struct vm_memory_stats stats = vm_memory_get_stats(vm);

        reclaimed += stats.reclaimed;
        retried += stats.faults_retried;
        lockless += stats.faults_lockless;
        guest->vm = NULL;
        guests_left--;
    }
    calls_in_flight++;
    if (guest != NULL)
        forget_guest(guest);
    __real_vm_memory_destroy(vm);
    calls_in_flight--;
}

void __wrap_snapshot_drop_all(struct vm_memory *vm)
{
    calls_in_flight++;
    __real_snapshot_drop_all(vm);
    calls_in_flight--;
}

/* hv/background.c does these, too: between two of their steps tables wait for a flush. */
int __wrap_vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                             struct recover_result *result)
{
    calls_in_flight++;
    int error = __real_vm_memory_recover(vm, first, npages, how, budget, result);
    calls_in_flight--;
    return error;
}

u64 __wrap_vm_memory_recover_executed(struct vm_memory *vm, u64 max)
{
    calls_in_flight++;
    u64 recovered = __real_vm_memory_recover_executed(vm, max);
    calls_in_flight--;
    return recovered;
}

/* ---- the task */

int read_pages(struct vm_memory *vm, u64 page, u64 count, void *to)
{
    is_bulk = true;
    int error = vm_memory_read(vm, page_gpa(page), to, count * PAGE_SIZE);
    is_bulk = false;
    return error;
}

int write_pages(struct vm_memory *vm, u64 page, u64 count, const void *from)
{
    is_bulk = true;
    int error = vm_memory_write(vm, page_gpa(page), from, count * PAGE_SIZE);
    is_bulk = false;
    return error;
}

/* With a use of its VM, which is given back by vm_put(); false: it ends. */
static bool hold(const struct guest *guest)
{
    for (struct vm_memory *vm = vm_next(NULL); vm != NULL; vm = vm_next(vm)) {
        if (vm == guest->vm)
            return true;
    }
    return false;
}

bool use_guest(const struct guest *guest)
{
    return vm_use(guest->vcpu->vm);
}

void unuse_guest(const struct guest *guest)
{
    vm_unuse(guest->vcpu->vm);
}

bool hold_guest(const struct guest *guest)
{
    if (!use_guest(guest))
        return false;
    vm_hold(guest->vcpu->vm);
    return true;
}

void release_guest(const struct guest *guest)
{
    vm_release(guest->vcpu->vm);
    unuse_guest(guest);
}

static struct kind *kind_at(unsigned i)
{
    if (i < TABLE_KINDS)
        return &table_kinds[i];
    i -= TABLE_KINDS;
    if (i < FRAME_KINDS)
        return &frame_kinds[i];
    i -= FRAME_KINDS;
    return i < LOG_KINDS ? &log_kinds[i] : &snapshot_kinds[i - LOG_KINDS];
}

/* How often it is still to be done. */
static unsigned left_to_do(const struct kind *kind)
{
    return kind->done < kind->wanted ? kind->wanted - kind->done : 0;
}

static bool is_satisfied(void)
{
    for (unsigned i = 0; i < KINDS; i++) {
        if (left_to_do(kind_at(i)) != 0)
            return false;
    }
    return true;
}

/* Most often what is still to be done most, but hardly anything never: some kinds need others. */
static struct kind *choose(void)
{
    enum { LEAST = 4 };
    unsigned parts[KINDS], all = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *kind = kind_at(i);

        parts[i] = (kind->is_dear && left_to_do(kind) == 0 ? 0 : LEAST) + left_to_do(kind);
        all += parts[i];
    }
    unsigned at = random_below(all), i = 0;
    for (; at >= parts[i]; i++)
        at -= parts[i];
    return kind_at(i);
}

static void operate(struct kind *kind, struct guest *guest, struct vm_memory *vm)
{
    int result = kind->operate(guest, vm);

    kind->done += result == 0;
    kind->declined += result == DECLINED;
    if (result < 0) {
        failures++;
        log_line("churn: %s failed: error %d", kind->name, -result);
    }
}

static void tell(struct guest *guest, struct vm_memory *vm)
{
    u32 word = 0;

    if (!guest->is_ready) {
        if (vm_memory_read(vm, (gpa_t){ MAIL_READY }, &word, sizeof(word)) == 0)
            guest->is_ready = word == REMEMBER_IS_READY;
    } else if (!guest->is_stopped && is_satisfied()) {
        word = 1;
        guest->is_stopped = vm_memory_write(vm, (gpa_t){ MAIL_STOP }, &word, sizeof(word)) == 0;
    }
}

/* All trees, and who has each frame: only while no task is in the middle of something. */
static void audit(void)
{
    if (faults_in_flight != 0 || calls_in_flight != 0) {
        audits_put_off++;
        return;
    }
    violations += mm_audit();
    audits++;
}

static void turn(void)
{
    static unsigned since_audit;
    struct guest *guest = &guests[random_below(guest_count)];
    struct vm_memory *vm = guest->vm;

    if (vm == NULL || !hold(guest))
        return;
    tell(guest, vm);
    /* While the guest fills its memory it is left more time. */
    if (guest->is_ready || random_below(8) == 0)
        operate(choose(), guest, vm);
    vm_put(vm);
    if (guest->is_ready && ++since_audit >= AUDIT_EVERY) {
        unsigned before = audits;

        audit();
        since_audit = audits != before ? 0 : since_audit;
    }
}

static void report(void)
{
    unsigned operations = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *kind = kind_at(i);

        operations += kind->done;
        log_line("churn: %s: %u done, %u declined", kind->name, kind->done, kind->declined);
    }
    log_line("churn: %u views selected, %llu tables reclaimed", selections, (unsigned long long)reclaimed);
    log_line("churn: %llu faults retried, %llu resolved without a lock", (unsigned long long)retried,
             (unsigned long long)lockless);
    log_line("churn: %u faults yielded, up to %u at once, %u came back to another VMCS", faults_that_yielded,
             most_in_flight, wrong_vmcs);
    log_line("churn: %u operations, %u failures; audit %u times (put off %u times), %u violations", operations,
             failures, audits, audits_put_off, violations);
}

static void churn(void *argument)
{
    while (guests_left != 0) {
        turns++;
        is_busy = true;
        turn();
        is_busy = false;
        task_yield();
    }
    drop_clones();
    drop_copies();
    report();
}

void __wrap_task_run_all(void)
{
    if (task_create("churn", churn, NULL) != 0)
        failures++;
    __real_task_run_all();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmm.h: the vCPU, its start in 32-bit mode, its thread, and the two devices that the guest has. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tests/bench/vmm/vmm.h"

enum { COM1 = 0x3f8, COM1_STATUS = COM1 + 5, COM1_END = COM1 + 8, STATUS_EMPTY = 0x60, DEBUG_EXIT = 0xf4 };
enum { MULTIBOOT_MAGIC = 0x2badb002, CR0_PE = 1, RFLAGS_FIXED = 2, CPUID_MAX = 256 };
enum { LEAF1_ECX_TSC_DEADLINE = 1 << 24 };

int vcpu_fd;
static struct kvm_run *run;
static pthread_t thread;
static bool ended;

/* What vcpu_do() wants; run->immediate_exit says that there is something. */
static struct {
    void (*work)(void *argument);
    void *argument;
    sem_t done;
} request;

/* All that KVM offers, and TSC deadlines, which it leaves to the monitor since they need its local APIC. */
static void set_cpuid(int kvm)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));

    expect(cpuid, "memory");
    cpuid->nent = CPUID_MAX;
    expect(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0, "get CPUID");
    for (u32 i = 0; i < cpuid->nent; i++) {
        if (cpuid->entries[i].function == 1)
            cpuid->entries[i].ecx |= LEAF1_ECX_TSC_DEADLINE;
    }
    expect(ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid) == 0, "set CPUID");
    free(cpuid);
}

/* Multiboot's machine state: flat 32-bit segments, no paging, interrupts off. */
static void set_registers(u32 entry, u32 multiboot)
{
    struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 8, .type = 0xb, .present = 1, .db = 1, .s = 1, .g = 1
    };
    struct kvm_segment data = code;
    struct kvm_sregs special;
    struct kvm_regs registers = { .rax = MULTIBOOT_MAGIC, .rbx = multiboot, .rip = entry, .rflags = RFLAGS_FIXED };

    data.selector = 16;
    data.type = 3;
    expect(ioctl(vcpu_fd, KVM_GET_SREGS, &special) == 0, "get special registers");
    special.cs = code;
    special.ds = special.es = special.fs = special.gs = special.ss = data;
    special.cr0 |= CR0_PE;
    expect(ioctl(vcpu_fd, KVM_SET_SREGS, &special) == 0, "set special registers");
    expect(ioctl(vcpu_fd, KVM_SET_REGS, &registers) == 0, "set registers");
}

void vcpu_create(int kvm, u32 entry, u32 multiboot)
{
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

    vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
    expect(vcpu_fd >= 0 && size > 0, "create a vCPU");
    run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
    expect(run != MAP_FAILED, "map the vCPU's page");
    set_cpuid(kvm);
    set_registers(entry, multiboot);
}

static void port(void)
{
    u8 *data = (u8 *)run + run->io.data_offset;

    if (run->io.direction == KVM_EXIT_IO_IN) {
        *data = run->io.port == COM1_STATUS ? STATUS_EMPTY : 0;
    } else if (run->io.port == COM1) {
        putchar(*data);
    } else if (run->io.port == DEBUG_EXIT) {
        expect(*(u32 *)data == 0, "the guest ends well");
        ended = true;
    } else {
        expect(run->io.port < COM1_END && run->io.port > COM1, "a port of a device");
    }
}

static void answer_request(void)
{
    run->immediate_exit = 0;
    if (!request.work)
        return;
    request.work(request.argument);
    request.work = NULL;
    sem_post(&request.done);
}

static void *run_guest(void *argument)
{
    while (!ended) {
        int result = ioctl(vcpu_fd, KVM_RUN, 0);
        if (result == 0 && run->exit_reason == KVM_EXIT_IO) {
            port();
        } else if (result < 0 && errno == EINTR) {
            answer_request();
        } else {
            printf("bench: exit %u, result %d, error %d\n", run->exit_reason, result, errno);
            expect_failed("an exit that the guest has a reason for");
        }
    }
    return argument;
}

static void wake(int signal)
{
    (void)signal;
}

void vcpu_start(void)
{
    struct sigaction action = { .sa_handler = wake };

    expect(sem_init(&request.done, 0, 0) == 0 && sigaction(SIGUSR1, &action, NULL) == 0, "prepare requests");
    pthread_attr_t attributes;
    struct sched_param ordinary = { 0 };
    expect(pthread_attr_init(&attributes) == 0 &&
               pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED) == 0 &&
               pthread_attr_setschedpolicy(&attributes, SCHED_OTHER) == 0 &&
               pthread_attr_setschedparam(&attributes, &ordinary) == 0 &&
               pthread_create(&thread, &attributes, run_guest, NULL) == 0,
           "start the vCPU's thread");
}

void vcpu_wait_end(void)
{
    expect(pthread_join(thread, NULL) == 0, "the vCPU's thread ends");
}

void vcpu_do(void (*work)(void *argument), void *argument)
{
    request.argument = argument;
    request.work = work;
    run->immediate_exit = 1; /* else the signal may come before KVM_RUN does, and be lost */
    pthread_kill(thread, SIGUSR1);
    sem_wait(&request.done);
}

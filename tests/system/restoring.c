/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat that saves the state of each vCPU before every slice, gives it the one that it was created with, and then its own
 * again, for state.t: what is not saved and restored is lost. Linked in with --wrap.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/vcpu.h"
#include "arch/x86/vcpu_state.h"
#include "hv/lib/log.h"

enum { VCPU_MAX = 16 };

static struct {
    const struct vcpu *vcpu;
    struct vcpu_state *before, *now;
} known[VCPU_MAX];
static unsigned count, restored, failures;

int __real_vcpu_create(struct vcpu *vcpu, const struct vcpu_config *config);
int __wrap_vcpu_create(struct vcpu *vcpu, const struct vcpu_config *config);
void __real_vcpu_run(struct vcpu *vcpu, u64 deadline);
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline);
void __real_task_run_all(void);
void __wrap_task_run_all(void);

int __wrap_vcpu_create(struct vcpu *vcpu, const struct vcpu_config *config)
{
    int error = __real_vcpu_create(vcpu, config);

    if (error == 0 && count < VCPU_MAX) {
        failures += vcpu_state_create(&known[count].before) != 0 || vcpu_state_create(&known[count].now) != 0;
        known[count].vcpu = vcpu;
        vcpu_save(vcpu, known[count++].before);
    }
    return error;
}

void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline)
{
    u64 start = rdtsc();

    for (unsigned i = 0; i < count; i++) {
        if (known[i].vcpu == vcpu) {
            vcpu_save(vcpu, known[i].now);
            vcpu_restore(vcpu, known[i].before);
            vcpu_restore(vcpu, known[i].now);
            restored++;
        }
    }
    /* The slice is shorter than this took. */
    __real_vcpu_run(vcpu, deadline + (rdtsc() - start));
}

void __wrap_task_run_all(void)
{
    __real_task_run_all();
    for (unsigned i = 0; i < count; i++) {
        vcpu_state_destroy(known[i].before);
        vcpu_state_destroy(known[i].now);
    }
    log_line("state: %u times restored, %u failures", restored, failures);
}

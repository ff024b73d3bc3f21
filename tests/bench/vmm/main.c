/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See vmm.h. The first program of Linux: loads KVM's modules, runs what `runs=exits,memory,pml` and the like on the kernel's
 * command line names (it becomes the environment), and switches off.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/bench/vmm/vmm.h"

const char *bench_run;

/* The machine, with a verdict for tools/machine. */
static _Noreturn void end(bool right)
{
    printf("slat: result: %s\n", right ? "pass" : "fail");
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

_Noreturn void expect_failed(const char *what)
{
    printf("bench: FAILED: %s: %m\n", what);
    if (getpid() == 1)
        end(false);
    fflush(stdout);
    _exit(1);
}

static void load(const char *module)
{
    int file = open(module, O_RDONLY | O_CLOEXEC);

    expect(file >= 0 && syscall(SYS_finit_module, file, "", 0) == 0, module);
    close(file);
}

static bool run(const char *name, void (*part)(void))
{
    struct sched_param first = { .sched_priority = 1 };
    int status;
    pid_t child = fork();

    if (child == 0) {
        expect(sched_setscheduler(0, SCHED_FIFO, &first) == 0, "real-time priority");
        bench_run = name;
        part();
        fflush(stdout);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool run_all(char *runs)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } known[] = { { "exits", bench_exits }, { "memory", bench_memory }, { "ranged", bench_memory },
                  { "pml", bench_dirty },   { "manual", bench_dirty },  { "protect", bench_dirty } };
    bool right = true;

    for (char *part = strtok(runs, ","); part; part = strtok(NULL, ",")) {
        for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (strcmp(known[i].name, part) == 0)
                right &= run(part, known[i].run);
        }
    }
    return right;
}

int main(void)
{
    struct utsname system;
    static char none[] = "";
    char *runs = getenv("runs");

    expect(uname(&system) == 0, "uname");
    printf("bench: kernel %s %s\n", system.release, system.version);
    expect(mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) == 0, "mount /dev");
    load("/irqbypass.ko");
    load("/kvm.ko");
    load("/kvm-intel.ko");
    bool right = run_all(runs ? runs : none);
    printf("bench: done\n");
    end(right);
}

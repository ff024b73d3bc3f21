/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor's commands share: their arguments, their answers, and the list of them. For hv/monitor*.c alone. */
#ifndef HV_MONITOR_CALL_H
#define HV_MONITOR_CALL_H

#include "hv/monitor.h"
#include "mm/recover.h"

enum { MONITOR_MOST_WORDS = 12 };

struct monitor_call {
    struct monitor_context *context;
    const struct monitor_command *command;
    struct vm *vm; /* of commands with COMMAND_GUEST: it is used (hv/vm_list.h) where COMMAND_USES is set, too */
    unsigned count;
    const char *arguments[MONITOR_MOST_WORDS]; /* behind the command and the guest's name */
};

enum {
    COMMAND_GUEST = 1u << 0,    /* the first argument is a guest's name */
    COMMAND_USES = 1u << 1,     /* it works on what a running guest has */
    COMMAND_OPERATOR = 1u << 2, /* not for a guest itself */
};

/* `help` shows commands by groups. */
enum monitor_group {
    GROUP_GUESTS,
    GROUP_CONSOLES,
    GROUP_MEMORY,
    GROUP_DIRTY,
    GROUP_SNAPSHOTS,
    GROUP_MONITOR,
    MONITOR_GROUPS
};
extern const char *const monitor_group_names[MONITOR_GROUPS];

struct monitor_command {
    enum monitor_group group;
    const char *name; /* one word or two; those with the same first word are neighbours */
    u32 flags;
    unsigned least, most;  /* arguments, without the name */
    const char *arguments; /* in words, without the name */
    const char *what;
    const char *more; /* a sentence or two; empty: there is no more to say */
    int (*run)(struct monitor_call *call);
};

enum { MONITOR_MOST_COMMANDS = 48 };
extern const struct monitor_command monitor_commands[];
extern const unsigned monitor_command_count;

/* A line of the answer. */
__attribute__((format(printf, 2, 3))) void monitor_say(struct monitor_call *call, const char *format, ...);

/* Says why the command failed, behind the command's and the guest's name; returns `error`. */
__attribute__((format(printf, 3, 4))) int monitor_fail(struct monitor_call *call, int error, const char *format, ...);

/* The same for an error of the memory core, in words; 0: does nothing. */
int monitor_finish(struct monitor_call *call, int error);

/* That there is no command with these words, of which the second may be NULL; and which one may be meant. */
int monitor_fail_unknown(struct monitor_call *call, const char *first, const char *second);

/* "dirty start NAME [lazy] [all] [manual]" */
void monitor_usage(const struct monitor_command *command, const struct monitor_context *context, char *text,
                   size_t size);

/* Whether somebody wants the command to end. */
bool monitor_is_cancelled(const struct monitor_call *call);

/*
 * For a command that waits for something: lets a moment pass, `ns` at most. 0; -EINTR, which is said: the command shall
 * end.
 */
int monitor_wait_step(struct monitor_call *call, u64 ns);

/*
 * Arguments. 0, or -EINVAL and the reason is said. Numbers are decimal or begin with 0x; sizes may have K, M, G; times
 * have us, ms, s or min.
 */
int monitor_number(struct monitor_call *call, unsigned argument, u64 *number);
int monitor_size(struct monitor_call *call, unsigned argument, u64 *bytes);
int monitor_time(struct monitor_call *call, unsigned argument, u64 *ns);

/* Which of the words, up to a NULL, the argument is. */
int monitor_word(struct monitor_call *call, unsigned argument, const char *const *words, unsigned *index);

/* FIRST and COUNT: pages of the guest, at least one, that some slot of it can show. */
int monitor_pages(struct monitor_call *call, unsigned argument, gfn_t *first, u64 *count);

/* "in-place" …: index enum recover_how; up to a NULL. */
extern const char *const monitor_recover_words[];

/* Brings large pages back in the guest's whole memory, and says how far. */
int monitor_recover(struct monitor_call *call, enum recover_how how);

#define MONITOR_COMMAND(name) int monitor_##name(struct monitor_call *call)
MONITOR_COMMAND(help);
MONITOR_COMMAND(vms);
MONITOR_COMMAND(stats);
MONITOR_COMMAND(vcpus);
MONITOR_COMMAND(slots);
MONITOR_COMMAND(pause);
MONITOR_COMMAND(resume);
MONITOR_COMMAND(stop);
MONITOR_COMMAND(quit);
MONITOR_COMMAND(version);
MONITOR_COMMAND(console);
MONITOR_COMMAND(type);
MONITOR_COMMAND(wait);
MONITOR_COMMAND(expect);
MONITOR_COMMAND(ept);
MONITOR_COMMAND(map);
MONITOR_COMMAND(balloon);
MONITOR_COMMAND(zap);
MONITOR_COMMAND(split);
MONITOR_COMMAND(collapse);
MONITOR_COMMAND(dirty_start);
MONITOR_COMMAND(dirty_harvest);
MONITOR_COMMAND(dirty_rearm);
MONITOR_COMMAND(dirty_stop);
MONITOR_COMMAND(dirty_ring);
MONITOR_COMMAND(dirty_reap);
MONITOR_COMMAND(dirty_rate);
MONITOR_COMMAND(dirty_forecast);
MONITOR_COMMAND(snapshot);
MONITOR_COMMAND(reset);
MONITOR_COMMAND(drop);

#endif

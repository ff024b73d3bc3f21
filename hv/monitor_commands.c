/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of the monitor's commands, in the order and in the words in which `help` shows them. */
#include "hv/monitor_call.h"

#define GUEST    COMMAND_GUEST
#define OPERATOR COMMAND_OPERATOR
#define USES     (COMMAND_GUEST | COMMAND_USES)

const char *const monitor_group_names[MONITOR_GROUPS] = {
    [GROUP_GUESTS] = "guests",       [GROUP_CONSOLES] = "their serial ports",
    [GROUP_MEMORY] = "their memory", [GROUP_DIRTY] = "which pages they write",
    [GROUP_SNAPSHOTS] = "snapshots", [GROUP_MONITOR] = "the monitor",
};

const struct monitor_command monitor_commands[] = {
    { GROUP_GUESTS, "vms", OPERATOR, 0, 0, "", "all guests, and how they are", "", monitor_vms },
    { GROUP_GUESTS, "stats", USES, 0, 0, "", "faults, pages by size, splits, collapses, dirty pages",
      "The counts go from the guest's start on.", monitor_stats },
    { GROUP_GUESTS, "vcpus", USES, 0, 0, "", "its processors: where they run, and what they do",
      "RIP is that of the last exit that slat handled; they go on meanwhile.", monitor_vcpus },
    { GROUP_GUESTS, "pause", USES | OPERATOR, 0, 0, "", "stops its processors", "Its time and its timeout go on.",
      monitor_pause },
    { GROUP_GUESTS, "resume", USES | OPERATOR, 0, 0, "", "lets them run again", "", monitor_resume },
    { GROUP_GUESTS, "stop", GUEST | OPERATOR, 0, 0, "", "ends it", "Also where it is paused. Nothing brings it back.",
      monitor_stop },
    { GROUP_CONSOLES, "console", GUEST | OPERATOR, 0, 0, "", "connects this terminal with it, until Ctrl-]",
      "Its bytes are shown as they are: it may do to the terminal what it likes. Other output comes between.",
      monitor_console },
    { GROUP_CONSOLES, "type", GUEST | OPERATOR, 1, 1, "TEXT", "sends it the text",
      "In the text \\r is Enter; there are \\n \\t \\e \\\\ \\\" and \\xNN, too. It waits until the guest has room for "
      "all of it.",
      monitor_type },
    { GROUP_CONSOLES, "expect", GUEST | OPERATOR, 1, 2, "PATTERN [TIMEOUT]", "waits for a line of its console",
      "In the pattern * is any text and ? any character. Each line is looked at once.", monitor_expect },
    { GROUP_MEMORY, "slots", USES, 0, 0, "", "where its memory is", "", monitor_slots },
    { GROUP_MEMORY, "ept", USES, 0, 0, "", "its tables and their entries by level", "", monitor_ept },
    { GROUP_MEMORY, "map", USES, 0, 0, "", "its memory as a picture", "", monitor_map },
    { GROUP_MEMORY, "balloon", USES, 2, 2, "FIRST COUNT", "takes pages away, until it touches them",
      "A page is 4K; where the guest touches it again, it is zero.", monitor_balloon },
    { GROUP_MEMORY, "zap", USES, 2, 2, "FIRST COUNT", "unmaps pages",
      "The next access maps them again, with their content.", monitor_zap },
    { GROUP_MEMORY, "split", USES, 2, 2, "FIRST COUNT", "splits large pages to 4K", "", monitor_split },
    { GROUP_MEMORY, "collapse", USES, 0, 1, "[in-place|compact|lazily]", "makes small pages large again",
      "in-place: where the frames are one piece. compact copies those that are scattered. lazily: by the next access.",
      monitor_collapse },
    { GROUP_DIRTY, "dirty start", USES, 0, 3, "[lazy] [all] [manual]", "logs what it writes",
      "lazy: the first write to a large page splits it. all: every page counts as written. manual: see dirty rearm.",
      monitor_dirty_start },
    { GROUP_DIRTY, "dirty harvest", USES, 0, 1, "[pages]", "how many pages were written since, and which", "",
      monitor_dirty_harvest },
    { GROUP_DIRTY, "dirty rearm", USES, 0, 0, "", "with manual: takes the pages of the last harvest out of the log", "",
      monitor_dirty_rearm },
    { GROUP_DIRTY, "dirty stop", USES, 0, 1, "[in-place|compact|lazily|keep]",
      "ends the log; how large pages come back", "keep: they do not. The other words are those of collapse.",
      monitor_dirty_stop },
    { GROUP_DIRTY, "dirty ring", USES, 1, 1, "ENTRIES", "a ring of what its processors write; 0: none",
      "A power of 2 from 1024 to 262144. While it is full the processor stands still.", monitor_dirty_ring },
    { GROUP_DIRTY, "dirty reap", USES, 1, 1, "MAX", "takes so many entries out of the ring at most", "",
      monitor_dirty_reap },
    { GROUP_DIRTY, "dirty rate", USES | OPERATOR, 1, 3, "PERIOD [d-bits|log] [4K]", "how much it writes in this time",
      "By the D bits of entries or by a log; 4K splits large pages first, which otherwise count as a whole.",
      monitor_dirty_rate },
    { GROUP_DIRTY, "dirty forecast", USES | OPERATOR, 3, 3, "PERIOD BANDWIDTH DOWNTIME",
      "whether a migration would end",
      "BANDWIDTH is in bytes a second, as 100M; DOWNTIME is how long the guest may stand still.",
      monitor_dirty_forecast },
    { GROUP_SNAPSHOTS, "snapshot", USES, 1, 1, "TAG", "remembers it as it is, under a name",
      "Memory, processors and devices; up to 16 of them.", monitor_snapshot },
    { GROUP_SNAPSHOTS, "reset", USES, 1, 1, "TAG", "makes it what it was then",
      "Its time goes on, and what it has printed stays printed.", monitor_reset },
    { GROUP_SNAPSHOTS, "drop", USES, 1, 1, "TAG", "forgets a snapshot", "", monitor_drop },
    { GROUP_MONITOR, "help", 0, 0, 2, "[COMMAND]", "this list, or how a command is used", "", monitor_help },
    { GROUP_MONITOR, "version", OPERATOR, 0, 0, "", "which slat this is", "", monitor_version },
    { GROUP_MONITOR, "wait", OPERATOR, 1, 1, "TIME", "does nothing for so long",
      "A time has us, ms, s or min. Ctrl-C ends the wait, as it ends every command that takes long.", monitor_wait },
    { GROUP_MONITOR, "quit", OPERATOR, 0, 0, "", "ends all guests, and so the run", "", monitor_quit },
};
const unsigned monitor_command_count = sizeof(monitor_commands) / sizeof(monitor_commands[0]);

static_assert(sizeof(monitor_commands) / sizeof(monitor_commands[0]) <= MONITOR_MOST_COMMANDS,
              "their names fit an array");

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What slat.conf says, in the form in which the boot application hands it to the hypervisor and in which the host tools
 * use it. Plain data without pointers: it is copied across the handoff. The parser is boot/conf.c; docs/slat.conf.md
 * describes the text. Every value here has been checked by the parser; the hypervisor checks only what depends on the
 * machine (is there as much memory, does the image load, can the processor start it).
 */
#ifndef BOOT_GUEST_CONF_H
#define BOOT_GUEST_CONF_H

#include <stdint.h>

enum {
    CONF_MAX_GUESTS = 32,
    CONF_MAX_PROCESSORS = 32, /* of a guest */
    CONF_MAX_MODULES = 8,
    CONF_MAX_VMCS = 8,
    CONF_NAME_SIZE = 24, /* all sizes include the terminating NUL */
    CONF_PATH_SIZE = 128,
    CONF_CMDLINE_SIZE = 1024,
    CONF_MODULE_SIZE = 256,
    CONF_PATTERN_SIZE = 128,
    CONF_MAX_COMMANDS = 64,
    CONF_COMMAND_SIZE = 120,
    CONF_MOST_PROCESSORS = 64, /* of the machine */
};

/* How a guest can end. expect-end names the same set: hv/vm.c and conf_guest.c share guest_end_names[]. */
enum guest_end {
    GUEST_END_NONE,        /* it runs */
    GUEST_END_EXIT,        /* it wrote its status to the debug-exit port */
    GUEST_END_EXPECT_SEEN, /* the text that "expect" names came on its console */
    GUEST_END_POWER_OFF,   /* it switched its machine off */
    GUEST_END_RESET,       /* it asked for a reset of its machine */
    GUEST_END_STOPPED,     /* the monitor stopped it */
    GUEST_END_HALT,        /* it halted and nothing can wake it */
    GUEST_END_TRIPLE_FAULT,
    GUEST_END_OUTSIDE_MEMORY, /* it touched or executed an address where it has no memory */
    GUEST_END_UNSUPPORTED,    /* it did what slat does not emulate */
    GUEST_END_ENTRY_FAILURE,  /* VM entry failed */
    GUEST_END_TIMEOUT,        /* it ran longer than "timeout" */
    GUEST_END_BAD_IMAGE,      /* its image or a module is missing or cannot be loaded */
    GUEST_END_NO_MEMORY,      /* the machine has not as much memory as it asks for */
    GUEST_END_CANNOT_START,   /* the processor lacks what this guest's start needs */
    GUEST_END_COUNT,
};

enum image_format { IMAGE_AUTO, IMAGE_FLAT, IMAGE_MULTIBOOT, IMAGE_LINUX, IMAGE_PVH };
enum flat_start { FLAT_REAL, FLAT_32, FLAT_64, FLAT_RESET };
enum conf_page_size { CONF_PAGE_4K = 1, CONF_PAGE_2M = 2, CONF_PAGE_1G = 3 };
enum conf_at_end { AT_END_POWEROFF, AT_END_REBOOT, AT_END_HALT };
enum conf_choice { CHOICE_AUTO, CHOICE_YES, CHOICE_NO }; /* auto: what the processor needs */

struct guest_module {
    char path[CONF_PATH_SIZE];   /* absolute on the boot volume, with '\\' */
    char text[CONF_MODULE_SIZE]; /* what a Multiboot kernel finds as the module's string: the name and its arguments */
};

/* A field of the VMCS guest-state area that gets this value before the first VM entry. */
struct guest_vmcs_field {
    uint64_t value;
    uint32_t field; /* SDM vol. 3, appendix B; only those that conf_guest.c allows */
    uint32_t reserved;
};

struct guest_conf {
    char name[CONF_NAME_SIZE];
    char image[CONF_PATH_SIZE]; /* absolute on the boot volume, with '\\' */
    char cmdline[CONF_CMDLINE_SIZE];
    char expect[CONF_PATTERN_SIZE]; /* empty: none. A pattern for one console line, see docs/slat.conf.md */
    struct guest_module modules[CONF_MAX_MODULES];
    struct guest_vmcs_field vmcs[CONF_MAX_VMCS];
    uint32_t module_count;
    uint32_t vmcs_count;
    uint32_t format;        /* enum image_format */
    uint64_t memory;        /* bytes, a multiple of 4 KiB */
    uint32_t processors;    /* 1 to CONF_MAX_PROCESSORS */
    uint32_t start;         /* enum flat_start; flat images only */
    uint64_t load;          /* flat images only: guest-physical address of the first byte; FLAT_RESET: 0 */
    uint64_t entry;         /* flat images only: guest-physical address; FLAT_RESET: 0 */
    uint32_t largest_page;  /* enum conf_page_size: limit for the EPT */
    uint32_t on_demand;     /* 1: frames are given when first touched; 0: all at creation */
    uint32_t hypercalls;    /* 1: the guest may give the monitor commands about itself */
    uint32_t expect_end;    /* enum guest_end; GUEST_END_NONE is not allowed */
    uint32_t expect_status; /* for GUEST_END_EXIT: the 32-bit value written to the debug-exit port */
    uint64_t timeout_ms;    /* from the guest's first instruction on; 0: none */
    uint64_t output_limit;  /* bytes of console output that are shown; the rest is counted */
};

struct slat_conf {
    uint32_t at_end; /* enum conf_at_end */
    uint32_t guest_count;
    uint32_t slice_us;       /* how long a guest runs before the next one's turn, in microseconds */
    uint32_t audit;          /* 1: whenever a guest ends, the invariants of the memory core are checked everywhere */
    uint32_t console;        /* enum conf_choice: whether the monitor's commands can be typed at the serial port */
    uint32_t nx_large_pages; /* enum conf_choice: guests cannot execute from large pages; executing splits them */
    uint32_t apic_virtualization; /* enum conf_choice: what the processor has of it is used */
    uint32_t processors;          /* of the machine, that slat uses at most */
    char gdb[CONF_NAME_SIZE];     /* the guest that a gdb debugs; empty: none */
    uint32_t command_count;
    char commands[CONF_MAX_COMMANDS][CONF_COMMAND_SIZE]; /* for the monitor, in order */
    struct guest_conf guests[CONF_MAX_GUESTS];
};

/* "exit", "triple-fault" …: the words of expect-end and of the summary; index enum guest_end. Defined in conf_names.c. */
extern const char *const guest_end_names[GUEST_END_COUNT];

#endif

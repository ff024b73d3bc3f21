/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first program of a Linux guest: init.c says what it does. Here is what its checks share. Each check is a function that
 * calls ok() once or more.
 */
#ifndef TESTS_GUESTS_LINUX_INIT_H
#define TESTS_GUESTS_LINUX_INIT_H

#include "tests/guests/linux/system.h"

#include <stdarg.h>

enum { PROCESSORS_MAX = 32 };

/* ---- print.c: TAP on the console. %d %u (both 64 bits wide) %x %s %% ---- */
void print(const char *format, ...);
bool ok(bool right, const char *format, ...);
extern unsigned tests_run, tests_failed;

/* ---- files.c ---- */
/* Reads at most size - 1 bytes and ends them with a zero; how many, or -E…. */
long file_read(const char *path, char *text, size_t size);
long file_write(const char *path, const char *text);
bool file_exists(const char *path);
/* A word `key=value` of the kernel's command line: the value, up to the next blank, or `absent`. */
const char *option(const char *key, const char *absent);
u64 option_number(const char *key, u64 absent);
bool text_is(const char *a, const char *b);
const char *text_find(const char *text, const char *part); /* the part in it, or NULL */
/* Adds what the row of /proc/interrupts that has `name` (as its first word or in its description) counts, to
   counts[PROCESSORS_MAX]; false if there is no such row. The columns are the processors that are online. */
bool interrupts_count(const char *name, u64 *counts);

/* ---- processes.c ---- */
unsigned processors(void); /* online, which are 0 … n-1 */
void run_on(unsigned processor);
/* Memory that children share. */
void *shared_memory(size_t size);
/* Children that call function(), `each` (1 or 2) on each processor, all at once. How many did not exit with 0. */
unsigned on_each_processor(int (*function)(unsigned processor), unsigned each);
/* As fork() and waitpid(): the number of the signal that ended the child, or 0. */
int child_signal(void (*function)(void));

/* ---- the checks ---- */
void check_machine(void);
void check_clocks(void);
void check_timers(void);
void check_interprocessor(void);
void check_memory(void);
void check_vectors(void);
void check_exceptions(void);
void check_hotplug(void);

#endif

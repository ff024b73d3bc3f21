/* SPDX-License-Identifier: BSD-2-Clause */
/* What faulty_cpuid.c and faulty_processors.c share. */
#ifndef TESTS_SYSTEM_FAULTY_H
#define TESTS_SYSTEM_FAULTY_H

enum processor_fault { FAULT_NONE, FAULT_OTHER, FAULT_TOGETHER };

/* Lets processor 1 panic, or all of them. */
void faulty_processors_break(enum processor_fault how);

#endif

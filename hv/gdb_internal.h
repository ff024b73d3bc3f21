/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the gdb server share: gdb_server.c (who comes and goes, and which packet is what), gdb_commands.c,
 * gdb_query.c, gdb_resume.c.
 */
#ifndef HV_GDB_INTERNAL_H
#define HV_GDB_INTERNAL_H

#include "hv/gdb_server.h"
#include "hv/gdb_text.h"

/* The whole answer: a text, "OK", nothing (what was asked for is not known), an error (-E…), OK or the error. */
void gdb_answer(struct gdb_server *server, const char *text);
void gdb_answer_error(struct gdb_server *server, int error);
void gdb_answer_result(struct gdb_server *server, int error);

/* A thread's number, to its vCPU; -1 is "all", 0 is "any": -1 both. False: there is no such thread, or it is no number. */
bool gdb_take_thread(struct gdb_server *server, struct gdb_text *text, int *vcpu);

/* A line for the person, while no answer is due but the one to come. */
void gdb_print(void *server, const char *text);

/* The packet without its first character, or without its name. */
void gdb_read_registers(struct gdb_server *server);
void gdb_write_registers(struct gdb_server *server, struct gdb_text text);
void gdb_read_register(struct gdb_server *server, struct gdb_text text);
void gdb_write_register(struct gdb_server *server, struct gdb_text text);
void gdb_read_memory(struct gdb_server *server, struct gdb_text text);
void gdb_write_memory(struct gdb_server *server, struct gdb_text text, bool binary);
void gdb_insert_or_remove(struct gdb_server *server, struct gdb_text text, bool insert);
void gdb_query(struct gdb_server *server, struct gdb_text text);
void gdb_resume(struct gdb_server *server, struct gdb_text text, char command);
void gdb_vcont(struct gdb_server *server, struct gdb_text text);

/* The answer to `?`, or to what has let the machine run. */
void gdb_answer_stop(struct gdb_server *server);

/* As if no gdb had been there: breakpoints are gone. */
void gdb_forget_breakpoints(struct gdb_server *server);
void gdb_begin_session(struct gdb_server *server);

#endif

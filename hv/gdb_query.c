/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets that begin with q: what the server can do, threads, the description, and the monitor. */
#include "hv/gdb_internal.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

enum { TEXT_SIZE = 160, LINE_SIZE = 128 };

static void supported(struct gdb_server *server, struct gdb_text text)
{
    char answer[TEXT_SIZE];

    gdb_begin_session(server);
    while (gdb_text_left(&text) > 0) { /* ":feature;feature…" */
        if (gdb_text_take(&text, "swbreak+"))
            server->knows_swbreak = true;
        else if (gdb_text_take(&text, "hwbreak+"))
            server->knows_hwbreak = true;
        else
            text.at++;
    }
    format_text(answer, sizeof(answer),
                "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+",
                GDB_PACKET_SIZE);
    gdb_answer(server, answer);
}

/* qXfer:features:read:target.xml:offset,length */
static void description(struct gdb_server *server, struct gdb_text text)
{
    char piece[GDB_PACKET_SIZE / 4];
    u64 offset, length;

    if (!gdb_text_take(&text, "target.xml:") || !gdb_text_take_number(&text, &offset) || !gdb_text_take(&text, ",") ||
        !gdb_text_take_number(&text, &length) || gdb_text_left(&text) > 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    length = u64_min(length, sizeof(piece));
    size_t done = gdb_description_read(server->layout, offset, piece, (size_t)length);
    gdb_link_begin(&server->link);
    gdb_link_put(&server->link, done < length ? "l" : "m"); /* the last of it, or more */
    gdb_link_put_binary(&server->link, piece, done);
    gdb_link_end(&server->link);
}

static void threads(struct gdb_server *server)
{
    gdb_link_begin(&server->link);
    for (unsigned i = 0; i < server->vcpus; i++) {
        gdb_link_put(&server->link, i == 0 ? "m" : ",");
        gdb_link_put_number(&server->link, i + 1);
    }
    gdb_link_end(&server->link);
}

static void thread_text(struct gdb_server *server, struct gdb_text text)
{
    char what[TEXT_SIZE / 2] = "", answer[TEXT_SIZE];
    int vcpu;

    if (!gdb_take_thread(server, &text, &vcpu) || vcpu < 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    if (server->state == GDB_STOPPED)
        server->ops->describe(server->target, (unsigned)vcpu, what, sizeof(what));
    format_text(answer, sizeof(answer), "vCPU %d%s%s", vcpu, what[0] != '\0' ? ", " : "", what);
    gdb_link_begin(&server->link);
    gdb_link_put_hex(&server->link, answer, strlen(answer));
    gdb_link_end(&server->link);
}

static void set_width(struct gdb_server *server, const char *word)
{
    if (strcmp(word, "auto") == 0) {
        server->width = GDB_WIDTH_AUTO;
    } else if (strcmp(word, "32") == 0) {
        server->width = GDB_WIDTH_32;
    } else if (strcmp(word, "64") == 0) {
        server->width = GDB_WIDTH_64;
    } else {
        gdb_print(server, "usage: registers 32|64|auto");
        return;
    }
    gdb_print(server, "to take effect, disconnect and connect again");
}

/* qRcmd,LINE in hexadecimal: what a person types behind "monitor". One command is the server's own. */
static void command(struct gdb_server *server, struct gdb_text text)
{
    static const char own[] = "registers ";
    char line[LINE_SIZE];
    size_t length = gdb_text_left(&text) / 2;

    if (length >= sizeof(line) || !gdb_text_take_bytes(&text, line, length) || gdb_text_left(&text) > 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    line[length] = '\0';
    if (strncmp(line, own, sizeof(own) - 1) == 0)
        set_width(server, line + sizeof(own) - 1);
    else
        server->ops->monitor(server->target, line, gdb_print, server);
    gdb_answer(server, "OK");
}

void gdb_query(struct gdb_server *server, struct gdb_text text)
{
    if (gdb_text_take(&text, "Supported"))
        supported(server, text);
    else if (gdb_text_take(&text, "Xfer:features:read:"))
        description(server, text);
    else if (gdb_text_take(&text, "fThreadInfo"))
        threads(server);
    else if (gdb_text_take(&text, "sThreadInfo"))
        gdb_answer(server, "l");
    else if (gdb_text_take(&text, "ThreadExtraInfo,"))
        thread_text(server, text);
    else if (gdb_text_take(&text, "Rcmd,"))
        command(server, text);
    else if (gdb_text_take(&text, "Attached"))
        gdb_answer(server, "1"); /* a gdb that quits leaves the machine as it is */
    else if (gdb_text_left(&text) == 1 && gdb_text_take(&text, "C")) {
        gdb_link_begin(&server->link);
        gdb_link_put(&server->link, "QC");
        gdb_link_put_number(&server->link, server->vcpu + 1);
        gdb_link_end(&server->link);
    } else
        gdb_answer(server, "");
}

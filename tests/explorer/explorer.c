/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/explorer.h. All of the explorer's own state lies on the heap, because executions begin with the statics. */
#include "tests/explorer/explorer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/explorer/machine.h"
#include "tests/explorer/run.h"
#include "tests/explorer/trace.h"
#include "tests/explorer/wait.h"
#include "tests/unit/port_host.h"

enum { STACK_SIZE = 64 << 10, NOBODY = -1, GUESSES = 200, FRAMES = 128 };

enum reason { POINT, YIELD, RELAX, END };

struct actor {
    ucontext_t context;
    void *stack;
    struct wait wait;
    /* What it looked at last, and as that was right before. */
    const volatile u64 *word;
    u64 value;
};

/* A decision with more than one answer. */
struct decision {
    u8 count, chosen;
};

static struct explorer {
    const struct scenario *scenario;
    struct exploration result;
    struct actor actors[EXPLORER_ACTORS];
    int actor_count;
    ucontext_t main;
    sigjmp_buf failed;
    /* this execution: */
    int running; /* NOBODY: setup or check */
    int preemptions, bound;
    u64 steps, progress; /* progress: without the rounds of those who loop */
    unsigned guesses;    /* that often in a row only actors that wait could go on */
    unsigned depth;      /* in decisions */
    unsigned runs;
    struct run run[EXPLORER_STEP_LIMIT + 2];
    /* all executions: */
    bool *changes;       /* words of RAM that an operation has changed */
    bool knows_too_late; /* one more, after its points were left out */
    unsigned decisions;
    struct decision decision[EXPLORER_STEP_LIMIT + 2];
    /* of a given schedule: */
    bool replays, traces;
    unsigned given_runs;
    struct run given[EXPLORER_STEP_LIMIT + 2];
} * explorer;

void explorer_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(explorer->result.message, sizeof(explorer->result.message), format, arguments);
    va_end(arguments);
    siglongjmp(explorer->failed, 1);
}

static void on_signal(int number)
{
    snprintf(explorer->result.message, sizeof(explorer->result.message), "%s: %s", strsignal(number),
             port_host.logs > 0 ? port_host.last_log : "see stderr");
    siglongjmp(explorer->failed, 1);
}

/* ---- which words change */

/* The word of 64 bits that it lies in. All actors are one thread, so the explorer itself may look at it in any way. */
static const volatile u64 *aligned(const void *word)
{
    return (const volatile u64 *)((uintptr_t)word & ~7ull);
}

static bool is_constant(const volatile void *word)
{
    u64 index = word == NULL ? MACHINE_NO_WORD : machine_word((const void *)word);

    return index != MACHINE_NO_WORD && !explorer->changes[index];
}

/* The actor goes on after a point, and looks at `word`; NULL: at nothing. */
static void look(struct actor *actor, const void *word)
{
    actor->word = word == NULL ? NULL : aligned(word);
    actor->value = word == NULL ? 0 : *actor->word;
}

/* The operation on the word that the actor looked at last is over. */
static void learn(struct actor *actor)
{
    if (actor->word == NULL || *actor->word == actor->value || !is_constant(actor->word))
        return;
    explorer->changes[machine_word((const void *)actor->word)] = true;
    explorer->knows_too_late = true;
}

/* ---- who can go on */

/* The actors that may go on now, the running one first. */
static int list_choices(enum reason reason, int *choices)
{
    int running = explorer->running, count = 0;

    if (running != NOBODY && wait_is_over(&explorer->actors[running].wait, explorer->progress))
        choices[count++] = running;
    bool preempts = count > 0;
    if (preempts && explorer->preemptions == explorer->bound)
        return count;
    for (int i = 0; i < explorer->actor_count; i++) {
        if (i != running && wait_is_over(&explorer->actors[i].wait, explorer->progress))
            choices[count++] = i;
    }
    if (reason != POINT && count > 0)
        explorer->guesses = 0;
    if (count > 0)
        return count;
    /* In turn, and that is no decision: there are as many ways to wait in vain as one likes. */
    for (int i = 1; i <= explorer->actor_count && count == 0; i++) {
        int next = (running + i) % explorer->actor_count;

        if (wait_is_guess(&explorer->actors[next].wait))
            choices[count++] = next;
    }
    if (++explorer->guesses > GUESSES)
        explorer_fail("livelock: actors wait for each other, and nothing changes");
    return count;
}

/* ---- decisions */

static int decide(const int *choices, int count)
{
    struct decision *decision = &explorer->decision[explorer->depth];

    if (count == 1)
        return choices[0];
    if (explorer->depth == explorer->decisions) {
        *decision = (struct decision){ .count = (u8)count };
        explorer->decisions++;
    }
    if (decision->count != count)
        explorer_fail("not deterministic: decision %u had %d answers and has %d", explorer->depth, decision->count,
                      count);
    explorer->depth++;
    return choices[decision->chosen];
}

/* Who is next in the given schedule; NOBODY: it says no more. */
static int given_next(void)
{
    unsigned now = explorer->runs - 1;

    if (explorer->runs == 0)
        return explorer->given[0].actor;
    if (now >= explorer->given_runs || explorer->given[now].points == 0)
        return NOBODY;
    if (explorer->run[now].points < explorer->given[now].points)
        return explorer->given[now].actor;
    return now + 1 < explorer->given_runs ? explorer->given[now + 1].actor : NOBODY;
}

static void switch_to(int next)
{
    int from = explorer->running;

    if (next == from)
        return;
    explorer->run[explorer->runs++] = (struct run){ .actor = next };
    explorer->running = next;
    port_host_processor = (unsigned)next;
    swapcontext(from == NOBODY ? &explorer->main : &explorer->actors[from].context, &explorer->actors[next].context);
}

static int choose(enum reason reason)
{
    struct explorer *e = explorer;
    int given = e->replays ? given_next() : NOBODY;
    int choices[EXPLORER_ACTORS];

    if (given != NOBODY) {
        if (given >= e->actor_count || e->actors[given].wait.state == WAIT_ENDED)
            explorer_fail("the schedule does not fit: actor %d cannot go on in run %u", given, e->runs);
        return given;
    }
    int count = list_choices(reason, choices);
    if (count == 0)
        return NOBODY;
    int next = e->replays ? choices[0] : decide(choices, count);
    if (choices[0] == e->running && next != e->running)
        e->preemptions++;
    return next;
}

static void count_point(struct actor *actor)
{
    explorer->run[explorer->runs - 1].points++;
    if (++explorer->steps > EXPLORER_STEP_LIMIT)
        explorer_fail("livelock: more than %d points", EXPLORER_STEP_LIMIT);
    learn(actor);
}

/* No actor can go on: all have ended, and this does not return, or it is a deadlock. */
static void end_execution(void)
{
    for (int i = 0; i < explorer->actor_count; i++) {
        if (explorer->actors[i].wait.state != WAIT_ENDED)
            explorer_fail("deadlock: actor %d waits, and nobody can go on", i);
    }
    setcontext(&explorer->main);
}

/* The running actor is at a point. Comes back when it goes on. */
static void schedule(enum reason reason)
{
    static const enum wait_state states[] = { [YIELD] = WAIT_YIELD, [RELAX] = WAIT_RELAX, [END] = WAIT_ENDED };
    struct actor *actor = &explorer->actors[explorer->running];

    count_point(actor);
    if (wait_is_progress(&actor->wait) || reason == END)
        explorer->progress++;
    if (reason != POINT)
        wait_begin(&actor->wait, states[reason], explorer->progress);

    int next = choose(reason);
    if (next == NOBODY)
        end_execution();
    switch_to(next);
    if (reason != POINT)
        wait_end(&actor->wait);
}

/* ---- the scheduling points */

/* For the list of points: from a hook, who called the function of port_host.c that called it, and who called that one. */
#pragma GCC diagnostic ignored "-Wframe-address"
#define CALLERS(level) __builtin_return_address(level), __builtin_return_address((level) + 1)

static void point(const char *what, const void *word, enum reason reason, const void *code, const void *caller)
{
    if (explorer->running == NOBODY) {
        if (reason == RELAX)
            explorer_fail("setup or check waits for somebody");
        return;
    }

    struct actor *actor = &explorer->actors[explorer->running];
    bool is_left_out = !explorer->replays && is_constant(word);
    if (explorer->traces)
        trace_add(explorer->running, what, word, code, caller);
    if (is_left_out)
        count_point(actor);
    else
        schedule(reason);
    look(actor, word);
    if (word != NULL && !is_left_out)
        wait_look(&actor->wait, actor->word);
}

static void on_point(const void *word)
{
    point("atomic", word, POINT, CALLERS(1));
}

static void on_kick(struct vm_memory *vm)
{
    (void)vm;
    point("kick", NULL, POINT, CALLERS(1));
}

static void on_yield(void)
{
    point("yield", NULL, YIELD, CALLERS(1));
}

static void on_relax(void)
{
    point("relax", NULL, RELAX, CALLERS(1));
}

void explorer_point(const char *what)
{
    point(what, NULL, POINT, CALLERS(0));
}

static void actor_main(int index)
{
    explorer->scenario->actor[index]();
    if (explorer->traces)
        trace_add(index, "end", NULL, NULL, NULL);
    schedule(END);
}

/* ---- executions */

static void execute(void)
{
    struct explorer *e = explorer;

    machine_restore();
    e->running = NOBODY;
    e->preemptions = 0;
    e->steps = e->progress = 0;
    e->guesses = e->depth = e->runs = 0;
    for (int i = 0; i < e->actor_count; i++) {
        struct actor *actor = &e->actors[i];

        actor->wait = (struct wait){ .state = WAIT_NOT };
        actor->word = NULL;
        actor->context.uc_stack.ss_sp = actor->stack;
        actor->context.uc_stack.ss_size = STACK_SIZE;
        actor->context.uc_link = NULL;
        makecontext(&actor->context, (void (*)(void))actor_main, 1, i);
    }
    switch_to(choose(END));
    e->running = NOBODY;
    port_host.on_point = NULL;
    if (e->scenario->check != NULL)
        e->scenario->check();
    machine_check_free();
    e->result.interleavings++;
}

/* To the next combination of decisions. False: that was the last. */
static bool advance(void)
{
    struct explorer *e = explorer;

    while (e->decisions > 0) {
        struct decision *last = &e->decision[e->decisions - 1];

        if (++last->chosen < last->count)
            return true;
        e->decisions--;
    }
    return false;
}

static void begin(const struct scenario *scenario)
{
    explorer = calloc(1, sizeof(*explorer));
    if (explorer == NULL)
        abort();
    explorer->scenario = scenario;
    explorer->running = NOBODY;
    while (explorer->actor_count < EXPLORER_ACTORS && scenario->actor[explorer->actor_count] != NULL) {
        struct actor *actor = &explorer->actors[explorer->actor_count++];

        getcontext(&actor->context);
        actor->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (actor->stack == MAP_FAILED)
            abort();
    }
    for (const int *number = (const int[]){ SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0 }; *number != 0; number++)
        signal(*number, on_signal);
    machine_start(scenario->frames != 0 ? scenario->frames : FRAMES);
    port_host.on_point = on_point;
    port_host.on_kick = on_kick;
    port_host.on_yield = on_yield;
    port_host.on_relax = on_relax;
}

static void prepare(void)
{
    if (explorer->scenario->setup != NULL)
        explorer->scenario->setup();
    machine_save();
    explorer->changes = calloc(machine_words(), sizeof(bool));
    if (explorer->changes == NULL)
        abort();
}

static struct exploration finish(void)
{
    struct explorer *finished = explorer;
    struct exploration result = finished->result;

    machine_stop();
    for (int i = 0; i < finished->actor_count; i++)
        munmap(finished->actors[i].stack, STACK_SIZE);
    free(finished->changes);
    free(finished);
    return result;
}

static void note_failure(void)
{
    explorer->running = NOBODY;
    explorer->result.failed = true;
    explorer->result.bound = explorer->preemptions;
    run_print(explorer->run, explorer->runs, explorer->result.schedule, sizeof(explorer->result.schedule));
}

struct exploration explore(const struct scenario *scenario, int bound)
{
    begin(scenario);
    if (sigsetjmp(explorer->failed, 1) != 0) {
        note_failure();
        return finish();
    }
    prepare();
    while (explorer->bound <= bound) {
        explorer->result.bound = explorer->bound;
        explorer->result.interleavings = 0;
        explorer->decisions = 0;
        explorer->knows_too_late = false;
        do {
            execute();
        } while (!explorer->knows_too_late && advance());
        if (!explorer->knows_too_late)
            explorer->bound++;
    }
    return finish();
}

struct exploration explore_schedule(const struct scenario *scenario, const char *schedule_text, bool trace)
{
    begin(scenario);
    explorer->replays = true;
    explorer->traces = trace;
    explorer->bound = EXPLORER_STEP_LIMIT;
    explorer->given_runs = run_parse(schedule_text, explorer->given, EXPLORER_STEP_LIMIT);
    if (sigsetjmp(explorer->failed, 1) == 0) {
        prepare();
        execute();
    } else {
        note_failure();
    }
    if (trace)
        trace_print();
    return finish();
}

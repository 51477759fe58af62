/* A thread of a worker's for what computes for long, as signatures do: tasks go there one after the
 * other while the loop goes on. Those that have gathered go as a group, so that loop and thread
 * wake each other seldom under load. */
#pragma once

#include "base/list.h"
#include "net/loop.h"

/* Storage is the caller's, who sets run, done and context. */
struct line_task {
    struct list link;
    job_run *run;   /* on the line's thread, never while another of its tasks runs */
    job_done *done; /* back on the loop; the task is the caller's again */
    void *context;
    enum { TASK_RESTS, TASK_WAITS, TASK_RUNS } state;
};

struct line;
struct line *line_new(struct loop *loop);
/* Nothing may be under way. NULL is fine. */
void line_free(struct line *line);

void line_task_init(struct line_task *task, job_run *run, job_done *done, void *context);
/* A task that rests; done is called once, never before this returns. */
void line_add(struct line *line, struct line_task *task);
/* To be called each turn, before the loop sleeps: what was added goes to the thread. */
void line_turn(struct line *line);
/* Takes out a task: it will not run, and done is not called. False: it is running just now, its
 * storage is needed, and done will be called. One that rests is fine. */
bool line_remove(struct line_task *task);
/* Nothing waits or runs. */
bool line_is_idle(const struct line *line);

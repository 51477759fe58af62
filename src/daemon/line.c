#include "daemon/line.h"

#include <stdlib.h>

#include "base/memory.h"

/* Tasks that go at a time: enough that waking costs little, few enough that the first does not wait
 * long for the last. */
enum { GROUP_MOST = 16 };

struct line {
    struct loop *loop;
    struct hand *hand; /* NULL: there was no task yet */
    struct list waiting;
    struct line_task *group[GROUP_MOST]; /* run by the thread */
    size_t count;                        /* 0: it has nothing to do */
};

struct line *line_new(struct loop *loop)
{
    struct line *line = NEW(struct line);
    line->loop = loop;
    list_init(&line->waiting);
    return line;
}

void line_free(struct line *line)
{
    if (!line)
        return;
    ASSERT(line_is_idle(line));
    hand_free(line->hand);
    free(line);
}

void line_task_init(struct line_task *task, job_run *run, job_done *done, void *context)
{
    *task = (struct line_task){.run = run, .done = done, .context = context};
    list_init(&task->link);
}

static void run_group(void *context)
{
    struct line *line = context;
    for (size_t i = 0; i < line->count; i++)
        line->group[i]->run(line->group[i]->context);
}

static void begin_group(struct line *line);

static void group_done(void *context)
{
    struct line *line = context;
    struct line_task *group[GROUP_MOST];
    size_t count = line->count;
    for (size_t i = 0; i < count; i++)
        group[i] = line->group[i];
    line->count = 0;
    /* The thread goes on while the loop takes up what is done. */
    begin_group(line);
    for (size_t i = 0; i < count; i++) {
        group[i]->state = TASK_RESTS;
        group[i]->done(group[i]->context);
    }
}

static void begin_group(struct line *line)
{
    while (line->count < GROUP_MOST && !list_is_empty(&line->waiting)) {
        struct line_task *task = LIST_FIRST(&line->waiting, struct line_task, link);
        list_remove(&task->link);
        task->state = TASK_RUNS;
        line->group[line->count++] = task;
    }
    if (line->count == 0)
        return;
    if (!line->hand)
        line->hand = hand_new(line->loop);
    hand_job(line->hand, run_group, group_done, line);
}

void line_add(struct line *line, struct line_task *task)
{
    ASSERT(task->state == TASK_RESTS);
    task->state = TASK_WAITS;
    list_append(&line->waiting, &task->link);
}

void line_turn(struct line *line)
{
    if (line->count == 0)
        begin_group(line);
}

bool line_remove(struct line_task *task)
{
    if (task->state == TASK_RUNS)
        return false;
    list_remove(&task->link);
    task->state = TASK_RESTS;
    return true;
}

bool line_is_idle(const struct line *line)
{
    return line->count == 0 && list_is_empty(&line->waiting);
}

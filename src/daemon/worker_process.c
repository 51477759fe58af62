/* The worker as a process: what the supervisor hands over and says, the control process's requests,
 * the real disk. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/child.h"
#include "daemon/counter.h"
#include "daemon/directory_map.h"
#include "daemon/inbound.h"
#include "daemon/orders.h"
#include "disk/disk_real.h"

struct process {
    struct child *child;
    struct loop *loop;
    struct disk *disk;
    struct token *token;
    struct worker worker;
    struct orders *orders;   /* from the supervisor */
    struct counter *counter; /* to the control process; NULL: none at the moment */
    struct keeper_client *keeper;
    struct directory_map directory;
    bool has_announced; /* to the supervisor that it serves */
};

static void on_turn(void *context)
{
    struct process *process = context;
    worker_turn(&process->worker);
    journal_flush(process->child->journal);
    log_flush();
    if (worker_is_done(&process->worker))
        loop_stop(process->loop);
}

static void on_stop(void *context)
{
    struct process *process = context;
    worker_stop(&process->worker);
}

static void on_gone(void *context)
{
    struct process *process = context;
    worker_stop(&process->worker);
    worker_kill(&process->worker);
}

static void on_reload(void *context, struct config *config_owned)
{
    struct process *process = context;
    process->child->config = config_owned;
    worker_reload(&process->worker, config_owned);
}

static void on_peer(void *context, int fd_owned)
{
    struct process *process = context;
    struct error err;
    counter_close(process->counter);
    process->counter = counter_open(&process->worker, fd_owned, &err);
    if (!process->counter)
        log_error("ipc-error", LOG_TEXT("reason", err.text));
}

/* A worker that does not know yet who has a mailbox can only put senders off. */
static bool announce(struct process *process, struct error *err)
{
    const struct recipients *recipients = process->child->config->recipients;
    if (process->has_announced ||
        (recipients_need_directory(recipients) && !process->directory.directory.is_known))
        return true;
    process->has_announced = true;
    return child_ready(process->child, err);
}

static void on_directory(void *context, int fd_owned)
{
    struct process *process = context;
    struct error err;
    if (!directory_map_take(&process->directory, fd_owned, &err) || !announce(process, &err))
        log_error("ipc-error", LOG_TEXT("reason", err.text));
}

static void on_keeper(void *context, int fd_owned)
{
    struct process *process = context;
    struct error err;
    if (!keeper_client_join(process->keeper, fd_owned, &err))
        log_error("ipc-error", LOG_TEXT("reason", err.text));
}

static const struct orders_events order_events = {
    .reload = on_reload, .peer = on_peer, .keeper = on_keeper, .stop = on_stop, .gone = on_gone};

static bool process_open(struct process *process, struct error *err)
{
    struct child *child = process->child;
    if (!(process->loop = loop_new(err)))
        return false;
    if (child->token_fd >= 0 && !(process->token = token_map(child->token_fd, err)))
        return false;
    process->disk = disk_real_new();
    process->keeper = keeper_client_new(process->loop);
    keeper_client_listen(process->keeper, on_directory, process);
    struct worker_ground ground = {.config = child->config,
                                   .loop = process->loop,
                                   .disk = process->disk,
                                   .token = process->token,
                                   .keeper = process->keeper,
                                   .directory = &process->directory.directory,
                                   .shard = child->index};
    if (!worker_open(&process->worker, &ground, err))
        return false;
    for (size_t i = 0; i < child->listener_count; i++)
        if (!gate_open(&process->worker, child->listeners[i], i, err))
            return false;
    if (child->control_fd >= 0)
        on_peer(process, child->control_fd);
    if (child->keeper_fd >= 0)
        on_keeper(process, child->keeper_fd);
    process->orders = orders_open(process->loop, child, &order_events, process, err);
    if (!process->orders)
        return false;
    loop_on_turn(process->loop, on_turn, process);
    return true;
}

static void process_close(struct process *process)
{
    orders_close(process->orders);
    counter_close(process->counter);
    worker_close(&process->worker);
    keeper_client_free(process->keeper);
    directory_map_done(&process->directory);
    disk_free(process->disk);
    token_unmap(process->token);
    loop_on_turn(process->loop, NULL, NULL);
    loop_free(process->loop);
}

int worker_main(struct child *child)
{
    struct process process = {.child = child};
    struct error err;
    if (!process_open(&process, &err) || !announce(&process, &err)) {
        log_error("worker-failed", LOG_TEXT("reason", err.text));
        /* Half opened, nothing accepted: there is nothing to put in order. */
        _exit(EXIT_FAILURE);
    }
    log_set_buffered(true);
    loop_run(process.loop);
    log_set_buffered(false);
    process_close(&process);
    return EXIT_SUCCESS;
}

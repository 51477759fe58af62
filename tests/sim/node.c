#include "node.h"

#include <stdlib.h>

#include "base/memory.h"
#include "daemon/inbound.h"
#include "spool/core.h"

/* A worker that is to end while its disk is gone must come to an end. */
enum { PROBLEMS_LIMIT = 4096, ROUND_LIMIT = 10000 };

static bool is_clean(const struct worker *worker)
{
    return commit_is_idle(worker->commit) && list_is_empty(&worker->spool->smalls) &&
           list_is_empty(&worker->spool->appends);
}

static void on_turn(void *context)
{
    struct node *node = context;
    worker_turn(&node->worker);
    if (is_clean(&node->worker))
        node->clean_step = world_steps(node->world);
    node->is_done = worker_is_done(&node->worker);
}

static struct config *read_config(const struct node *node, struct error *err)
{
    struct buf problems;
    buf_init(&problems, PROBLEMS_LIMIT);
    struct config *config = config_parse(bytes_of(node->config), "node.yaml", "/sim", &problems);
    if (!config)
        error_set(err, 0, "%.*s", BYTES_ARGS(bytes_sub(buf_view(&problems), 0, 200)));
    buf_done(&problems);
    if (!config)
        return NULL;
    config->queue.seed = node->seed;
    config->spool.segment_bytes = node->segment_bytes;
    return config;
}

bool node_start(struct node *node, struct error *err)
{
    static const char *const places[] = {NODE_MX, NODE_SUBMISSION};
    struct config *config = read_config(node, err);
    if (!config)
        return false;
    node->loop = world_loop(node->world);
    node->is_done = false;
    struct worker_ground ground = {.config = config, .loop = node->loop, .disk = node->disk};
    bool is_open = worker_open(&node->worker, &ground, err);
    for (size_t i = 0; is_open && i < COUNT(places); i++)
        is_open = gate_open(&node->worker, world_socket(node->world, places[i]), i, err);
    if (!is_open) {
        loop_free(node->loop);
        node->loop = NULL;
        return false;
    }
    loop_on_turn(node->loop, on_turn, node);
    node->found = spool_stats(node->worker.spool).messages;
    log_info("sim-started", LOG_INT("messages", node->found));
    return true;
}

void node_end(struct node *node)
{
    worker_close(&node->worker);
    loop_free(node->loop);
    node->loop = NULL;
}

void node_crash(struct node *node, enum disk_sim_crash how)
{
    log_info("sim-crash", LOG_TEXT("how", how == DISK_SIM_POWER ? "power" : "kill"));
    ledger_crashed(node->ledger, node->clean_step, node->worker.report_count > 0);
    node->is_dying = true;
    disk_sim_crash(node->disk);
    world_cut(node->loop, how == DISK_SIM_POWER);
    /* Nothing that it still does reaches anybody: this only puts its memory in order. */
    loop_on_turn(node->loop, NULL, NULL);
    worker_stop(&node->worker);
    worker_kill(&node->worker);
    int rounds = 0;
    do {
        ASSERT(rounds++ < ROUND_LIMIT);
        worker_turn(&node->worker);
    } while (world_end_jobs(node->loop) || !worker_is_done(&node->worker));
    node_end(node);
    node->is_dying = false;
    disk_sim_restart(node->disk, how);
}

void node_stop(struct node *node)
{
    worker_stop(&node->worker);
    loop_on_turn(node->loop, on_turn, node);
}

bool node_is_empty(const struct node *node)
{
    struct queue_stats stats = queue_stats(node->worker.queue);
    return stats.messages + stats.recipients_waiting + stats.deliveries_ready +
                   stats.deliveries_waiting + stats.deliveries_active + stats.held ==
               0 &&
           spool_stats(node->worker.spool).messages == 0;
}

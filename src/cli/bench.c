/* postrider bench send | sink | relay: the processes and loops around sender and sink. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "cli/bench_report.h"
#include "cli/bench_sender.h"
#include "cli/bench_sink.h"
#include "cli/command.h"
#include "cli/verify_file.h"

enum {
    TICK_MS = 1000,
    PARENT_TICK_US = 100 * 1000,
    LETTER_LIMIT = 64 << 20, /* bytes of a message that is given */
};

/* What one process does; figures in memory that all share. */
struct figures {
    struct bench_tally tally;
    struct bench_sink_tally sink;
};

struct bench {
    const struct bench_plan *plan;
    struct bytes letter; /* to send, with CRLF; empty: made up */
    struct figures *figures;
    uint64_t share, run;
    bool is_quiet; /* a parent shows the progress */
    struct loop *loop;
    struct watch *signals;
    struct timer tick, end; /* end: of a sink's duration, or of waiting for arrivals */
    struct bench_sender *sender;
    struct bench_sink *sink;
    struct bench_ids ids;
    bool has_sent, is_over;
    uint64_t last_count;
};

static struct bench_report report_of(const struct bench *bench)
{
    return (struct bench_report){
        .plan = bench->plan,
        .tally = bench->plan->mode == BENCH_SINK ? NULL : &bench->figures->tally,
        .sink = bench->plan->mode == BENCH_SEND ? NULL : &bench->figures->sink,
        .ids = bench->plan->mode == BENCH_RELAY ? &bench->ids : NULL,
    };
}

static void on_tick(void *context)
{
    struct bench *bench = context;
    struct bench_report report = report_of(bench);
    bench_report_progress(&report, &bench->last_count);
    timer_set(&bench->tick, loop_now_ms(bench->loop) + TICK_MS);
}

static void stop(struct bench *bench)
{
    bench->is_over = true;
    loop_stop(bench->loop);
}

static void on_end(void *context)
{
    stop(context);
}

/* In relay: has all that was accepted arrived? */
static void check_arrivals(struct bench *bench)
{
    if (bench->has_sent && bench->ids.missing == 0)
        stop(bench);
}

static void on_sent(void *context)
{
    struct bench *bench = context;
    bench->has_sent = true;
    if (bench->plan->mode == BENCH_SEND)
        stop(bench);
    else
        timer_set(&bench->end, loop_now_ms(bench->loop) + bench->plan->wait_ms);
}

static void on_arrived(void *context)
{
    struct bench *bench = context;
    const struct bench_plan *plan = bench->plan;
    uint64_t share = plan->count / plan->processes + (bench->share < plan->count % plan->processes);
    if (plan->mode == BENCH_SINK && bench->figures->sink.messages >= share)
        stop(bench);
    /* As long as messages arrive, more of them may. */
    if (bench->has_sent)
        timer_set(&bench->end, loop_now_ms(bench->loop) + plan->wait_ms);
}

static void on_turn(void *context)
{
    struct bench *bench = context;
    if (bench->plan->mode == BENCH_RELAY)
        check_arrivals(bench);
}

/* The first SIGINT or SIGTERM lets what is under way come to its end. */
static void on_signal(void *context, unsigned events)
{
    struct bench *bench = context;
    struct signalfd_siginfo info;
    if (read(watch_fd(bench->signals), &info, sizeof info) != sizeof info)
        return;
    if (!bench->sender || bench->has_sent)
        stop(bench);
    else
        bench_sender_end(bench->sender);
}

/* Signals that end the run are waited for from now on. */
static bool block_signals(sigset_t *signals, struct error *err)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    return sigprocmask(SIG_BLOCK, signals, NULL) == 0 || error_set(err, errno, "signals");
}

static bool watch_signals(struct bench *bench, struct error *err)
{
    sigset_t signals;
    if (!block_signals(&signals, err))
        return false;
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "signals");
    bench->signals = watch_open(bench->loop, fd, on_signal, bench, err);
    if (bench->signals)
        watch_want(bench->signals, WATCH_READ);
    return bench->signals != NULL;
}

static bool open_sink(struct bench *bench, int listener_owned, struct error *err)
{
    struct bench_sink_settings settings = {
        .loop = bench->loop,
        .plan = bench->plan,
        .tally = &bench->figures->sink,
        .ids = bench->plan->mode == BENCH_RELAY ? &bench->ids : NULL,
        .arrival = &bench->figures->tally.arrival,
        .run = bench->run,
        .share = bench->share,
        .arrived = on_arrived,
        .context = bench,
    };
    bench->sink = bench_sink_open(&settings, listener_owned, err);
    if (bench->sink && bench->plan->mode == BENCH_SINK)
        timer_set(&bench->end, loop_now_ms(bench->loop) + bench->plan->duration_ms);
    return bench->sink != NULL;
}

static void open_sender(struct bench *bench)
{
    struct bench_sender_settings settings = {
        .loop = bench->loop,
        .plan = bench->plan,
        .letter = bench->letter,
        .tally = &bench->figures->tally,
        .ids = bench->plan->mode == BENCH_RELAY ? &bench->ids : NULL,
        .run = bench->run,
        .share = bench->share,
        .finished = on_sent,
        .context = bench,
    };
    bench->sender = bench_sender_new(&settings);
}

/* Runs until the work is done. listener_owned: of the sink, or -1. */
static bool bench_run(struct bench *bench, int listener_owned, struct error *err)
{
    bench->loop = loop_new(err);
    if (!bench->loop)
        return false;
    timer_init(&bench->tick, bench->loop, on_tick, bench);
    timer_init(&bench->end, bench->loop, on_end, bench);
    loop_on_turn(bench->loop, on_turn, bench);
    bool is_good = watch_signals(bench, err);
    if (is_good && listener_owned >= 0)
        is_good = open_sink(bench, listener_owned, err);
    if (is_good && bench->plan->mode != BENCH_SINK)
        open_sender(bench);
    if (is_good && !bench->is_quiet)
        timer_set(&bench->tick, loop_now_ms(bench->loop) + TICK_MS);
    if (is_good)
        loop_run(bench->loop);
    timer_clear(&bench->tick);
    timer_clear(&bench->end);
    bench_sink_close(bench->sink);
    if (bench->sender)
        bench_sender_free(bench->sender);
    if (bench->signals)
        watch_close(bench->signals);
    loop_free(bench->loop);
    return is_good;
}

/* --- Processes ---------------------------------------------------------------------------------
 */

static void merge(struct figures *sum, const struct figures *figures, uint64_t count)
{
    *sum = (struct figures){.tally = {.begun = 0}};
    for (uint64_t i = 0; i < count; i++) {
        bench_tally_merge(&sum->tally, &figures[i].tally);
        bench_sink_tally_merge(&sum->sink, &figures[i].sink);
    }
}

/* One of several; never returns. */
_Noreturn static void be_child(const struct bench *whole, uint64_t share, int listener_owned)
{
    struct bench bench = *whole;
    struct error err = {0};
    bench.share = share;
    bench.figures = &whole->figures[share];
    bench.is_quiet = true;
    if (!bench_run(&bench, listener_owned, &err))
        snprintf(bench.figures->tally.trouble, BENCH_SAMPLE, "%s", err.text);
    _exit(EXIT_GOOD);
}

static void tell_children(const pid_t *children, uint64_t count, int signal)
{
    for (uint64_t i = 0; i < count; i++)
        if (children[i])
            kill(children[i], signal);
}

/* Forgets those that have ended, whose numbers other processes may get; how many are left. */
static uint64_t count_children(pid_t *children, uint64_t count)
{
    uint64_t left = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (children[i] && waitpid(children[i], NULL, WNOHANG) != 0)
            children[i] = 0;
        left += children[i] != 0;
    }
    return left;
}

/* Waits for all children, shows how it goes, and passes signals on. */
static void wait_for_children(struct bench *whole, pid_t *children, uint64_t count,
                              const sigset_t *signals)
{
    struct figures *sum = NEW(struct figures);
    int64_t next_ms = instant_steady_ms() + TICK_MS;
    while (count_children(children, count)) {
        const struct timespec tick = {.tv_nsec = PARENT_TICK_US * 1000};
        int signal = sigtimedwait(signals, NULL, &tick);
        if (signal > 0)
            tell_children(children, count, signal);
        if (instant_steady_ms() < next_ms)
            continue;
        next_ms += TICK_MS;
        merge(sum, whole->figures, count);
        struct bench view = {.plan = whole->plan, .figures = sum};
        struct bench_report report = report_of(&view);
        bench_report_progress(&report, &whole->last_count);
    }
    free(sum);
}

static bool run_children(struct bench *whole, const int *listeners, struct error *err)
{
    pid_t children[BENCH_PROCESSES_MOST] = {0};
    sigset_t signals;
    if (!block_signals(&signals, err))
        return false;
    uint64_t count = 0;
    for (; count < whole->plan->processes; count++) {
        children[count] = fork();
        if (children[count] == 0)
            be_child(whole, count, listeners[count]);
        if (children[count] < 0) {
            error_set(err, errno, "fork");
            break;
        }
    }
    bool is_good = count == whole->plan->processes;
    if (!is_good)
        tell_children(children, count, SIGTERM);
    wait_for_children(whole, children, count, &signals);
    return is_good;
}

/* --- The command -------------------------------------------------------------------------------
 */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Tokens of one run are never those of another, whose mail may still be on its way; the seed has
 * no part in it. */
static uint64_t draw_run(void)
{
    uint64_t state =
        (uint64_t)instant_now_ms() << 20 ^ (uint64_t)instant_steady_us() ^ (uint64_t)getpid() << 48;
    return random_next(&state);
}

/* Binds a socket for each process; all of them share the port that the first one got. */
static bool bind_sinks(struct bench_plan *plan, int *listeners, struct error *err)
{
    for (uint64_t i = 0; i < plan->processes; i++)
        listeners[i] = -1;
    if (plan->mode == BENCH_SEND)
        return true;
    for (uint64_t i = 0; i < plan->processes; i++) {
        listeners[i] = bench_sink_bind(plan, plan->processes > 1, &plan->sink.port, err);
        if (listeners[i] < 0)
            return false;
    }
    fprintf(stderr, "postrider: the sink listens on port %u\n", plan->sink.port);
    return true;
}

/* The message that is to be sent, with CRLF. */
static bool read_letter(const char *path, struct buf *out, struct error *err)
{
    struct buf raw;
    buf_init(&raw, LETTER_LIMIT);
    bool is_read = verify_file_read(path, &raw, err);
    verify_file_add_cr(out, buf_view(&raw));
    buf_done(&raw);
    if (!is_read)
        return error_wrap(err, "%s", path);
    return out->len > 0 || error_set(err, 0, "%s: there is no message in it", path);
}

static int complain(const struct error *err, int status)
{
    fprintf(stderr, "postrider: %s\n", err->text);
    return status;
}

/* Does it all: with one process, or with several that share the work. */
static int do_work(const struct bench_plan *plan, struct bytes letter, const int *listeners)
{
    struct error err = {0};
    size_t size = plan->processes * sizeof(struct figures);
    struct figures *figures =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(figures != MAP_FAILED);
    struct bench bench = {.plan = plan, .letter = letter, .figures = figures, .run = draw_run()};
    if (plan->mode == BENCH_RELAY)
        bench_ids_init(&bench.ids, plan->count, (size_t)plan->recipients);
    bool is_good = plan->processes > 1 ? run_children(&bench, listeners, &err)
                                       : bench_run(&bench, listeners[0], &err);
    bench_report_progress_end();
    struct figures *sum = NEW(struct figures);
    merge(sum, figures, plan->processes);
    bench.figures = sum;
    struct bench_report report = report_of(&bench);
    int status = is_good ? bench_report_status(&report) : complain(&err, EXIT_LATER);
    if (is_good)
        bench_report_print(&report);
    bench_ids_done(&bench.ids);
    free(sum);
    munmap(figures, size);
    return status;
}

static int bench_main(enum bench_mode mode, char **arguments, size_t count)
{
    struct error err = {0};
    struct bench_plan plan;
    struct buf letter;
    int listeners[BENCH_PROCESSES_MOST] = {0}, status;
    if (!bench_plan_read(mode, arguments, count, &plan, &err))
        return complain(&err, EXIT_USAGE);
    buf_init(&letter, 2 * (size_t)LETTER_LIMIT);
    /* What sessions log of their peers is not asked for here. */
    log_init("bench", LOG_ERROR, LOG_LOGFMT);
    raise_descriptors();
    if (plan.letter && !read_letter(plan.letter, &letter, &err))
        status = complain(&err, EXIT_USAGE);
    else if (!bind_sinks(&plan, listeners, &err))
        status = complain(&err, EXIT_LATER);
    else
        status = do_work(&plan, buf_view(&letter), listeners);
    buf_done(&letter);
    return status;
}

int command_bench_send(char **arguments, size_t count)
{
    return bench_main(BENCH_SEND, arguments, count);
}

int command_bench_sink(char **arguments, size_t count)
{
    return bench_main(BENCH_SINK, arguments, count);
}

int command_bench_relay(char **arguments, size_t count)
{
    return bench_main(BENCH_RELAY, arguments, count);
}

void command_bench_send_options(FILE *out)
{
    bench_plan_print_options(BENCH_SEND, out);
}

void command_bench_sink_options(FILE *out)
{
    bench_plan_print_options(BENCH_SINK, out);
}

void command_bench_relay_options(FILE *out)
{
    bench_plan_print_options(BENCH_RELAY, out);
}

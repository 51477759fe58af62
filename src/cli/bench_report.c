#include "cli/bench_report.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/paint.h"

enum { CELL = 64, NAME_WIDTH = 14 };

static const struct {
    const char *name, *key;
    unsigned per_million;
} quantiles[] = {
    {"p50", "p50", 500000},     {"p90", "p90", 900000},  {"p99", "p99", 990000},
    {"p99.9", "p99_9", 999000}, {"max", "max", 1000000},
};

static double seconds(int64_t began_us, int64_t ended_us)
{
    return ended_us > began_us ? (double)(ended_us - began_us) / 1e6 : 0;
}

static double per_second(uint64_t count, double elapsed)
{
    return elapsed > 0 ? (double)count / elapsed : 0;
}

/* --- For people --------------------------------------------------------------------------------
 */

static void print_row(const char *name, uint64_t count, double elapsed, enum paint paint)
{
    struct buf cell, rate;
    buf_init(&cell, CELL);
    buf_init(&rate, CELL);
    paint_number(&cell, count);
    if (elapsed > 0)
        paint_number(&rate, (uint64_t)(per_second(count, elapsed) + 0.5));
    char text[3 * CELL];
    snprintf(text, sizeof text, "%-*s%16.*s%15.*s%s\n", NAME_WIDTH, name,
             BYTES_ARGS(buf_view(&cell)), BYTES_ARGS(buf_view(&rate)), rate.len ? "/s" : "");
    paint_print(count ? paint : PAINT_NONE, text);
    buf_done(&cell);
    buf_done(&rate);
}

static void print_size_row(const char *name, uint64_t size, double elapsed)
{
    struct buf cell, rate;
    buf_init(&cell, CELL);
    buf_init(&rate, CELL);
    paint_size(&cell, size);
    paint_size(&rate, (uint64_t)per_second(size, elapsed));
    printf("%-*s%16.*s%15.*s/s\n", NAME_WIDTH, name, BYTES_ARGS(buf_view(&cell)),
           BYTES_ARGS(buf_view(&rate)));
    buf_done(&cell);
    buf_done(&rate);
}

static void print_time(uint64_t time_us)
{
    char text[CELL];
    if (time_us < 1000)
        snprintf(text, sizeof text, "%lluus", (unsigned long long)time_us);
    else if (time_us < 1000000)
        snprintf(text, sizeof text, "%.*fms", time_us < 100000 ? 2 : 0, (double)time_us / 1e3);
    else
        snprintf(text, sizeof text, "%.2fs", (double)time_us / 1e6);
    printf("%10s", text);
}

static void print_latency(const char *name, const struct histogram *histogram)
{
    if (!histogram->count)
        return;
    printf("%-*s", NAME_WIDTH, name);
    for (size_t i = 0; i < COUNT(quantiles); i++)
        print_time(histogram_at(histogram, quantiles[i].per_million));
    putchar('\n');
}

static void print_latencies(const struct bench_plan *plan, const struct bench_tally *tally)
{
    if (!tally->reply.count)
        return;
    printf("\n%-*s", NAME_WIDTH, "latency");
    for (size_t i = 0; i < COUNT(quantiles); i++)
        printf("%10s", quantiles[i].name);
    printf("   since %s\n", plan->rate_milli ? "its scheduled instant" : "the end of its data");
    print_latency("to the 250", &tally->reply);
    print_latency("to the sink", &tally->arrival);
}

static void print_replies(const struct bench_tally *tally)
{
    if (tally->reply_count)
        putchar('\n');
    for (size_t i = 0; i < tally->reply_count; i++) {
        const struct bench_reply *reply = &tally->replies[i];
        char code[CELL] = "no reply";
        if (reply->code)
            snprintf(code, sizeof code, "reply %d", reply->code);
        printf("%-*s%16llu  %s\n", NAME_WIDTH, code, (unsigned long long)reply->count,
               reply->sample);
    }
}

static void print_sent(const struct bench_report *report)
{
    const struct bench_tally *tally = report->tally;
    double elapsed = seconds(tally->began_us, tally->ended_us);
    if (report->plan->idle) {
        print_row("opened", tally->connections, elapsed, PAINT_NONE);
        print_row("not opened", tally->connections_failed, 0, PAINT_RED);
        print_row("ended by it", tally->held_lost, 0, PAINT_RED);
        print_replies(tally);
        return;
    }
    printf("%llu messages to %s in %.2fs\n\n", (unsigned long long)tally->begun,
           report->plan->server.text, elapsed);
    print_row("accepted", tally->accepted, elapsed, PAINT_GREEN);
    print_row("recipients", tally->recipients, elapsed, PAINT_NONE);
    print_size_row("text", tally->bytes, elapsed);
    print_row("refused", tally->refused, 0, PAINT_RED);
    print_row("unanswered", tally->unanswered, 0, PAINT_RED);
    print_row("connections", tally->connections, 0, PAINT_NONE);
    print_latencies(report->plan, tally);
    print_replies(tally);
}

static void print_sink(const struct bench_sink_tally *sink)
{
    double elapsed = seconds(sink->began_us, sink->ended_us);
    print_row("connections", sink->connections, 0, PAINT_NONE);
    print_row("messages", sink->messages, elapsed, PAINT_NONE);
    print_row("recipients", sink->recipients, elapsed, PAINT_NONE);
    print_size_row("text", sink->bytes, elapsed);
    if (sink->tempfailed + sink->rejected + sink->greylisted + sink->dropped == 0)
        return;
    print_row("tempfailed", sink->tempfailed, 0, PAINT_NONE);
    print_row("rejected", sink->rejected, 0, PAINT_NONE);
    print_row("greylisted", sink->greylisted, 0, PAINT_NONE);
    print_row("dropped", sink->dropped, 0, PAINT_NONE);
}

static void print_text(const struct bench_report *report)
{
    if (report->tally)
        print_sent(report);
    if (report->sink && report->tally)
        printf("\nAt the sink:\n");
    if (report->sink)
        print_sink(report->sink);
    if (report->ids) {
        const struct bench_ids *ids = report->ids;
        char text[2 * CELL];
        snprintf(text, sizeof text, "lost=%llu duplicates=%llu unasked=%llu unknown=%llu\n",
                 (unsigned long long)ids->missing, (unsigned long long)ids->duplicates,
                 (unsigned long long)ids->unasked, (unsigned long long)ids->unknown);
        putchar('\n');
        paint_print(ids->missing || ids->duplicates ? PAINT_RED : PAINT_GREEN, text);
    }
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static json_t *make_latency(const struct histogram *histogram)
{
    json_t *latency = json_pack("{s:I}", "count", (json_int_t)histogram->count);
    for (size_t i = 0; i < COUNT(quantiles); i++)
        json_object_set_new(
            latency, quantiles[i].key,
            json_integer((json_int_t)histogram_at(histogram, quantiles[i].per_million)));
    return latency;
}

static json_t *make_replies(const struct bench_tally *tally)
{
    json_t *replies = json_array();
    for (size_t i = 0; i < tally->reply_count; i++) {
        const struct bench_reply *reply = &tally->replies[i];
        /* A sample that was cut amid a character is no UTF-8. */
        json_t *sample = json_string(reply->sample);
        json_array_append_new(replies, json_pack("{s:i, s:I, s:o}", "code", reply->code, "count",
                                                 (json_int_t)reply->count, "sample",
                                                 sample ? sample : json_null()));
    }
    return replies;
}

static json_t *make_sent(const struct bench_plan *plan, const struct bench_tally *tally)
{
    double elapsed = seconds(tally->began_us, tally->ended_us);
    json_t *sent =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:s?}", "messages",
                  (json_int_t)tally->begun, "accepted", (json_int_t)tally->accepted, "refused",
                  (json_int_t)tally->refused, "unanswered", (json_int_t)tally->unanswered,
                  "recipients", (json_int_t)tally->recipients, "bytes", (json_int_t)tally->bytes,
                  "connections", (json_int_t)tally->connections, "seconds", elapsed,
                  "messages_per_second", per_second(tally->accepted, elapsed),
                  "recipients_per_second", per_second(tally->recipients, elapsed),
                  "bytes_per_second", per_second(tally->bytes, elapsed), "replies",
                  make_replies(tally), "trouble", tally->trouble[0] ? tally->trouble : NULL);
    json_object_set_new(sent, "latency_since",
                        json_string(plan->rate_milli ? "schedule" : "end_of_data"));
    json_object_set_new(sent, "reply_us", make_latency(&tally->reply));
    if (plan->mode == BENCH_RELAY)
        json_object_set_new(sent, "arrival_us", make_latency(&tally->arrival));
    if (plan->idle)
        json_object_set_new(sent, "held_lost", json_integer((json_int_t)tally->held_lost));
    return sent;
}

static json_t *make_sink(const struct bench_sink_tally *sink)
{
    double elapsed = seconds(sink->began_us, sink->ended_us);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "connections",
                     (json_int_t)sink->connections, "messages", (json_int_t)sink->messages,
                     "recipients", (json_int_t)sink->recipients, "bytes", (json_int_t)sink->bytes,
                     "tempfailed", (json_int_t)sink->tempfailed, "rejected",
                     (json_int_t)sink->rejected, "greylisted", (json_int_t)sink->greylisted,
                     "dropped", (json_int_t)sink->dropped, "seconds", elapsed,
                     "messages_per_second", per_second(sink->messages, elapsed));
}

static void print_json(const struct bench_report *report)
{
    json_t *whole = report->tally ? make_sent(report->plan, report->tally) : json_object();
    if (report->sink)
        json_object_set_new(whole, "sink", make_sink(report->sink));
    if (report->ids) {
        json_object_set_new(whole, "lost", json_integer((json_int_t)report->ids->missing));
        json_object_set_new(whole, "duplicates", json_integer((json_int_t)report->ids->duplicates));
        json_object_set_new(whole, "unasked", json_integer((json_int_t)report->ids->unasked));
        json_object_set_new(whole, "unknown", json_integer((json_int_t)report->ids->unknown));
    }
    json_dumpf(whole, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(whole);
}

void bench_report_print(const struct bench_report *report)
{
    if (report->plan->is_json)
        print_json(report);
    else
        print_text(report);
    if (report->tally && report->tally->trouble[0])
        fprintf(stderr, "postrider: %s\n", report->tally->trouble);
}

int bench_report_status(const struct bench_report *report)
{
    const struct bench_tally *tally = report->tally;
    if (!tally)
        return EXIT_GOOD;
    if (!tally->connections)
        return EXIT_LATER;
    bool is_good = tally->refused + tally->unanswered + tally->held_lost == 0 &&
                   !tally->trouble[0] && tally->accepted == tally->begun;
    if (report->ids)
        is_good = is_good && report->ids->missing + report->ids->duplicates == 0;
    return is_good ? EXIT_GOOD : EXIT_BAD;
}

/* --- Progress ----------------------------------------------------------------------------------
 */

void bench_report_progress(const struct bench_report *report, uint64_t *last_count)
{
    if (!isatty(STDERR_FILENO))
        return;
    const struct bench_tally *tally = report->tally;
    const struct bench_plan *plan = report->plan;
    uint64_t count = tally ? tally->accepted : report->sink->messages;
    if (tally && plan->idle)
        fprintf(stderr, "\r%llu sessions held\x1b[K", (unsigned long long)tally->held);
    else
        fprintf(stderr, "\r%llu messages, %llu/s", (unsigned long long)count,
                (unsigned long long)(count - *last_count));
    if (tally && !plan->idle)
        fprintf(stderr, ", %llu refused, %llu unanswered", (unsigned long long)tally->refused,
                (unsigned long long)tally->unanswered);
    if (report->ids)
        fprintf(stderr, ", %llu to arrive", (unsigned long long)report->ids->missing);
    fputs("\x1b[K", stderr);
    *last_count = count;
}

void bench_report_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\x1b[K", stderr);
}

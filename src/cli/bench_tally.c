#include "cli/bench_tally.h"

#include <stdio.h>

#include "cli/paint.h"

static struct bench_reply *find_reply(struct bench_tally *tally, int code)
{
    for (size_t i = 0; i < tally->reply_count; i++)
        if (tally->replies[i].code == code)
            return &tally->replies[i];
    if (tally->reply_count == BENCH_REPLIES)
        return &tally->replies[BENCH_REPLIES - 1];
    struct bench_reply *reply = &tally->replies[tally->reply_count++];
    reply->code = code;
    return reply;
}

void bench_tally_reply(struct bench_tally *tally, int code, struct bytes words)
{
    struct bench_reply *reply = find_reply(tally, code);
    if (reply->count++)
        return;
    struct buf safe;
    buf_init(&safe, 4 * BENCH_SAMPLE);
    paint_add(&safe, bytes_sub(words, 0, BENCH_SAMPLE - 1));
    snprintf(reply->sample, sizeof reply->sample, "%.*s", BYTES_ARGS(buf_view(&safe)));
    buf_done(&safe);
}

static void widen(int64_t *began_us, int64_t *ended_us, int64_t more_began_us,
                  int64_t more_ended_us)
{
    if (more_began_us && (!*began_us || more_began_us < *began_us))
        *began_us = more_began_us;
    if (more_ended_us > *ended_us)
        *ended_us = more_ended_us;
}

void bench_tally_merge(struct bench_tally *tally, const struct bench_tally *more)
{
    widen(&tally->began_us, &tally->ended_us, more->began_us, more->ended_us);
    tally->begun += more->begun;
    tally->accepted += more->accepted;
    tally->refused += more->refused;
    tally->unanswered += more->unanswered;
    tally->recipients += more->recipients;
    tally->recipients_failed += more->recipients_failed;
    tally->bytes += more->bytes;
    tally->connections += more->connections;
    tally->connections_failed += more->connections_failed;
    tally->held += more->held;
    tally->held_lost += more->held_lost;
    for (size_t i = 0; i < more->reply_count; i++) {
        const struct bench_reply *reply = &more->replies[i];
        bench_tally_reply(tally, reply->code, bytes_of(reply->sample));
        find_reply(tally, reply->code)->count += reply->count - 1;
    }
    histogram_merge(&tally->reply, &more->reply);
    histogram_merge(&tally->arrival, &more->arrival);
    if (!tally->trouble[0])
        snprintf(tally->trouble, sizeof tally->trouble, "%s", more->trouble);
}

void bench_sink_tally_merge(struct bench_sink_tally *tally, const struct bench_sink_tally *more)
{
    widen(&tally->began_us, &tally->ended_us, more->began_us, more->ended_us);
    tally->connections += more->connections;
    tally->messages += more->messages;
    tally->recipients += more->recipients;
    tally->bytes += more->bytes;
    tally->tempfailed += more->tempfailed;
    tally->rejected += more->rejected;
    tally->greylisted += more->greylisted;
    tally->dropped += more->dropped;
}

#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MINUTE_MS = 60000, TEXT_LIMIT = 4 << 20 };

/* What a session does wrong, if anything. */
enum mood {
    MOOD_GOOD,
    MOOD_GREETS_421,
    MOOD_GREETS_554,
    MOOD_SILENT, /* says nothing at all */
    MOOD_MAIL_4XX,
    MOOD_RCPT_421,  /* in the middle of a transaction */
    MOOD_BEGIN_421, /* at DATA */
    MOOD_STORE_4XX,
    MOOD_STORE_5XX,
    MOOD_STORE_421,
    MOOD_STORE_LIES,  /* takes the message, and hangs up without a word */
    MOOD_STORE_NEVER, /* takes the message, and never answers */
    MOOD_STORE_LATE,
    MOOD_SINGLE, /* hangs up behind the first message */
    MOOD_COUNT
};

struct peer {
    struct loop *loop;
    struct ledger *ledger;
    struct world *world;
    struct smtp_server_settings smtp;
    struct listener *listener;
    struct list visits;
    unsigned trouble;
    bool is_greylisting;
};

/* A session. */
struct visit {
    struct list link;
    struct peer *peer;
    struct smtp_server *smtp;
    struct stream *stream;
    struct timer timer;
    enum mood mood;
    bool is_waiting, is_mute;
    size_t stored;
    struct buf text, held;
    struct tally *tallies[LETTER_RECIPIENTS];
    size_t tally_count;
};

static void visit_end(struct visit *visit)
{
    timer_clear(&visit->timer);
    stream_close(visit->stream);
    smtp_server_free(visit->smtp);
    buf_done(&visit->text);
    buf_done(&visit->held);
    list_remove(&visit->link);
    free(visit);
}

static struct smtp_answer answer_of(int code, const char *status)
{
    return (struct smtp_answer){code, bytes_of(status), BYTES("as the seed says")};
}

static struct smtp_answer on_mail(const struct visit *visit)
{
    return visit->mood == MOOD_MAIL_4XX ? answer_of(451, "4.3.0") : answer_of(250, "2.1.0");
}

static bool is_grey(struct visit *visit, struct party *party)
{
    int64_t now_ms = world_now_ms(visit->peer->world);
    if (!visit->peer->is_greylisting)
        return false;
    if (!party->grey_until_ms)
        party->grey_until_ms = now_ms + 5 * MINUTE_MS;
    return now_ms < party->grey_until_ms;
}

static struct smtp_answer on_rcpt(struct visit *visit)
{
    struct party *party =
        ledger_party(visit->peer->ledger, smtp_server_recipient(visit->smtp)->address);
    if (visit->mood == MOOD_RCPT_421 && world_draw(visit->peer->world, 2))
        return answer_of(421, "4.3.2");
    if (!party || party->is_bad) {
        if (party)
            party->was_refused = true;
        return answer_of(550, "5.1.1");
    }
    if (party->is_full)
        return answer_of(452, "4.2.2");
    return is_grey(visit, party) ? answer_of(450, "4.7.1") : answer_of(250, "2.1.5");
}

/* Takes the message for one recipient, or not. */
static struct smtp_answer store_for(struct visit *visit, const struct envelope *envelope, size_t i)
{
    struct bytes to = envelope->recipients[i].address;
    enum mood mood = visit->mood;
    if (visit->peer->smtp.role == ROLE_LMTP && world_draw(visit->peer->world, 2))
        mood = MOOD_GOOD;
    if (mood == MOOD_STORE_4XX)
        return answer_of(451, "4.3.0");
    if (mood == MOOD_STORE_421)
        return answer_of(421, "4.3.2");
    if (mood == MOOD_STORE_5XX) {
        ledger_party(visit->peer->ledger, to)->was_refused = true;
        return answer_of(554, "5.6.0");
    }
    struct arrival arrival = {.reverse_path = envelope->reverse_path,
                              .to = to,
                              .text = buf_view(&visit->text),
                              .is_late = world_is_alone(visit->stream)};
    struct tally *tally = ledger_arrived(visit->peer->ledger, &arrival);
    if (tally)
        visit->tallies[visit->tally_count++] = tally;
    return answer_of(250, "2.6.0");
}

static void store(struct visit *visit)
{
    const struct envelope *envelope = smtp_server_transaction(visit->smtp);
    struct smtp_answer answers[LETTER_RECIPIENTS];
    bool is_lmtp = visit->peer->smtp.role == ROLE_LMTP;
    size_t count = envelope->recipient_count;
    ASSERT(count <= LETTER_RECIPIENTS);
    visit->tally_count = 0;
    visit->stored++;
    bool has_said_421 = false;
    for (size_t i = 0; i < count; i++) {
        size_t known = visit->tally_count;
        answers[i] = store_for(visit, envelope, i);
        /* The node need not read what stands behind 421 (RFC 5321, 3.8). */
        if (has_said_421)
            visit->tally_count = known;
        has_said_421 |= is_lmtp && answers[i].code == 421;
    }
    buf_clear(&visit->text);
    for (size_t i = 0; i < (is_lmtp ? count : 1); i++)
        smtp_server_answer(visit->smtp, &answers[i]);
}

static void flush(struct visit *visit)
{
    struct bytes output = smtp_server_output(visit->smtp);
    if (visit->is_mute || output.len == 0)
        return;
    size_t sent = stream_send(visit->stream, output);
    smtp_server_sent(visit->smtp, sent);
    /* Once all of the reply has arrived, the node knows. */
    if (sent < output.len)
        return;
    for (size_t i = 0; i < visit->tally_count; i++)
        world_mark(visit->stream, tally_reached, visit->tallies[i]);
    visit->tally_count = 0;
}

enum outcome { GO_ON, WAIT, END };

static enum outcome on_store(struct visit *visit)
{
    if (visit->mood == MOOD_STORE_LATE && !visit->is_waiting) {
        visit->is_waiting = true;
        timer_set(&visit->timer, loop_now_ms(visit->peer->loop) +
                                     (int64_t)world_draw(visit->peer->world, 8 * MINUTE_MS));
        return WAIT;
    }
    visit->is_waiting = false;
    store(visit);
    if (visit->mood == MOOD_STORE_NEVER)
        visit->is_mute = true;
    return visit->mood == MOOD_STORE_LIES ? END : GO_ON;
}

static enum outcome obey(struct visit *visit, enum smtp_server_effect effect)
{
    struct smtp_answer answer = answer_of(250, "2.0.0");
    switch (effect) {
    case SERVER_CHECK_MAIL: answer = on_mail(visit); break;
    case SERVER_CHECK_RCPT: answer = on_rcpt(visit); break;
    case SERVER_BEGIN_BODY:
        if (visit->mood == MOOD_BEGIN_421)
            answer = answer_of(421, "4.3.2");
        break;
    case SERVER_BODY: buf_add(&visit->text, smtp_server_chunk(visit->smtp)); return GO_ON;
    case SERVER_STORE: return on_store(visit);
    case SERVER_START_TLS: break; /* never offered */
    case SERVER_NEW_PEER: break;  /* never offered */
    case SERVER_DROP_BODY: buf_clear(&visit->text); return GO_ON;
    case SERVER_LOGIN:
    case SERVER_LOGIN_END: return GO_ON; /* AUTH is not offered */
    case SERVER_FLUSH: flush(visit); return smtp_server_output(visit->smtp).len ? WAIT : GO_ON;
    case SERVER_WANT_INPUT:
        flush(visit);
        return visit->mood == MOOD_SINGLE && visit->stored ? END : WAIT;
    case SERVER_CLOSE: flush(visit); return END;
    }
    smtp_server_answer(visit->smtp, &answer);
    return GO_ON;
}

/* Input that the machine left moves to memory of our own. */
static void hold(struct visit *visit, struct bytes more)
{
    struct buf joined;
    buf_init(&joined, TEXT_LIMIT);
    buf_add(&joined, smtp_server_unread(visit->smtp));
    buf_add(&joined, more);
    buf_done(&visit->held);
    visit->held = joined;
    smtp_server_rebase(visit->smtp, buf_view(&visit->held));
}

static void run(struct visit *visit)
{
    enum outcome outcome = GO_ON;
    while (outcome == GO_ON)
        outcome = obey(visit, smtp_server_step(visit->smtp));
    if (outcome == END) {
        visit_end(visit);
        return;
    }
    hold(visit, BYTES_NONE);
    if (!visit->is_waiting)
        timer_set(&visit->timer, smtp_server_deadline(visit->smtp));
}

static void on_input(void *context, struct bytes input)
{
    struct visit *visit = context;
    int64_t now_ms = loop_now_ms(visit->peer->loop), wall_ms = loop_wall_ms(visit->peer->loop);
    if (visit->mood == MOOD_SILENT || visit->smtp == NULL)
        return;
    if (smtp_server_unread(visit->smtp).len == 0)
        smtp_server_input(visit->smtp, input, now_ms, wall_ms);
    else
        hold(visit, input);
    if (!visit->is_waiting)
        run(visit);
    else
        hold(visit, BYTES_NONE);
}

static void on_writable(void *context)
{
    struct visit *visit = context;
    if (!visit->is_waiting && visit->mood != MOOD_SILENT)
        run(visit);
}

static void on_ended(void *context, int os)
{
    visit_end(context);
}

static void on_timer(void *context)
{
    struct visit *visit = context;
    if (visit->mood == MOOD_SILENT) {
        visit_end(visit);
        return;
    }
    if (!visit->is_waiting)
        smtp_server_expire(visit->smtp, loop_now_ms(visit->peer->loop));
    run(visit);
}

static const struct stream_events events = {on_input, on_writable, on_ended, NULL};

static enum mood draw_mood(const struct peer *peer)
{
    if (!world_chance(peer->world, peer->trouble))
        return MOOD_GOOD;
    return (enum mood)world_draw(peer->world, MOOD_COUNT);
}

static void on_accept(void *context, int fd_owned)
{
    struct peer *peer = context;
    struct visit *visit = NEW(struct visit);
    struct error err;
    visit->peer = peer;
    visit->mood = draw_mood(peer);
    visit->stream = stream_open(peer->loop, fd_owned, &events, visit, &err);
    visit->smtp = smtp_server_new(&peer->smtp, bytes_of(NODE_ADDRESS), loop_now_ms(peer->loop),
                                  loop_wall_ms(peer->loop));
    timer_init(&visit->timer, peer->loop, on_timer, visit);
    buf_init(&visit->text, TEXT_LIMIT);
    buf_init(&visit->held, TEXT_LIMIT);
    list_append(&peer->visits, &visit->link);
    if (visit->mood == MOOD_GREETS_421 || visit->mood == MOOD_GREETS_554) {
        struct bytes words = visit->mood == MOOD_GREETS_421
                                 ? BYTES("421 4.3.2 as the seed says\r\n")
                                 : BYTES("554 5.3.2 as the seed says\r\n");
        (void)stream_send(visit->stream, words);
        visit_end(visit);
    } else if (visit->mood == MOOD_SILENT) {
        timer_set(&visit->timer, loop_now_ms(peer->loop) + 60 * MINUTE_MS);
    } else {
        run(visit);
    }
}

struct peer *peer_new(struct loop *loop, struct ledger *ledger,
                      const struct peer_settings *settings)
{
    struct peer *peer = NEW(struct peer);
    struct error err;
    peer->loop = loop;
    peer->ledger = ledger;
    peer->world = ledger->world;
    peer->is_greylisting = settings->is_greylisting;
    list_init(&peer->visits);
    peer->smtp = (struct smtp_server_settings){
        .hostname = BYTES("peer.example"),
        .role = settings->is_lmtp ? ROLE_LMTP : ROLE_MX,
        .size_limit = TEXT_LIMIT,
        .line_limit = 4096,
        .recipient_limit = 100,
        .error_limit = 1000,
        .command_timeout_ms = 5 * MINUTE_MS,
        .data_timeout_ms = 3 * MINUTE_MS,
    };
    peer->listener =
        listener_open(loop, world_socket(peer->world, settings->place), on_accept, peer, &err);
    return peer;
}

void peer_free(struct peer *peer)
{
    LIST_EACH (&peer->visits, struct visit, link, visit)
        visit_end(visit);
    listener_close(peer->listener);
    free(peer);
}

void peer_set_trouble(struct peer *peer, unsigned permille)
{
    peer->trouble = permille;
    peer->is_greylisting = peer->is_greylisting && permille > 0;
}

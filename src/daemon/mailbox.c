/* The mailbox agent: LMTP on a Unix socket in, Maildirs out. Messages that are complete while
 * others are being stored make the next group; a sync that makes one group's files durable does the
 * same for the renames of the group before it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"
#include "daemon/child.h"
#include "daemon/letter.h"
#include "daemon/orders.h"
#include "daemon/session.h"
#include "mail/trace.h"

enum {
    KNOWN_LIMIT = 20000, /* mailboxes remembered as prepared; then all are forgotten */
    ADDRESS_ARENA = 16 * 1024,
    RECIPIENT_LIMIT = 1000, /* of a transaction */
    COMMAND_LINE_LIMIT = 4096,
    PEER_TIMEOUT_MS = 300000, /* RFC 5321, 4.5.3.2.7 */
};
/* No limit of our own: the worker has taken the message already. */
static const uint64_t SIZE_LIMIT = UINT64_C(1) << 40;

/* A session and the message it is sending. */
struct visit {
    struct list link;
    struct mailbox *mailbox;
    struct session *session;
    struct letter *letter; /* NULL: none */
};

struct mailbox {
    struct child *child;
    struct loop *loop;
    struct hand *hand;
    struct listener *listener; /* NULL: draining */
    struct orders *orders;
    struct session_host host;
    struct smtp_server_settings settings;
    char hostname[DOMAIN_LIMIT + 1];
    int root;
    struct maildir_namer namer;
    struct map *known; /* boxes that were prepared */
    struct arena *arena;
    struct list visits;
    struct list complete;                   /* letters that wait for the next group */
    struct letter_group written, published; /* that a step is under way for; or written before */
    bool is_storing;
    size_t jobs; /* discards under way */
    struct timer drain;
    bool is_draining;
};

/* --- Recipients ------------------------------------------------------------------------------ */

/* The path of the recipient's mailbox; false when it has none here. */
static bool find_box(struct mailbox *mailbox, struct bytes recipient, struct buf *out)
{
    struct address address;
    struct bytes domain, local;
    arena_reset(mailbox->arena);
    return address_parse(recipient, ADDRESS_UTF8, &address) == PATH_OK &&
           recipients_mailbox(mailbox->child->config->recipients, &address, mailbox->arena, &domain,
                              &local) &&
           maildir_box(out, domain, local);
}

static struct smtp_answer on_mail(void *context, struct session *session)
{
    return (struct smtp_answer){250, BYTES("2.1.0"), BYTES("sender ok")};
}

static struct smtp_answer on_rcpt(void *context, struct session *session)
{
    struct bytes recipient = smtp_server_recipient(session_smtp(session))->address;
    struct buf box;
    buf_init(&box, MAILDIR_PATH_LIMIT);
    bool is_known = find_box(context, recipient, &box);
    buf_done(&box);
    if (is_known)
        return (struct smtp_answer){250, BYTES("2.1.5"), BYTES("recipient ok")};
    log_warning("mailbox-unknown", LOG_BYTES("to", recipient));
    return (struct smtp_answer){550, BYTES("5.1.1"), BYTES("no such mailbox here")};
}

/* --- Messages -------------------------------------------------------------------------------- */

static struct smtp_answer on_begin(void *context, struct session *session)
{
    struct mailbox *mailbox = context;
    struct visit *visit = session_data(session);
    const struct envelope *transaction = smtp_server_transaction(session_smtp(session));
    struct letter *letter =
        letter_new(transaction->reverse_path, transaction->body == BODY_BINARYMIME,
                   transaction->recipient_count);
    struct buf box;
    buf_init(&box, MAILDIR_PATH_LIMIT);
    bool is_good = true;
    for (size_t i = 0; i < transaction->recipient_count && is_good; i++) {
        struct bytes recipient = transaction->recipients[i].address;
        buf_clear(&box);
        is_good = find_box(mailbox, recipient, &box);
        if (is_good)
            letter_add_recipient(letter, recipient, buf_view(&box), &mailbox->namer,
                                 !map_find(mailbox->known, buf_view(&box)));
    }
    buf_done(&box);
    if (!is_good) {
        letter_free(letter);
        return (struct smtp_answer){451, BYTES("4.3.0"),
                                    BYTES("the mailboxes have just changed; try again")};
    }
    letter->context = visit;
    visit->letter = letter;
    return (struct smtp_answer){250, BYTES("2.0.0"), BYTES("go on")};
}

static void spill_run(void *context)
{
    struct visit *visit = context;
    letter_spill(visit->letter, visit->mailbox->root);
}

static void spill_done(void *context)
{
    struct visit *visit = context;
    session_go_on(visit->session);
}

/* LMTP has no place for it: the Received field that the worker puts in front has. */
static void note_id(struct letter *letter)
{
    bool is_whole = letter->text_size == letter->text.len;
    if (!letter->id && is_whole && !trace_id(buf_view(&letter->text), &letter->id))
        letter->id = 0;
}

/* Before anything of it is on disk: what the worker found to be junk goes to that folder. */
static void choose_folder(struct mailbox *mailbox, struct letter *letter)
{
    if (letter->has_folder)
        return;
    letter->has_folder = true;
    for (size_t i = 0; trace_is_junk(buf_view(&letter->text)) && i < letter->recipient_count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        letter_use_folder(recipient, ".Junk");
        recipient->needs_prepare = !map_find(mailbox->known, bytes_of(recipient->box));
    }
}

static bool on_text(void *context, struct session *session, struct bytes text)
{
    struct mailbox *mailbox = context;
    struct visit *visit = session_data(session);
    letter_add_text(visit->letter, text);
    note_id(visit->letter);
    if (!letter_is_full(visit->letter))
        return true;
    choose_folder(mailbox, visit->letter);
    loop_job(mailbox->loop, spill_run, spill_done, visit);
    return false;
}

static void on_store(void *context, struct session *session)
{
    struct mailbox *mailbox = context;
    struct visit *visit = session_data(session);
    choose_folder(mailbox, visit->letter);
    list_append(&mailbox->complete, &visit->letter->link);
}

/* A letter that came to nothing, and where its files are. */
struct leftover {
    struct mailbox *mailbox;
    struct letter *letter;
};

static void discard_run(void *context)
{
    struct leftover *leftover = context;
    letter_discard(leftover->letter, leftover->mailbox->root);
}

static void discard_done(void *context)
{
    struct leftover *leftover = context;
    leftover->mailbox->jobs--;
    letter_free(leftover->letter);
    free(leftover);
}

static void on_drop(void *context, struct session *session)
{
    struct mailbox *mailbox = context;
    struct visit *visit = session_data(session);
    struct leftover *leftover = NEW(struct leftover);
    leftover->mailbox = mailbox;
    leftover->letter = visit->letter;
    visit->letter = NULL;
    mailbox->jobs++;
    loop_job(mailbox->loop, discard_run, discard_done, leftover);
}

static void on_closed(void *context, struct session *session)
{
    struct visit *visit = session_data(session);
    list_remove(&visit->link);
    free(visit);
}

static void on_accept(void *context, int fd_owned)
{
    struct mailbox *mailbox = context;
    struct visit *visit = NEW(struct visit);
    visit->mailbox = mailbox;
    struct error err = {0};
    visit->session = session_open(&mailbox->host, fd_owned, &mailbox->settings, visit, &err);
    if (!visit->session) {
        log_warning("mailbox-session", LOG_TEXT("reason", err.text));
        free(visit);
        return;
    }
    list_append(&mailbox->visits, &visit->link);
}

/* --- Storing --------------------------------------------------------------------------------- */

static struct smtp_answer answer_for(const struct error *err)
{
    switch (err->os) {
    case 0: return (struct smtp_answer){250, BYTES("2.0.0"), BYTES("stored")};
    case ENOSPC:
        return (struct smtp_answer){452, BYTES("4.3.1"),
                                    BYTES("the disk of the mailboxes is full")};
    case EDQUOT: return (struct smtp_answer){452, BYTES("4.2.2"), BYTES("the mailbox is full")};
    default:
        return (struct smtp_answer){451, BYTES("4.3.0"),
                                    BYTES("the mailbox cannot be written to now; see the log")};
    }
}

static void remember_box(struct mailbox *mailbox, struct bytes box)
{
    if (map_count(mailbox->known) >= KNOWN_LIMIT) {
        map_free(mailbox->known);
        mailbox->known = map_new(mailbox->child->config->queue.seed);
    }
    (void)map_add(mailbox->known, box, mailbox);
}

static void log_recipient(struct mailbox *mailbox, const struct letter *letter,
                          const struct letter_recipient *recipient)
{
    if (recipient->error.os) {
        log_error("mailbox-failed", LOG_ID(letter->id), LOG_TEXT("to", recipient->address),
                  LOG_TEXT("reason", recipient->error.text));
        return;
    }
    char path[MAILDIR_PATH_LIMIT];
    letter_path(letter, recipient, path);
    log_info("mailbox-stored", LOG_ID(letter->id), LOG_TEXT("to", recipient->address),
             LOG_TEXT("path", path), LOG_INT("size", letter_size(letter, recipient)));
    if (!map_find(mailbox->known, bytes_of(recipient->box)))
        remember_box(mailbox, bytes_of(recipient->box));
}

static void answer_letter(struct mailbox *mailbox, struct letter *letter_owned)
{
    struct visit *visit = letter_owned->context;
    size_t count = letter_owned->recipient_count;
    struct smtp_answer *answers = memory_new(count, sizeof *answers);
    for (size_t i = 0; i < count; i++) {
        log_recipient(mailbox, letter_owned, &letter_owned->recipients[i]);
        answers[i] = answer_for(&letter_owned->recipients[i].error);
    }
    visit->letter = NULL;
    letter_free(letter_owned);
    session_answer(visit->session, answers, count);
    free(answers);
}

static void step_run(void *context)
{
    struct mailbox *mailbox = context;
    letters_store(&mailbox->written, &mailbox->published, mailbox->root);
}

static void step_done(void *context)
{
    struct mailbox *mailbox = context;
    mailbox->is_storing = false;
    for (size_t i = 0; i < mailbox->published.count; i++)
        answer_letter(mailbox, mailbox->published.letters[i]);
    mailbox->published = mailbox->written;
    mailbox->written.count = 0;
}

static void begin_step(struct mailbox *mailbox)
{
    if (mailbox->is_storing)
        return;
    struct letter_group *written = &mailbox->written;
    LIST_EACH (&mailbox->complete, struct letter, link, letter) {
        if (written->count < LETTER_GROUP) {
            list_remove(&letter->link);
            written->letters[written->count++] = letter;
        }
    }
    mailbox->is_storing = written->count > 0 || mailbox->published.count > 0;
    if (mailbox->is_storing)
        hand_job(mailbox->hand, step_run, step_done, mailbox);
}

/* --- The end --------------------------------------------------------------------------------- */

static void end_sessions(struct mailbox *mailbox, void (*end)(struct session *))
{
    LIST_EACH (&mailbox->visits, struct visit, link, visit)
        end(visit->session);
}

static void on_drain_timeout(void *context)
{
    end_sessions(context, session_kill);
}

static void begin_drain(struct mailbox *mailbox)
{
    if (mailbox->is_draining)
        return;
    mailbox->is_draining = true;
    listener_close(mailbox->listener);
    mailbox->listener = NULL;
    timer_set(&mailbox->drain,
              loop_now_ms(mailbox->loop) + mailbox->child->config->limits.drain_ms);
    end_sessions(mailbox, session_shut);
}

static void on_turn(void *context)
{
    struct mailbox *mailbox = context;
    begin_step(mailbox);
    journal_flush(mailbox->child->journal);
    log_flush();
    bool is_quiet = list_is_empty(&mailbox->visits) && !mailbox->is_storing && mailbox->jobs == 0;
    if (mailbox->is_draining && is_quiet)
        loop_stop(mailbox->loop);
}

/* --- The supervisor -------------------------------------------------------------------------- */

/* Whom a message is for, the worker has asked the directory before. */
static const struct directory everybody = {.is_known = true, .has_all = true};

static void use_hostname(struct mailbox *mailbox, const char *hostname)
{
    size_t len = strlen(hostname);
    ASSERT(len < sizeof mailbox->hostname);
    memcpy(mailbox->hostname, hostname, len + 1);
    mailbox->settings.hostname = (struct bytes){(const uint8_t *)mailbox->hostname, len};
}

static void on_reload(void *context, struct config *config_owned)
{
    struct mailbox *mailbox = context;
    config_free(mailbox->child->config);
    mailbox->child->config = config_owned;
    recipients_set_directory(config_owned->recipients, &everybody);
    use_hostname(mailbox, config_owned->hostname);
}

static void on_stop(void *context)
{
    begin_drain(context);
}

/* Nobody is left who would hear of anything: what is under way ends at once. */
static void on_gone(void *context)
{
    begin_drain(context);
    end_sessions(context, session_kill);
}

static const struct orders_events order_events = {
    .reload = on_reload, .stop = on_stop, .gone = on_gone};

/* --- The process ----------------------------------------------------------------------------- */

static bool open_mailbox(struct mailbox *mailbox, struct child *child, struct error *err)
{
    const struct config *config = child->config;
    if (!config->mailbox_root)
        return error_set(err, 0, "no deliver.mailbox is configured");
    mailbox->root = maildir_open_root(config->mailbox_root, err);
    if (mailbox->root < 0)
        return false;
    mailbox->loop = loop_new(err);
    if (!mailbox->loop)
        return false;
    loop_on_turn(mailbox->loop, on_turn, mailbox);
    timer_init(&mailbox->drain, mailbox->loop, on_drain_timeout, mailbox);
    mailbox->orders = orders_open(mailbox->loop, child, &order_events, mailbox, err);
    if (!mailbox->orders)
        return false;
    mailbox->listener = listener_open(mailbox->loop, child->listeners[0], on_accept, mailbox, err);
    return mailbox->listener != NULL;
}

static void init_mailbox(struct mailbox *mailbox, struct child *child)
{
    const struct config *config = child->config;
    mailbox->child = child;
    recipients_set_directory(config->recipients, &everybody);
    mailbox->root = -1;
    mailbox->settings = (struct smtp_server_settings){
        .role = ROLE_LMTP,
        .size_limit = SIZE_LIMIT,
        .line_limit = COMMAND_LINE_LIMIT,
        .recipient_limit = RECIPIENT_LIMIT,
        .error_limit = SIZE_MAX,
        .command_timeout_ms = PEER_TIMEOUT_MS,
        .data_timeout_ms = PEER_TIMEOUT_MS,
    };
    use_hostname(mailbox, config->hostname);
    maildir_namer_init(&mailbox->namer, bytes_of(config->hostname), getpid());
    mailbox->known = map_new(config->queue.seed);
    mailbox->arena = arena_new(ADDRESS_ARENA);
    list_init(&mailbox->visits);
    list_init(&mailbox->complete);
}

static void done_mailbox(struct mailbox *mailbox)
{
    orders_close(mailbox->orders);
    if (mailbox->listener)
        listener_close(mailbox->listener);
    hand_free(mailbox->hand);
    timer_clear(&mailbox->drain);
    loop_free(mailbox->loop);
    if (mailbox->root >= 0)
        close(mailbox->root);
    map_free(mailbox->known);
    arena_free(mailbox->arena);
    config_free(mailbox->child->config);
}

int mailbox_main(struct child *child)
{
    struct mailbox mailbox = {0};
    struct error err = {0};
    init_mailbox(&mailbox, child);
    bool is_open = open_mailbox(&mailbox, child, &err);
    if (is_open) {
        mailbox.hand = hand_new(mailbox.loop);
        mailbox.host = (struct session_host){.context = &mailbox,
                                             .loop = mailbox.loop,
                                             .mail = on_mail,
                                             .rcpt = on_rcpt,
                                             .begin = on_begin,
                                             .text = on_text,
                                             .store = on_store,
                                             .drop = on_drop,
                                             .closed = on_closed};
        log_set_buffered(true);
        is_open = child_ready(child, &err);
    }
    if (is_open)
        loop_run(mailbox.loop);
    else
        log_error("mailbox-start", LOG_TEXT("reason", err.text));
    log_set_buffered(false);
    done_mailbox(&mailbox);
    return is_open ? 0 : 1;
}

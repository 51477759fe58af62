/* The command that programs on a host know as sendmail: what it is given goes to the server over
 * its local socket, as any other submission. Needs no rights of its own. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/dialogue.h"
#include "cli/sendmail_letter.h"
#include "cli/sendmail_plan.h"
#include "mail/header.h"

enum {
    READ_SIZE = 64 * 1024,
    /* Of the beginning of a message, in which its header section has to end. */
    FRONT_LIMIT = 4 << 20,
    FRONT_ADDED = 4096, /* a From field and a blank line */
};

#define SOCKET_DEFAULT "/run/postrider/submission.sock"

/* A message under way. */
struct sending {
    struct sendmail_plan plan;
    struct config *config; /* NULL: it cannot be read, as is usual for others than its owner */
    const char *socket;
    struct dialogue *dialogue;
    struct buf domain; /* that names without one get */
    struct buf sender, front;
    struct letter_addresses recipients;
    struct letter_lines lines;
    bool is_8bit, has_all; /* has_all: the whole message is in front */
    struct error err;
};

static int fail(const char *text, int status)
{
    fprintf(stderr, "sendmail: %s\n", text);
    return status;
}

static int fail_of(const struct sending *sending, int status)
{
    return fail(sending->err.text, status);
}

static void show(void *context, enum dialogue_side side, struct bytes line)
{
    printf("%s%.*s\n", side == DIALOGUE_SAID ? ">>> " : "", BYTES_ARGS(line));
}

/* --- Where and who ---------------------------------------------------------------------------- */

/* A configuration that is being edited, or that this user may not read, keeps no mail back: the
 * server has read it before, and the socket lies where the package puts it. */
static bool find_config(struct sending *sending)
{
    const char *path = sending->plan.config ? sending->plan.config : COMMAND_CONFIG_DEFAULT;
    struct buf problems;
    buf_init(&problems, sizeof sending->err.text);
    if (sending->plan.config || access(path, R_OK) == 0)
        sending->config = config_load(path, &problems);
    if (!sending->config && sending->plan.config)
        error_set(&sending->err, 0, "%.*s", BYTES_ARGS(bytes_trim(buf_view(&problems))));
    buf_done(&problems);
    sending->socket = sending->config ? sending->config->submission_socket : SOCKET_DEFAULT;
    if (!sending->config)
        return !sending->plan.config;
    return sending->socket ||
           error_set(&sending->err, 0,
                     "%s has submission_socket: none, and this command needs that socket", path);
}

/* The domain of names without one, as the server's reply to EHLO tells it. */
static bool find_domain(struct sending *sending)
{
    struct bytes rest = dialogue_offers(sending->dialogue), line;
    while (rest.len) {
        (void)bytes_cut(rest, '\n', &line, &rest);
        if (bytes_starts_nocase(line, BYTES("XDOMAIN ")))
            buf_add(&sending->domain, bytes_from(line, 8));
    }
    return sending->domain.len || error_set(&sending->err, 0,
                                            "%.120s is no socket of postrider for programs on "
                                            "this host",
                                            sending->socket);
}

/* The user's login name, and the full name as the password file has it ("Ann Ames,,,"). */
static void find_user(const struct sending *sending, struct buf *login, struct buf *full_name)
{
    const struct passwd *user = getpwuid(getuid());
    struct bytes name = BYTES_NONE, rest;
    if (user && user->pw_name[0])
        buf_add(login, bytes_of(user->pw_name));
    else
        buf_addf(login, "uid%u", (unsigned)getuid());
    if (sending->plan.full_name)
        name = bytes_of(sending->plan.full_name);
    else if (user && user->pw_gecos)
        (void)bytes_cut(bytes_of(user->pw_gecos), ',', &name, &rest);
    buf_add(full_name, name);
}

static bool find_sender(struct sending *sending, struct bytes login)
{
    struct letter_addresses addresses;
    struct bytes given = sending->plan.sender ? bytes_trim(bytes_of(sending->plan.sender)) : login;
    if (given.len == 0 || bytes_equal(given, BYTES("<>")))
        return true;
    letter_addresses_init(&addresses);
    bool is_good =
        letter_addresses_add(&addresses, given, buf_view(&sending->domain), &sending->err);
    if (is_good && addresses.count != 1)
        is_good = error_set(&sending->err, 0, "%.80s is no sender's address",
                            sending->plan.sender ? sending->plan.sender : "");
    if (is_good)
        buf_add(&sending->sender, bytes_of((const char *)addresses.texts.at));
    letter_addresses_done(&addresses);
    return is_good;
}

/* --- The message ------------------------------------------------------------------------------ */

/* Reads on from standard input. False: the end, or err. */
static bool read_more(struct sending *sending, struct buf *out, bool *has_failed)
{
    uint8_t piece[READ_SIZE];
    ssize_t got = 0;
    do
        got = sending->lines.has_ended ? 0 : read(STDIN_FILENO, piece, sizeof piece);
    while (got < 0 && errno == EINTR);
    *has_failed = got < 0;
    if (got < 0)
        return error_set(&sending->err, errno, "read the message");
    if (got == 0) {
        letter_lines_end(&sending->lines, out);
        return false;
    }
    letter_lines_add(&sending->lines, (struct bytes){piece, (size_t)got}, out);
    return true;
}

/* Reads the message's beginning, with its whole header section; small messages are read whole. */
static bool read_front(struct sending *sending)
{
    bool has_failed = false;
    while (sending->front.len < FRONT_LIMIT / 4)
        if (!read_more(sending, &sending->front, &has_failed)) {
            sending->has_all = true;
            break;
        }
    size_t length;
    while (!has_failed && !sending->has_all && !sending->front.overflowed &&
           !header_end(buf_view(&sending->front), &length))
        sending->has_all = !read_more(sending, &sending->front, &has_failed);
    if (has_failed)
        return false;
    if (sending->front.overflowed)
        return error_set(&sending->err, 0, "the header has more than %d bytes", FRONT_LIMIT);
    if (sending->front.len == 0)
        return error_set(&sending->err, 0, "there is no message on standard input");
    /* What is not read yet may have anything. */
    sending->is_8bit = !sending->has_all || !bytes_is_ascii(buf_view(&sending->front));
    return true;
}

static bool settle_front(struct sending *sending)
{
    struct buf login, full_name, added;
    size_t skip;
    buf_init(&login, 256);
    buf_init(&full_name, 256);
    buf_init(&added, FRONT_ADDED + sending->front.len);
    find_user(sending, &login, &full_name);
    bool is_good = find_sender(sending, buf_view(&login));
    /* The null sender writes nothing; the user does. */
    struct buf author;
    buf_init(&author, FRONT_ADDED);
    if (sending->sender.len)
        buf_add(&author, buf_view(&sending->sender));
    else
        buf_addf(&author, "%.*s@%.*s", BYTES_ARGS(buf_view(&login)),
                 BYTES_ARGS(buf_view(&sending->domain)));
    letter_front(buf_view(&sending->front), buf_view(&full_name), buf_view(&author), &added, &skip);
    buf_drop(&sending->front, skip);
    buf_add(&added, buf_view(&sending->front));
    if (added.overflowed)
        is_good = error_set(&sending->err, 0, "the sender's name is too long");
    buf_done(&author);
    buf_done(&sending->front);
    sending->front = added;
    buf_done(&login);
    buf_done(&full_name);
    return is_good;
}

static bool find_recipients(struct sending *sending)
{
    struct bytes domain = buf_view(&sending->domain);
    size_t length;
    for (size_t i = 0; i < sending->plan.word_count; i++)
        if (!letter_addresses_add(&sending->recipients, bytes_of(sending->plan.words[i]), domain,
                                  &sending->err))
            return false;
    struct bytes section = buf_view(&sending->front);
    if (header_end(section, &length))
        section = bytes_sub(section, 0, length);
    if (sending->plan.takes_from_header &&
        !letter_addresses_of(&sending->recipients, section, domain, &sending->err))
        return false;
    return sending->recipients.count ||
           error_set(&sending->err, 0,
                     "nobody to send to: the header has no address in To, Cc or Bcc");
}

/* --- Submitting ------------------------------------------------------------------------------- */

/* What a caller makes of a refusal: try again, or do not. */
static int status_of(const struct reply_scan *reply)
{
    if (reply->code / 100 == 4)
        return EX_TEMPFAIL;
    if (strcmp(reply->status, "5.1.1") == 0)
        return EX_NOUSER;
    return strcmp(reply->status, "5.7.1") == 0 ? EX_NOPERM : EX_UNAVAILABLE;
}

static int refused(struct sending *sending, const char *what, const struct reply_scan *reply)
{
    if (!reply) {
        fprintf(stderr, "sendmail: %s: %s; the message was not sent\n", what, sending->err.text);
        return EX_TEMPFAIL;
    }
    fprintf(stderr, "sendmail: %s: %.*s; the message was not sent\n", what,
            BYTES_ARGS(reply_scan_text(reply)));
    return status_of(reply);
}

static bool needs_utf8(const struct sending *sending)
{
    return !bytes_is_ascii(buf_view(&sending->sender)) ||
           !bytes_is_ascii(buf_view(&sending->recipients.texts));
}

static int say_mail(struct sending *sending)
{
    const struct sendmail_plan *plan = &sending->plan;
    unsigned offers = dialogue_extensions(sending->dialogue)->offers;
    struct buf line;
    buf_init(&line, 8192);
    buf_addf(&line, "MAIL FROM:<%.*s>", BYTES_ARGS(buf_view(&sending->sender)));
    if (offers & OFFERS_8BITMIME && sending->is_8bit)
        buf_add(&line, BYTES(" BODY=8BITMIME"));
    if (offers & OFFERS_SMTPUTF8 && needs_utf8(sending))
        buf_add(&line, BYTES(" SMTPUTF8"));
    if (offers & OFFERS_DSN && plan->ret)
        buf_addf(&line, " RET=%s", plan->ret);
    if (offers & OFFERS_DSN && plan->envid)
        buf_addf(&line, " ENVID=%s", plan->envid);
    const struct reply_scan *reply =
        dialogue_say(sending->dialogue, &sending->err, "%.*s", BYTES_ARGS(buf_view(&line)));
    buf_done(&line);
    return reply && reply->code == 250 ? EX_OK : refused(sending, "the sender", reply);
}

/* All or nobody: a message that went to some would go to them again when it is tried again. */
static int say_recipients(struct sending *sending)
{
    bool has_dsn = dialogue_extensions(sending->dialogue)->offers & OFFERS_DSN;
    const char *at = (const char *)sending->recipients.texts.at;
    int status = EX_OK;
    for (size_t i = 0; i < sending->recipients.count; i++, at += strlen(at) + 1) {
        const struct reply_scan *reply =
            dialogue_say(sending->dialogue, &sending->err, "RCPT TO:<%s>%s%s", at,
                         has_dsn && sending->plan.notify ? " NOTIFY=" : "",
                         has_dsn && sending->plan.notify ? sending->plan.notify : "");
        if (reply && reply->code / 100 == 2)
            continue;
        int why = refused(sending, at, reply);
        /* Trying again helps only where nothing else is in the way. */
        if (status == EX_OK || status == EX_TEMPFAIL)
            status = why;
        if (!reply)
            return status;
    }
    return status;
}

static int say_text(struct sending *sending)
{
    struct buf piece;
    bool has_failed = false;
    const struct reply_scan *reply = dialogue_say(sending->dialogue, &sending->err, "DATA");
    if (!reply || reply->code != 354)
        return refused(sending, "the message", reply);
    bool is_sent = dialogue_text(sending->dialogue, buf_view(&sending->front), &sending->err);
    buf_init(&piece, 4 * READ_SIZE);
    for (bool has_more = !sending->has_all; is_sent && has_more;) {
        buf_clear(&piece);
        has_more = read_more(sending, &piece, &has_failed);
        is_sent = !has_failed && dialogue_text(sending->dialogue, buf_view(&piece), &sending->err);
    }
    buf_done(&piece);
    /* Without an end of data the server forgets what it has. */
    if (has_failed)
        return fail_of(sending, EX_IOERR);
    reply = is_sent ? dialogue_text_end(sending->dialogue, &sending->err) : NULL;
    return reply && reply->code == 250 ? EX_OK : refused(sending, "the message", reply);
}

static int greet(struct sending *sending)
{
    struct dialogue_settings settings = {.watch = sending->plan.is_verbose ? show : NULL};
    sending->dialogue = dialogue_new(&settings, &sending->err);
    if (!sending->dialogue)
        return fail_of(sending, EX_OSERR);
    if (!dialogue_connect_unix(sending->dialogue, sending->socket, &sending->err)) {
        int os = sending->err.os;
        if (os == ENOENT || os == ECONNREFUSED)
            error_set(&sending->err, 0,
                      "the mail server is not running (nothing answers at %.120s); the message "
                      "was not sent",
                      sending->socket);
        return fail_of(sending, EX_TEMPFAIL);
    }
    const struct reply_scan *reply = dialogue_hear(sending->dialogue, &sending->err);
    if (!reply || reply->code != 220)
        return refused(sending, "the server", reply);
    reply = dialogue_ehlo(sending->dialogue, "localhost", &sending->err);
    if (!reply || reply->code != 250)
        return refused(sending, "the server", reply);
    return find_domain(sending) ? EX_OK : fail_of(sending, EX_CONFIG);
}

static int submit(struct sending *sending)
{
    int status = greet(sending);
    if (status != EX_OK)
        return status;
    if (!read_front(sending) || !settle_front(sending) || !find_recipients(sending))
        return fail_of(sending, EX_DATAERR);
    if (needs_utf8(sending) && !(dialogue_extensions(sending->dialogue)->offers & OFFERS_SMTPUTF8))
        return fail("an address is not ASCII, which this server does not take", EX_UNAVAILABLE);
    if ((status = say_mail(sending)) == EX_OK && (status = say_recipients(sending)) == EX_OK)
        status = say_text(sending);
    struct error ignored; /* the message is sent, or it is said that it is not */
    (void)dialogue_say(sending->dialogue, &ignored, "QUIT");
    return status;
}

/* --- A session of somebody else's ------------------------------------------------------------- */

/* Moves what is there; false: the source has ended. */
static bool move(int from, int to, struct error *err)
{
    uint8_t piece[READ_SIZE];
    ssize_t got = read(from, piece, sizeof piece);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN || error_set(err, errno, "read");
    for (ssize_t done = 0; done < got;) {
        ssize_t wrote = write(to, piece + done, (size_t)(got - done));
        if (wrote < 0 && errno != EINTR)
            return error_set(err, errno, "write");
        if (wrote > 0)
            done += wrote;
    }
    return got > 0;
}

/* -bs: the caller speaks SMTP with the server itself. */
static int session(struct sending *sending)
{
    int fd = dialogue_open_unix(sending->socket, &sending->err);
    if (fd < 0)
        return fail_of(sending, EX_TEMPFAIL);
    struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    bool is_open = true;
    while (is_open && poll(ends, COUNT(ends), -1) >= 0) {
        if (ends[1].revents)
            is_open = move(fd, STDOUT_FILENO, &sending->err);
        if (is_open && ends[0].revents && !move(STDIN_FILENO, fd, &sending->err)) {
            /* The caller says no more, and may still hear. */
            shutdown(fd, SHUT_WR);
            ends[0].fd = -1;
        }
    }
    close(fd);
    return EX_OK;
}

/* --- The command ------------------------------------------------------------------------------ */

static int run(struct sending *sending)
{
    struct options options = {.config = sending->plan.config ? sending->plan.config
                                                             : COMMAND_CONFIG_DEFAULT};
    static const char *all[] = {"all"};
    switch (sending->plan.mode) {
    case SENDMAIL_QUEUE: return command_queue_list(&options);
    case SENDMAIL_RETRY:
        options.words = all;
        options.word_count = COUNT(all);
        return command_queue_retry(&options);
    case SENDMAIL_ALIASES:
        puts("Aliases are in the configuration; after a change: postrider reload");
        return EX_OK;
    case SENDMAIL_SUBMIT:
    case SENDMAIL_SESSION: break;
    }
    if (!find_config(sending))
        return fail_of(sending, EX_CONFIG);
    return sending->plan.mode == SENDMAIL_SESSION ? session(sending) : submit(sending);
}

int sendmail_main(const char *name, char **arguments, size_t count)
{
    struct sending *sending = NEW(struct sending);
    if (!sendmail_plan_read(name, arguments, count, &sending->plan, &sending->err)) {
        int status = fail_of(sending, EX_USAGE);
        free(sending);
        return status;
    }
    buf_init(&sending->domain, 512);
    buf_init(&sending->sender, 1024);
    buf_init(&sending->front, FRONT_LIMIT + 4 * READ_SIZE);
    letter_addresses_init(&sending->recipients);
    letter_lines_init(&sending->lines, sending->plan.ignores_dots);
    int status = run(sending);
    dialogue_free(sending->dialogue);
    letter_addresses_done(&sending->recipients);
    buf_done(&sending->front);
    buf_done(&sending->sender);
    buf_done(&sending->domain);
    config_free(sending->config);
    free(sending);
    return status;
}

int command_sendmail(char **arguments, size_t count)
{
    return sendmail_main("sendmail", arguments, count);
}

void command_sendmail_options(FILE *out)
{
    fputs("  -t      the recipients are those of To, Cc and Bcc, and any that are named\n"
          "  -i      a line with a dot alone does not end the message (also -oi)\n"
          "  -f ADDRESS  the sender, to whom it returns when it cannot be delivered; <> for none\n"
          "  -F NAME     the full name, for a message without From\n"
          "  -bs     speak SMTP on standard input and output\n"
          "  -bp     list the queue, as mailq does\n"
          "  -q      try the queue now\n"
          "  -N never|success,failure,delay, -R full|hdrs, -V ID  reports of delivery (RFC 3461)\n"
          "  -v      show the conversation\n"
          "  --config FILE  the configuration, if not the usual one (also -C)\n",
          out);
}

#include "cli/dialogue.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/instant.h"
#include "base/memory.h"
#include "mail/base64.h"
#include "net/stream.h"
#include "smtp/sasl_client.h"
#include "smtp/stuff.h"

enum {
    CONNECT_MS = 30 * 1000,
    REPLY_MS = 60 * 1000,
    INPUT_LIMIT = 1 << 18,  /* replies that wait to be read; then reading stops */
    LINE_LIMIT = 16 * 1024, /* that we say: a token in AUTH is the longest */
    OFFERS_LIMIT = REPLY_LINES_LIMIT * REPLY_LINE_LIMIT,
    INITIAL_LIMIT = 256, /* of user and password: then AUTH's line stays within 512 bytes */
};

struct dialogue {
    struct dialogue_settings settings;
    struct loop *loop;
    struct timer timer;
    struct stream *stream; /* NULL: not connected */
    struct buf input;      /* what has come and was not read */
    struct reply_scan scan;
    struct tls_facts facts;
    struct extensions extensions;
    struct buf offers;
    struct stuff stuff;
    struct buf piece; /* of a text, stuffed */
    bool is_late, is_secured, is_writable, has_ended, is_hello;
    int ended_os;
    /* A lookup under way. */
    bool is_found;
    struct lookup_address found[LOOKUP_LIMIT];
    size_t found_count;
    char found_failure[160];
};

/* --- The loop --------------------------------------------------------------------------------- */

static void on_time(void *context)
{
    struct dialogue *dialogue = context;
    dialogue->is_late = true;
    loop_stop(dialogue->loop);
}

static void on_input(void *context, struct bytes input)
{
    struct dialogue *dialogue = context;
    buf_add(&dialogue->input, input);
    if (dialogue->input.len > INPUT_LIMIT / 2)
        stream_pause(dialogue->stream);
    loop_stop(dialogue->loop);
}

static void on_writable(void *context)
{
    struct dialogue *dialogue = context;
    dialogue->is_writable = true;
    loop_stop(dialogue->loop);
}

static void on_ended(void *context, int os)
{
    struct dialogue *dialogue = context;
    dialogue->has_ended = true;
    dialogue->ended_os = os;
    loop_stop(dialogue->loop);
}

static void on_secured(void *context)
{
    struct dialogue *dialogue = context;
    dialogue->is_secured = stream_tls_facts(dialogue->stream, &dialogue->facts);
    loop_stop(dialogue->loop);
}

static const struct stream_events events = {
    .input = on_input, .writable = on_writable, .ended = on_ended, .secured = on_secured};

/* From here on a step may take so long. The loop's own clock stood still since the last step, and a
 * person may have typed a password meanwhile. */
static void begin(struct dialogue *dialogue, int64_t most_ms)
{
    dialogue->is_late = false;
    timer_set(&dialogue->timer, instant_steady_ms() + most_ms);
}

/* Something happened: look again. */
static void wait(struct dialogue *dialogue)
{
    loop_run(dialogue->loop);
}

/* Ends the connection, with the reason in err: always false. */
static bool give_up(struct dialogue *dialogue, struct error *err)
{
    if (!dialogue->stream)
        return error_set(err, ENOTCONN, "there is no connection");
    if (!dialogue->has_ended)
        error_set(err, ETIMEDOUT, "nothing was answered in time");
    else if (stream_failure(dialogue->stream)[0])
        error_set(err, 0, "%s", stream_failure(dialogue->stream));
    else if (dialogue->ended_os)
        error_set(err, dialogue->ended_os, "the connection broke");
    else
        error_set(err, 0, "the server closed the connection");
    dialogue_disconnect(dialogue);
    return false;
}

struct dialogue *dialogue_new(const struct dialogue_settings *settings, struct error *err)
{
    struct loop *loop = loop_new(err);
    if (!loop)
        return NULL;
    signal(SIGPIPE, SIG_IGN);
    struct dialogue *dialogue = NEW(struct dialogue);
    dialogue->loop = loop;
    dialogue->settings = *settings;
    if (!dialogue->settings.connect_ms)
        dialogue->settings.connect_ms = CONNECT_MS;
    if (!dialogue->settings.reply_ms)
        dialogue->settings.reply_ms = REPLY_MS;
    timer_init(&dialogue->timer, loop, on_time, dialogue);
    buf_init(&dialogue->input, INPUT_LIMIT);
    buf_init(&dialogue->offers, OFFERS_LIMIT);
    buf_init(&dialogue->piece, SIZE_MAX);
    extensions_init(&dialogue->extensions);
    return dialogue;
}

void dialogue_disconnect(struct dialogue *dialogue)
{
    if (dialogue->stream)
        stream_close(dialogue->stream);
    dialogue->stream = NULL;
    dialogue->is_secured = false;
}

void dialogue_free(struct dialogue *dialogue)
{
    if (!dialogue)
        return;
    dialogue_disconnect(dialogue);
    timer_clear(&dialogue->timer);
    loop_free(dialogue->loop);
    buf_done(&dialogue->input);
    buf_done(&dialogue->offers);
    buf_done(&dialogue->piece);
    free(dialogue);
}

bool dialogue_is_connected(const struct dialogue *dialogue)
{
    return dialogue->stream && !dialogue->has_ended;
}

const struct tls_facts *dialogue_tls(const struct dialogue *dialogue)
{
    return dialogue->is_secured ? &dialogue->facts : NULL;
}

const struct extensions *dialogue_extensions(const struct dialogue *dialogue)
{
    return &dialogue->extensions;
}

struct bytes dialogue_offers(const struct dialogue *dialogue)
{
    return buf_view(&dialogue->offers);
}

/* --- Connecting ------------------------------------------------------------------------------- */

static void on_lookup(void *context, const struct lookup_address *addresses, size_t count,
                      const char *failure)
{
    struct dialogue *dialogue = context;
    dialogue->is_found = true;
    dialogue->found_count = count;
    memcpy(dialogue->found, addresses, count * sizeof *addresses);
    snprintf(dialogue->found_failure, sizeof dialogue->found_failure, "%s", failure ? failure : "");
    loop_stop(dialogue->loop);
}

bool dialogue_lookup(struct dialogue *dialogue, const char *host,
                     struct ip addresses[DIALOGUE_ADDRESS_LIMIT], size_t *count, struct error *err)
{
    loop_lookup(dialogue->loop, bytes_of(host), 25, on_lookup, dialogue);
    /* The system's resolver has bounds of its own, and its thread cannot be left behind. */
    timer_clear(&dialogue->timer);
    dialogue->is_found = false;
    while (!dialogue->is_found)
        wait(dialogue);
    if (dialogue->found_count == 0)
        return error_set(err, 0, "%.80s: %s", host, dialogue->found_failure);
    for (size_t i = 0; i < dialogue->found_count; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } place;
        memcpy(&place, dialogue->found[i].storage, sizeof dialogue->found[i].storage);
        addresses[i] = place.any.sa_family == AF_INET
                           ? ip_from_ipv4((const uint8_t *)&place.v4.sin_addr)
                           : ip_from_ipv6(place.v6.sin6_addr.s6_addr);
    }
    *count = dialogue->found_count;
    return true;
}

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t len;
};

static struct place place_of(const struct ip *ip, uint16_t port)
{
    struct place place = {.len = sizeof place.address.v6};
    if (ip_is_ipv4(ip)) {
        place.address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&place.address.v4.sin_addr, ip->at + IP_MAPPED_BITS / 8, 4);
        place.len = sizeof place.address.v4;
    } else {
        place.address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(place.address.v6.sin6_addr.s6_addr, ip->at, sizeof ip->at);
    }
    return place;
}

/* Takes over a connected socket. */
static bool finish(struct dialogue *dialogue, int fd_owned, struct error *err)
{
    dialogue_disconnect(dialogue);
    buf_clear(&dialogue->input);
    buf_clear(&dialogue->offers);
    extensions_init(&dialogue->extensions);
    reply_scan_begin(&dialogue->scan);
    dialogue->has_ended = dialogue->is_writable = false;
    dialogue->stream = stream_open(dialogue->loop, fd_owned, &events, dialogue, err);
    return dialogue->stream != NULL;
}

/* Until the kernel knows whether the other side took the connection. */
static bool wait_connected(int fd, int64_t most_ms, struct error *err)
{
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    int os = 0;
    socklen_t len = sizeof os;
    int ready = poll(&wanted, 1, (int)most_ms);
    if (ready == 0)
        return error_set(err, ETIMEDOUT, "connect");
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &os, &len) != 0)
        return error_set(err, errno, "connect");
    return os == 0 || error_set(err, os, "connect");
}

static bool open_connection(struct dialogue *dialogue, const struct place *to,
                            const struct place *from, struct error *err)
{
    int fd = socket(to->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(err, errno, "make a socket");
    bool is_good = !from || bind(fd, &from->address.any, from->len) == 0;
    if (!is_good)
        error_set(err, errno, "use the source address");
    if (is_good && connect(fd, &to->address.any, to->len) != 0)
        is_good = errno == EINPROGRESS ? wait_connected(fd, dialogue->settings.connect_ms, err)
                                       : error_set(err, errno, "connect");
    if (is_good)
        return finish(dialogue, fd, err);
    close(fd);
    return false;
}

bool dialogue_connect(struct dialogue *dialogue, const struct ip *to, uint16_t port,
                      const struct ip *from, struct error *err)
{
    struct place place = place_of(to, port);
    struct place source = from ? place_of(from, 0) : place;
    return open_connection(dialogue, &place, from ? &source : NULL, err);
}

bool dialogue_give(struct dialogue *dialogue, int fd_owned, struct error *err)
{
    return finish(dialogue, fd_owned, err);
}

int dialogue_open_unix(const char *path, struct error *err)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof place.sun_path) {
        error_set(err, ENAMETOOLONG, "%.80s", path);
        return -1;
    }
    memcpy(place.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&place, sizeof place) == 0)
        return fd;
    error_set(err, errno, "%.100s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool dialogue_connect_unix(struct dialogue *dialogue, const char *path, struct error *err)
{
    int fd = dialogue_open_unix(path, err);
    return fd >= 0 && dialogue_give(dialogue, fd, err);
}

bool dialogue_start_tls(struct dialogue *dialogue, struct tls *tls_owned, struct error *err)
{
    if (!dialogue_is_connected(dialogue) || dialogue->input.len) {
        tls_free(tls_owned);
        if (!dialogue_is_connected(dialogue))
            return give_up(dialogue, err);
        /* What an attacker slips in behind the 220 would be taken for the server's own words
         * inside TLS (RFC 3207, 6; CVE-2011-0411). */
        dialogue_disconnect(dialogue);
        return error_set(err, EPROTO, "the server said something in clear text behind its 220");
    }
    buf_clear(&dialogue->offers);
    extensions_init(&dialogue->extensions);
    stream_start_tls(dialogue->stream, tls_owned);
    begin(dialogue, dialogue->settings.connect_ms);
    while (!dialogue->is_secured && !dialogue->has_ended && !dialogue->is_late)
        wait(dialogue);
    return dialogue->is_secured || give_up(dialogue, err);
}

/* --- Words ------------------------------------------------------------------------------------ */

static void tell(const struct dialogue *dialogue, enum dialogue_side side, struct bytes line)
{
    if (dialogue->settings.watch)
        dialogue->settings.watch(dialogue->settings.context, side, bytes_trim(line));
}

static bool send_all(struct dialogue *dialogue, struct bytes bytes, struct error *err)
{
    if (!dialogue->stream)
        return give_up(dialogue, err);
    while (bytes.len) {
        begin(dialogue, dialogue->settings.reply_ms);
        dialogue->is_writable = false;
        bytes = bytes_from(bytes, stream_send(dialogue->stream, bytes));
        while (bytes.len && !dialogue->is_writable && !dialogue->has_ended && !dialogue->is_late)
            wait(dialogue);
        if (bytes.len && !dialogue->is_writable)
            return give_up(dialogue, err);
    }
    return true;
}

bool dialogue_say_raw(struct dialogue *dialogue, struct bytes bytes, struct error *err)
{
    tell(dialogue, DIALOGUE_SAID, bytes);
    return send_all(dialogue, bytes, err);
}

/* Reads a line of what has come. */
static enum reply_scan_event read_line(struct dialogue *dialogue)
{
    struct bytes rest = buf_view(&dialogue->input), words;
    enum reply_scan_event event = reply_scan_next(&dialogue->scan, &rest, &words);
    if (event == SCAN_MORE)
        return event;
    if (event == SCAN_BAD)
        tell(dialogue, DIALOGUE_HEARD, bytes_sub(rest, 0, bytes_find(rest, '\n')));
    else
        tell(dialogue, DIALOGUE_HEARD,
             bytes_sub(buf_view(&dialogue->input), 0, dialogue->input.len - rest.len));
    if (event != SCAN_BAD && dialogue->is_hello && dialogue->scan.line_count > 1) {
        extensions_add(&dialogue->extensions, words);
        buf_addf(&dialogue->offers, "%.*s\n", BYTES_ARGS(words));
    }
    buf_drop(&dialogue->input, dialogue->input.len - rest.len);
    return event;
}

const struct reply_scan *dialogue_hear(struct dialogue *dialogue, struct error *err)
{
    begin(dialogue, dialogue->settings.reply_ms);
    while (dialogue->stream) {
        enum reply_scan_event event = read_line(dialogue);
        if (event == SCAN_REPLY)
            return &dialogue->scan;
        if (event == SCAN_BAD) {
            error_set(err, 0, "what came %s", dialogue->scan.fault);
            err->os = EPROTO;
            dialogue_disconnect(dialogue);
            return NULL;
        }
        if (event == SCAN_LINE)
            continue;
        if (dialogue->has_ended || dialogue->is_late)
            break;
        stream_resume(dialogue->stream);
        wait(dialogue);
    }
    (void)give_up(dialogue, err);
    return NULL;
}

bool dialogue_has_input(struct dialogue *dialogue, int64_t wait_ms)
{
    begin(dialogue, wait_ms);
    while (dialogue_is_connected(dialogue) && !dialogue->input.len && !dialogue->is_late)
        wait(dialogue);
    return !dialogue_is_connected(dialogue) || dialogue->input.len;
}

const struct reply_scan *dialogue_say(struct dialogue *dialogue, struct error *err,
                                      const char *format, ...)
{
    char line[LINE_LIMIT];
    va_list values;
    va_start(values, format);
    int len = vsnprintf(line, sizeof line - 2, format, values);
    va_end(values);
    if (len < 0 || (size_t)len >= sizeof line - 2) {
        error_set(err, EMSGSIZE, "say a line");
        return NULL;
    }
    line[len] = '\r';
    line[len + 1] = '\n';
    struct bytes said = {(const uint8_t *)line, (size_t)len + 2};
    return dialogue_say_raw(dialogue, said, err) ? dialogue_hear(dialogue, err) : NULL;
}

const struct reply_scan *dialogue_ehlo(struct dialogue *dialogue, const char *name,
                                       struct error *err)
{
    buf_clear(&dialogue->offers);
    extensions_init(&dialogue->extensions);
    dialogue->is_hello = true;
    const struct reply_scan *reply = dialogue_say(dialogue, err, "EHLO %s", name);
    dialogue->is_hello = false;
    if (!reply || reply->code / 100 != 5)
        return reply;
    /* RFC 5321, 3.2: an old server. */
    return dialogue_say(dialogue, err, "HELO %s", name);
}

/* --- Logging in ------------------------------------------------------------------------------- */

/* Says a message of the exchange; those who watch see that it was said, and nothing of it. */
static const struct reply_scan *say_secret(struct dialogue *dialogue, const char *command,
                                           struct bytes message, struct error *err)
{
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    buf_add(&line, bytes_of(command));
    base64_print(&line, message);
    buf_add(&line, BYTES("\r\n"));
    struct buf shown;
    buf_init(&shown, LINE_LIMIT);
    buf_addf(&shown, "%s%s", command, message.len ? "(not shown)" : "");
    tell(dialogue, DIALOGUE_SAID, buf_view(&shown));
    bool is_sent = send_all(dialogue, buf_view(&line), err);
    if (line.at)
        OPENSSL_cleanse(line.at, line.cap);
    buf_done(&line);
    buf_done(&shown);
    return is_sent ? dialogue_hear(dialogue, err) : NULL;
}

static const struct reply_scan *exchange(struct dialogue *dialogue, struct sasl_client *sasl,
                                         enum sasl_mechanism mechanism, bool is_short,
                                         struct error *err)
{
    enum { ROUNDS = 8 };
    struct bytes message = BYTES_NONE;
    char command[64];
    bool has_first = is_short && sasl_client_first(sasl, &message);
    snprintf(command, sizeof command, "AUTH %.*s%s", BYTES_ARGS(sasl_mechanism_name(mechanism)),
             has_first ? " " : "");
    const struct reply_scan *reply =
        say_secret(dialogue, command, has_first ? message : BYTES_NONE, err);
    for (int round = 0; reply && reply->code == 334 && round < ROUNDS; round++) {
        struct buf challenge;
        const char *why = "its challenge is not base64";
        /* The text is the code, a space and the challenge. */
        struct bytes text = bytes_trim(bytes_from(reply_scan_text(reply), 3));
        buf_init(&challenge, REPLY_TEXT_LIMIT);
        bool is_good = base64_scan(&challenge, text, BASE64_PLAIN) &&
                       sasl_client_respond(sasl, buf_view(&challenge), &message, &why);
        reply = is_good ? say_secret(dialogue, "", message, err) : NULL;
        buf_done(&challenge);
        if (!is_good)
            error_set(err, 0, "not logged in: %s", why);
    }
    if (reply && reply->code == 235 && !sasl_client_may_end(sasl)) {
        error_set(err, 0, "the server does not prove that it knows the account");
        return NULL;
    }
    return reply;
}

const struct reply_scan *dialogue_login(struct dialogue *dialogue, struct bytes user,
                                        struct bytes password, struct error *err)
{
    enum { NONCE = 18 };
    uint8_t random[NONCE];
    enum sasl_mechanism mechanism;
    struct sasl_credential credential = {.user = user, .password = password};
    if (dialogue->is_secured && dialogue->facts.exporter_len) {
        credential.binding = SASL_TLS_EXPORTER;
        credential.binding_data =
            (struct bytes){dialogue->facts.exporter, dialogue->facts.exporter_len};
    }
    if (!sasl_client_choose(dialogue->extensions.logins, credential.binding, &mechanism)) {
        error_set(err, 0, "the server offers none of SCRAM-SHA-256, PLAIN and LOGIN%s",
                  dialogue->is_secured ? "" : " in clear text");
        return NULL;
    }
    if (RAND_bytes(random, sizeof random) != 1) {
        error_set(err, 0, "no random bytes are to be had");
        return NULL;
    }
    struct buf nonce;
    buf_init(&nonce, 2 * NONCE);
    base64_print(&nonce, (struct bytes){random, sizeof random});
    credential.nonce = buf_view(&nonce);
    struct sasl_client *sasl = sasl_client_new(mechanism, &credential);
    const struct reply_scan *reply =
        exchange(dialogue, sasl, mechanism, user.len + password.len <= INITIAL_LIMIT, err);
    sasl_client_free(sasl);
    buf_done(&nonce);
    return reply;
}

/* --- The text --------------------------------------------------------------------------------- */

bool dialogue_text(struct dialogue *dialogue, struct bytes piece, struct error *err)
{
    if (!dialogue->piece.cap)
        stuff_init(&dialogue->stuff);
    buf_clear(&dialogue->piece);
    stuff_add(&dialogue->stuff, &dialogue->piece, piece);
    return send_all(dialogue, buf_view(&dialogue->piece), err);
}

const struct reply_scan *dialogue_text_end(struct dialogue *dialogue, struct error *err)
{
    if (!dialogue->piece.cap)
        stuff_init(&dialogue->stuff);
    buf_clear(&dialogue->piece);
    stuff_end(&dialogue->stuff, &dialogue->piece);
    bool is_sent = send_all(dialogue, buf_view(&dialogue->piece), err);
    buf_free(&dialogue->piece); /* the next text begins anew */
    return is_sent ? dialogue_hear(dialogue, err) : NULL;
}

/* The server machine against plain transcripts (tests/data/smtp, whose README says how they are
 * written), each also byte by byte and cut at every position; then what no transcript shows:
 * time, peer flags, memory, hangups. */
#include <setjmp.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <cmocka.h>

#include "smtp/server.h"

enum { NOW = 1000000, FILE_LIMIT = 1 << 20 };
enum { CLEAR = 1 << SASL_MECHANISM_COUNT };   /* among the logins: no TLS, so none is allowed */
static const int64_t wall_ms = 1764000000000; /* 2025-11-24T16:00:00Z */

static const struct smtp_server_settings plain = {
    .hostname = BYTES_INIT("mx.example.org"),
    .role = ROLE_MX,
    .size_limit = 1000,
    .line_limit = 512,
    .text_line_limit = 100,
    .recipient_limit = 5,
    .error_limit = 10,
    .command_timeout_ms = 300000,
    .data_timeout_ms = 180000,
    .handshake_timeout_ms = 30000,
};

/* A driver with simple habits: names of addresses decide its answers. */
struct driver {
    struct smtp_server *smtp;
    struct buf trace; /* "S: " lines, "M: " for a message stored, "D: " for one dropped, "L: " for
                         the end of a login */
    struct buf text;
    uint8_t *held; /* the input not consumed yet */
    size_t store_at;
    bool is_closed, is_lmtp;
};

static struct smtp_answer judge(struct bytes address)
{
    static const struct {
        struct bytes start;
        struct smtp_answer answer;
    } habits[] = {
        {BYTES_INIT("unknown@"), {550, BYTES_INIT("5.1.1"), BYTES_INIT("No such mailbox")}},
        {BYTES_INIT("later@"), {450, BYTES_INIT("4.2.0"), BYTES_INIT("Not now")}},
        {BYTES_INIT("bye@"), {421, BYTES_INIT("4.3.2"), BYTES_INIT("Going down")}},
    };
    for (size_t i = 0; i < COUNT(habits); i++)
        if (bytes_starts(address, habits[i].start))
            return habits[i].answer;
    return (struct smtp_answer){250, BYTES("2.1.5"), BYTES("Fine")};
}

/* Everybody's password, and proof, is right but for "wrong"; "down" cannot be checked. */
static struct sasl_answer judge_login(const struct sasl_question *question)
{
    static const uint8_t signature[32];
    struct sasl_answer answer = {.account = BYTES("ann@example.org"),
                                 .salt = BYTES("salt"),
                                 .nonce = BYTES("server"),
                                 .iterations = 4096,
                                 .signature = {signature, sizeof signature}};
    if (bytes_equal(question->user, BYTES("down")))
        answer.verdict = SASL_UNAVAILABLE;
    else if (bytes_equal(question->secret, BYTES("wrong")))
        answer.verdict = SASL_DENIED;
    return answer;
}

static void trace_login(struct driver *driver)
{
    struct smtp_login login = smtp_server_login(driver->smtp);
    struct bytes name = sasl_mechanism_name(login.mechanism);
    if (login.has_succeeded)
        buf_addf(&driver->trace, "L: %.*s %.*s as %.*s\n", BYTES_ARGS(name), BYTES_ARGS(login.name),
                 BYTES_ARGS(smtp_server_user(driver->smtp)));
    else
        buf_addf(&driver->trace, "L: %.*s %.*s: %s\n", BYTES_ARGS(name), BYTES_ARGS(login.name),
                 login.failure.why);
}

static struct smtp_answer judge_begin(struct bytes reverse_path)
{
    if (bytes_starts(reverse_path, BYTES("nospace@")))
        return (struct smtp_answer){452, BYTES("4.3.1"), BYTES("No space")};
    return (struct smtp_answer){250, BYTES("2.0.0"), BYTES("Begin")};
}

static struct smtp_answer judge_store(struct bytes recipient)
{
    if (bytes_starts(recipient, BYTES("full@")))
        return (struct smtp_answer){452, BYTES("4.2.2"), BYTES("Mailbox full")};
    return (struct smtp_answer){250, BYTES("2.0.0"), BYTES("Stored")};
}

/* Takes what the machine has to say into the trace, a line each. */
static void trace_output(struct driver *driver)
{
    struct bytes output = smtp_server_output(driver->smtp), line;
    size_t total = output.len;
    while (output.len) {
        size_t end = bytes_search(output, BYTES("\r\n"));
        assert_true(end < output.len && end <= 510);
        line = bytes_sub(output, 0, end);
        buf_add(&driver->trace, BYTES("S: "));
        buf_add(&driver->trace, line);
        buf_add_byte(&driver->trace, '\n');
        output = bytes_from(output, end + 2);
    }
    smtp_server_sent(driver->smtp, total);
}

static void trace_escaped(struct driver *driver, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte == '\r')
            buf_add(&driver->trace, BYTES("\\r"));
        else if (byte == '\n')
            buf_add(&driver->trace, BYTES("\\n"));
        else if (byte == 0)
            buf_add(&driver->trace, BYTES("\\0"));
        else
            buf_add_byte(&driver->trace, byte);
    }
}

static void trace_message(struct driver *driver)
{
    static const char *const bodies[] = {"7BIT", "8BITMIME", "BINARYMIME"};
    const struct envelope *envelope = smtp_server_transaction(driver->smtp);
    struct buf *trace = &driver->trace;
    struct bytes protocol = smtp_server_protocol(driver->smtp);
    buf_addf(trace, "M: %.*s %s <%.*s>", BYTES_ARGS(protocol), bodies[envelope->body],
             BYTES_ARGS(envelope->reverse_path));
    if (envelope->envid.len)
        buf_addf(trace, " ENVID=%.*s", BYTES_ARGS(envelope->envid));
    if (envelope->ret)
        buf_addf(trace, " RET=%s", envelope->ret == RET_FULL ? "FULL" : "HDRS");
    if (envelope->by_mode)
        buf_addf(trace, " BY=%lld%s%s", (long long)(envelope->by_ms - wall_ms),
                 envelope->by_mode == BY_RETURN ? "R" : "N", envelope->by_trace ? "T" : "");
    if (envelope->hold_until_ms)
        buf_addf(trace, " HOLD=%lld", (long long)(envelope->hold_until_ms - wall_ms));
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];
        buf_addf(trace, " <%.*s>", BYTES_ARGS(recipient->address));
        if (recipient->notify)
            buf_addf(trace, " NOTIFY=%u", recipient->notify);
        if (recipient->orcpt.len)
            buf_addf(trace, " ORCPT=%.*s", BYTES_ARGS(recipient->orcpt));
    }
    buf_add_byte(trace, '|');
    trace_escaped(driver, buf_view(&driver->text));
    buf_add_byte(trace, '\n');
}

/* A driver that must wait moves what is unread: here always, to the end of a block of its own. */
static void hold(struct driver *driver)
{
    struct bytes unread = smtp_server_unread(driver->smtp);
    uint8_t *copy = malloc(unread.len ? unread.len : 1);
    if (unread.len)
        memcpy(copy, unread.at, unread.len);
    smtp_server_rebase(driver->smtp, (struct bytes){copy, unread.len});
    free(driver->held);
    driver->held = copy;
}

static void answer_store(struct driver *driver)
{
    const struct envelope *envelope = smtp_server_transaction(driver->smtp);
    if (driver->store_at == 0)
        trace_message(driver);
    struct smtp_answer answer = judge_store(envelope->recipients[driver->store_at].address);
    if (!driver->is_lmtp || ++driver->store_at == envelope->recipient_count)
        driver->store_at = 0;
    if (driver->store_at == 0)
        buf_clear(&driver->text);
    smtp_server_answer(driver->smtp, &answer);
}

static void answer_with(struct driver *driver, struct smtp_answer answer)
{
    hold(driver);
    smtp_server_answer(driver->smtp, &answer);
}

/* Steps until the machine waits. */
static void run(struct driver *driver)
{
    struct smtp_server *smtp = driver->smtp;
    for (;;) {
        enum smtp_server_effect effect = smtp_server_step(smtp);
        trace_output(driver);
        switch (effect) {
        case SERVER_WANT_INPUT: return;
        case SERVER_FLUSH: continue;
        case SERVER_CHECK_MAIL:
            answer_with(driver, judge(smtp_server_transaction(smtp)->reverse_path));
            continue;
        case SERVER_CHECK_RCPT:
            answer_with(driver, judge(smtp_server_recipient(smtp)->address));
            continue;
        case SERVER_BEGIN_BODY:
            answer_with(driver, judge_begin(smtp_server_transaction(smtp)->reverse_path));
            continue;
        case SERVER_BODY: buf_add(&driver->text, smtp_server_chunk(smtp)); continue;
        case SERVER_STORE:
            hold(driver);
            answer_store(driver);
            continue;
        case SERVER_LOGIN: {
            hold(driver);
            struct sasl_answer login = judge_login(smtp_server_question(smtp));
            smtp_server_login_answer(smtp, &login);
            continue;
        }
        case SERVER_LOGIN_END: trace_login(driver); continue;
        case SERVER_NEW_PEER: fail(); continue;
        case SERVER_START_TLS:
            buf_add(&driver->trace, BYTES("T:\n"));
            smtp_server_secured(smtp, NOW);
            continue;
        case SERVER_DROP_BODY:
            buf_add(&driver->trace, BYTES("D:\n"));
            buf_clear(&driver->text);
            continue;
        case SERVER_CLOSE:
            if (!driver->is_closed)
                buf_add(&driver->trace, BYTES("S: (closed)\n"));
            driver->is_closed = true;
            return;
        }
    }
}

/* The input lies at the end of a block of exactly its size. */
static void feed(struct driver *driver, struct bytes input)
{
    uint8_t *copy = malloc(input.len ? input.len : 1);
    if (input.len)
        memcpy(copy, input.at, input.len);
    smtp_server_input(driver->smtp, (struct bytes){copy, input.len}, NOW, wall_ms);
    free(driver->held);
    driver->held = copy;
    run(driver);
    assert_int_equal(smtp_server_unread(driver->smtp).len, 0);
}

static void driver_init(struct driver *driver, const struct smtp_server_settings *settings)
{
    *driver = (struct driver){.is_lmtp = settings->role == ROLE_LMTP};
    driver->smtp = smtp_server_new(settings, BYTES("192.0.2.1"), NOW, wall_ms);
    /* As if in clear text, where settings have more than what a test in clear text may do. */
    smtp_server_allow_login(driver->smtp, settings->logins & CLEAR ? 0 : UINT_MAX);
    buf_init(&driver->trace, FILE_LIMIT);
    buf_init(&driver->text, FILE_LIMIT);
    run(driver);
}

static void driver_done(struct driver *driver)
{
    smtp_server_free(driver->smtp);
    buf_done(&driver->trace);
    buf_done(&driver->text);
    free(driver->held);
}

/* One dialogue of a transcript. */
struct dialogue {
    struct bytes name, script;
    struct smtp_server_settings settings;
    struct buf input; /* all "C: " lines as they go over the wire */
};

static void add_unescaped(struct buf *out, struct bytes line)
{
    bool has_end = true;
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] != '\\' || i + 1 == line.len) {
            buf_add_byte(out, line.at[i]);
            continue;
        }
        switch (line.at[++i]) {
        case 'r': buf_add_byte(out, '\r'); break;
        case 'n': buf_add_byte(out, '\n'); break;
        case '0': buf_add_byte(out, 0); break;
        case 'c': has_end = false; break;
        case '*': /* \*N: the byte before it N times in all */
            for (int n = (line.at[i + 1] - '0') * 100 + (line.at[i + 2] - '0') * 10 +
                         (line.at[i + 3] - '0');
                 n > 1; n--)
                buf_add_byte(out, out->at[out->len - 1]);
            i += 3;
            break;
        default: buf_add_byte(out, line.at[i]); break;
        }
    }
    if (has_end)
        buf_add(out, BYTES("\r\n"));
}

static void set_option(struct smtp_server_settings *settings, struct bytes option)
{
    struct bytes key, value;
    uint64_t number = 0;
    bytes_cut(option, '=', &key, &value);
    if (bytes_equal(option, BYTES("lmtp")))
        settings->role = ROLE_LMTP;
    else if (bytes_equal(option, BYTES("submission")))
        settings->role = ROLE_SUBMISSION;
    else if (!scan_u64(value, UINT32_MAX, &number))
        fail_msg("option %.*s", BYTES_ARGS(option));
    else if (bytes_equal(key, BYTES("size")))
        settings->size_limit = number;
    else if (bytes_equal(key, BYTES("line")))
        settings->line_limit = number;
    else if (bytes_equal(key, BYTES("recipients")))
        settings->recipient_limit = number;
    else if (bytes_equal(key, BYTES("errors")))
        settings->error_limit = number;
    else if (bytes_equal(key, BYTES("messages")))
        settings->transaction_limit = number;
    else if (bytes_equal(key, BYTES("logins")))
        settings->logins = (unsigned)number;
    else if (bytes_equal(key, BYTES("hidden")))
        settings->hidden = (unsigned)number;
    else if (bytes_equal(key, BYTES("tls")))
        settings->tls = (enum smtp_server_tls)number;
    else if (bytes_equal(key, BYTES("hold")))
        settings->hold_limit_ms = (int64_t)number;
    else
        fail_msg("option %.*s", BYTES_ARGS(option));
}

/* Cuts the next dialogue off the file: "== name [option...]" and its lines. */
static bool dialogue_next(struct bytes *file, struct dialogue *out)
{
    struct bytes head, options;
    size_t start = bytes_search(*file, BYTES("== "));
    if (start == file->len)
        return false;
    bytes_cut(bytes_from(*file, start + 3), '\n', &head, file);
    size_t end = bytes_search(*file, BYTES("\n== "));
    out->script = bytes_sub(*file, 0, end + 1);
    *file = bytes_from(*file, end);
    out->settings = plain;
    if (bytes_cut(head, '[', &out->name, &options))
        for (struct bytes option; options.len && bytes_find(options, ']');) {
            bytes_cut(bytes_sub(options, 0, bytes_find(options, ']')), ' ', &option, &options);
            set_option(&out->settings, option);
        }
    buf_init(&out->input, FILE_LIMIT);
    for (struct bytes rest = out->script, line; rest.len;) {
        bytes_cut(rest, '\n', &line, &rest);
        if (bytes_starts(line, BYTES("C: ")))
            add_unescaped(&out->input, bytes_from(line, 3));
    }
    return true;
}

/* Is this what the script expects? A line that ends in * is a beginning. */
static void check_trace(const struct dialogue *dialogue, const struct driver *driver,
                        const char *manner, size_t at)
{
    struct bytes trace = buf_view(&driver->trace), script = dialogue->script, want, got;
    while (script.len) {
        bytes_cut(script, '\n', &want, &script);
        if (!want.len || bytes_starts(want, BYTES("C: ")) || want.at[0] == '#')
            continue;
        bytes_cut(trace, '\n', &got, &trace);
        bool is_good = want.at[want.len - 1] == '*'
                           ? bytes_starts(got, bytes_sub(want, 0, want.len - 1))
                           : bytes_equal(got, want);
        if (!is_good)
            fail_msg("%.*s (%s %zu): wanted \"%.*s\", got \"%.*s\"", BYTES_ARGS(dialogue->name),
                     manner, at, BYTES_ARGS(want), BYTES_ARGS(got));
    }
    if (trace.len)
        fail_msg("%.*s (%s %zu): then came \"%.*s\"", BYTES_ARGS(dialogue->name), manner, at,
                 BYTES_ARGS(trace));
}

/* Feeds the input from..to; the client waits for the reply to each line that says STARTTLS. */
static void feed_part(struct driver *driver, const struct dialogue *dialogue, size_t from,
                      size_t to)
{
    struct bytes input = buf_view(&dialogue->input);
    static const struct bytes words[] = {BYTES_INIT("STARTTLS\r\n"), BYTES_INIT("starttls\r\n")};
    for (size_t at = 0; at < to && dialogue->settings.tls; at++)
        for (size_t i = 0; i < COUNT(words); i++) {
            size_t end = at + words[i].len;
            if (bytes_starts(bytes_from(input, at), words[i]) && end > from && end <= to) {
                feed(driver, bytes_sub(input, from, end - from));
                from = end;
            }
        }
    feed(driver, bytes_sub(input, from, to - from));
}

static void check_cut(const struct dialogue *dialogue, size_t at)
{
    struct driver driver;
    driver_init(&driver, &dialogue->settings);
    feed_part(&driver, dialogue, 0, at);
    feed_part(&driver, dialogue, at, dialogue->input.len);
    check_trace(dialogue, &driver, "cut at", at);
    driver_done(&driver);
}

static void check_bytewise(const struct dialogue *dialogue)
{
    struct driver driver;
    struct bytes input = buf_view(&dialogue->input);
    driver_init(&driver, &dialogue->settings);
    for (size_t i = 0; i < input.len; i++)
        feed(&driver, bytes_sub(input, i, 1));
    check_trace(dialogue, &driver, "byte by byte", 0);
    driver_done(&driver);
}

static const char *transcripts[16];
static size_t transcript_count;

static struct bytes file_read(const char *path, uint8_t *room)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be read", path);
    size_t len = fread(room, 1, FILE_LIMIT, file);
    fclose(file);
    return (struct bytes){room, len};
}

static void transcripts_hold(void **state)
{
    uint8_t *room = malloc(FILE_LIMIT);
    size_t count = 0;
    for (size_t i = 0; i < transcript_count; i++) {
        struct bytes file = file_read(transcripts[i], room);
        struct dialogue dialogue;
        while (dialogue_next(&file, &dialogue)) {
            check_bytewise(&dialogue);
            for (size_t at = 0; at <= dialogue.input.len; at++)
                check_cut(&dialogue, at);
            buf_done(&dialogue.input);
            count++;
        }
    }
    free(room);
    assert_true(count > 0);
}

static void say(struct driver *driver, const char *text)
{
    feed(driver, bytes_of(text));
}

static void peers_are_watched(void **state)
{
    static const struct {
        const char *name, *first, *second;
        unsigned want;
    } rows[] = {
        {"a good one", "EHLO a\r\n", "MAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\n", 0},
        {"DATA last of its group", "EHLO a\r\n",
         "MAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n", 0},
        {"behind EHLO", "EHLO a\r\nMAIL FROM:<a@b.example>\r\n", "", PEER_PIPELINED_UNASKED},
        {"text behind DATA", "EHLO a\r\n",
         "MAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nx\r\n.\r\n",
         PEER_PIPELINED_UNASKED},
        {"behind NOOP", "EHLO a\r\n", "NOOP\r\nNOOP\r\n", PEER_PIPELINED_UNASKED},
        {"LF alone", "EHLO a\nNOOP\r\n", "", PEER_BARE_NEWLINE},
        {"CR alone", "EHLO a\rNOOP\r\n", "", PEER_BARE_NEWLINE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct driver driver;
        driver_init(&driver, &plain);
        say(&driver, rows[i].first);
        say(&driver, rows[i].second);
        if (smtp_server_peer_flags(driver.smtp) != rows[i].want)
            fail_msg("%s: %#x", rows[i].name, smtp_server_peer_flags(driver.smtp));
        driver_done(&driver);
    }
}

static void early_talkers_are_noticed(void **state)
{
    struct smtp_server *smtp = smtp_server_new(&plain, BYTES("192.0.2.1"), NOW, wall_ms);
    assert_int_equal(smtp_server_step(smtp), SERVER_WANT_INPUT);
    smtp_server_sent(smtp, 10); /* not all of the greeting is out */
    smtp_server_input(smtp, BYTES("EHLO a\r\n"), NOW, wall_ms);
    assert_int_equal(smtp_server_peer_flags(smtp), PEER_TALKED_EARLY);
    smtp_server_free(smtp);
}

static void expire(struct driver *driver, int64_t now_ms)
{
    smtp_server_expire(driver->smtp, now_ms);
    run(driver);
}

static void silence_ends_the_session(void **state)
{
    struct driver driver;
    driver_init(&driver, &plain);
    assert_int_equal(smtp_server_deadline(driver.smtp), NOW + plain.command_timeout_ms);
    buf_clear(&driver.trace);
    expire(&driver, NOW + plain.command_timeout_ms - 1);
    assert_false(driver.is_closed);
    expire(&driver, NOW + plain.command_timeout_ms);
    assert_true(driver.is_closed);
    assert_true(bytes_starts(buf_view(&driver.trace), BYTES("S: 421 4.4.2 ")));
    assert_int_equal(smtp_server_deadline(driver.smtp), INT64_MAX);
    driver_done(&driver);
}

/* Single bytes do not put off the end of the time for a command. */
static void drips_do_not_help(void **state)
{
    struct driver driver;
    driver_init(&driver, &plain);
    smtp_server_input(driver.smtp, BYTES("E"), NOW + 200000, wall_ms);
    run(&driver);
    assert_int_equal(smtp_server_deadline(driver.smtp), NOW + plain.command_timeout_ms);
    smtp_server_input(driver.smtp, BYTES("HLO a\r\n"), NOW + 250000, wall_ms);
    run(&driver);
    assert_int_equal(smtp_server_deadline(driver.smtp), NOW + 250000 + plain.command_timeout_ms);
    driver_done(&driver);
}

static void slow_senders_are_ended(void **state)
{
    struct smtp_server_settings settings = plain;
    settings.data_rate_min = 10;
    settings.size_limit = 100000;
    struct driver driver;
    driver_init(&driver, &settings);
    say(&driver, "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
    smtp_server_input(driver.smtp, BYTES("0123456789"), NOW, wall_ms);
    run(&driver);
    assert_int_equal(smtp_server_deadline(driver.smtp), NOW + 60000);
    for (int i = 1; i < 70; i++) {
        smtp_server_input(driver.smtp, BYTES("01234567\r\n"), NOW + i * 1000, wall_ms);
        run(&driver);
    }
    assert_int_equal(smtp_server_deadline(driver.smtp), NOW + 70000);
    expire(&driver, NOW + 70000);
    assert_true(driver.is_closed);
    assert_int_equal(driver.text.len, 0);
    driver_done(&driver);
}

/* While the driver thinks, the peer owes nothing. */
static void the_clock_stands_for_the_driver(void **state)
{
    static const struct smtp_answer yes = {250, BYTES_INIT("2.1.0"), BYTES_INIT("Fine")};
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO a\r\n");
    smtp_server_input(driver.smtp, BYTES("MAIL FROM:<a@b.example>\r\n"), NOW, wall_ms);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_CHECK_MAIL);
    assert_int_equal(smtp_server_deadline(driver.smtp), INT64_MAX);
    smtp_server_answer(driver.smtp, &yes);
    run(&driver);
    int64_t later = NOW + 2 * plain.command_timeout_ms;
    expire(&driver, later);
    assert_false(driver.is_closed);
    assert_int_equal(smtp_server_deadline(driver.smtp), later + plain.command_timeout_ms);
    driver_done(&driver);
}

static void a_hangup_drops_what_was_begun(void **state)
{
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nhalf");
    buf_clear(&driver.trace);
    smtp_server_hangup(driver.smtp);
    run(&driver);
    assert_true(bytes_equal(buf_view(&driver.trace), BYTES("D:\nS: (closed)\n")));
    driver_done(&driver);
}

/* What is complete is the driver's: its late answer goes nowhere. */
static void a_hangup_leaves_what_is_complete(void **state)
{
    static const struct smtp_answer yes = {250, BYTES_INIT("2.0.0"), BYTES_INIT("Fine")};
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
    smtp_server_input(driver.smtp, BYTES("all\r\n.\r\n"), NOW, wall_ms);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_BODY);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_STORE);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_STORE);
    smtp_server_hangup(driver.smtp);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_CLOSE);
    smtp_server_answer(driver.smtp, &yes);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_CLOSE);
    assert_int_equal(smtp_server_output(driver.smtp).len, 0);
    driver_done(&driver);
}

static void shutting_waits_for_the_transaction(void **state)
{
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
    smtp_server_shut(driver.smtp);
    run(&driver);
    assert_false(driver.is_closed);
    buf_clear(&driver.trace);
    say(&driver, "x\r\n.\r\nMAIL FROM:<a@b.example>\r\n");
    assert_true(driver.is_closed);
    assert_true(bytes_starts(buf_view(&driver.trace),
                             BYTES("M: ESMTP 7BIT <a@b.example> <b@b.example>|x\\r\\n\n"
                                   "S: 250 2.0.0 Stored\nS: 421 4.3.2 ")));
    driver_done(&driver);
}

static void refusals_are_told_once(void **state)
{
    struct bytes verb, text;
    int code;
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO a\r\nMAIL FROM:<unknown@b.example>\r\n");
    assert_false(smtp_server_refused(driver.smtp, &verb, &code, &text));
    say(&driver, "RCPT TO:<b@b.example>\r\n");
    assert_true(smtp_server_refused(driver.smtp, &verb, &code, &text));
    assert_true(bytes_equal(verb, BYTES("RCPT")) && code == 503 && text.len);
    assert_false(smtp_server_refused(driver.smtp, &verb, &code, &text));
    driver_done(&driver);
}

/* Of a pipelined group each refusal can be logged, and why the session ended. */
static void every_refusal_is_told(void **state)
{
    static const char *const want[] = {"MAIL", "RCPT", "DATA", "NOPE", "errors"};
    struct smtp_server_settings settings = plain;
    struct bytes verb, text;
    int code;
    size_t told = 0;
    settings.error_limit = 4;
    struct smtp_server *smtp = smtp_server_new(&settings, BYTES("192.0.2.1"), NOW, wall_ms);
    smtp_server_input(smtp,
                      BYTES("EHLO a\r\nMAIL FROM:<\r\nRCPT TO:<b@b.example>\r\nDATA\r\nNOPE\r\n"),
                      NOW, wall_ms);
    for (enum smtp_server_effect effect = SERVER_FLUSH; effect == SERVER_FLUSH;) {
        effect = smtp_server_step(smtp);
        while (smtp_server_refused(smtp, &verb, &code, &text)) {
            assert_true(told < COUNT(want));
            if (!bytes_equal_nocase(verb, bytes_of(want[told])) && told != 3)
                fail_msg("%zu: %.*s", told, BYTES_ARGS(verb));
            told++;
        }
    }
    assert_int_equal(told, COUNT(want));
    assert_int_equal(code, 421);
    smtp_server_free(smtp);
}

/* CVE-2011-0411: what a man in the middle puts behind STARTTLS is never taken for the peer's. */
static void bytes_behind_starttls_end_the_session(void **state)
{
    struct smtp_server_settings settings = plain;
    settings.tls = SERVER_TLS_OFFERED;
    struct bytes verb, text;
    int code;
    struct driver driver;
    driver_init(&driver, &settings);
    say(&driver, "EHLO a\r\n");
    buf_clear(&driver.trace);
    say(&driver, "STARTTLS\r\nMAIL FROM:<a@b.example>\r\n");
    assert_true(bytes_equal(buf_view(&driver.trace),
                            BYTES("S: 554 5.5.1 Bytes in clear text behind STARTTLS; wait for the "
                                  "reply to it, then begin with TLS\nS: (closed)\n")));
    assert_true(smtp_server_refused(driver.smtp, &verb, &code, &text));
    assert_true(bytes_equal(verb, BYTES("STARTTLS")) && code == 554);
    assert_true(smtp_server_peer_flags(driver.smtp) & PEER_PIPELINED_UNASKED);
    driver_done(&driver);
}

/* A mail program that is set to TLS from the first byte on, at a port that is not. */
static void a_handshake_for_nobody_is_told(void **state)
{
    struct bytes verb, text;
    int code;
    struct driver driver;
    driver_init(&driver, &plain);
    buf_clear(&driver.trace);
    feed(&driver, (struct bytes){(const uint8_t *)"\x16\x03\x01\x02\0\n\x01", 7});
    assert_true(smtp_server_refused(driver.smtp, &verb, &code, &text));
    assert_true(bytes_equal(verb, BYTES("TLS")) && code == 554);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_CLOSE);
    driver_done(&driver);
}

/* The same bytes a little later, when the 220 is out already. */
static void bytes_before_the_handshake_end_the_session(void **state)
{
    struct smtp_server_settings settings = plain;
    settings.tls = SERVER_TLS_OFFERED;
    struct bytes verb, text;
    int code;
    struct driver driver;
    driver_init(&driver, &settings);
    smtp_server_input(driver.smtp, BYTES("STARTTLS\r\n"), NOW, wall_ms);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_START_TLS);
    smtp_server_input(driver.smtp, BYTES("MAIL FROM:<a@b.example>\r\n"), NOW, wall_ms);
    trace_output(&driver);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_CLOSE);
    assert_int_equal(smtp_server_output(driver.smtp).len, 0);
    assert_true(smtp_server_refused(driver.smtp, &verb, &code, &text));
    smtp_server_secured(driver.smtp, NOW);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_CLOSE);
    driver_done(&driver);
}

static void a_handshake_has_its_time(void **state)
{
    static const enum smtp_server_tls modes[] = {SERVER_TLS_OFFERED, SERVER_TLS_IMPLICIT};
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct smtp_server_settings settings = plain;
        settings.tls = modes[i];
        struct smtp_server *smtp = smtp_server_new(&settings, BYTES("192.0.2.1"), NOW, wall_ms);
        if (modes[i] == SERVER_TLS_OFFERED)
            smtp_server_input(smtp, BYTES("STARTTLS\r\n"), NOW, wall_ms);
        assert_int_equal(smtp_server_step(smtp), SERVER_START_TLS);
        smtp_server_sent(smtp, smtp_server_output(smtp).len);
        assert_int_equal(smtp_server_deadline(smtp), NOW + settings.handshake_timeout_ms);
        smtp_server_expire(smtp, NOW + settings.handshake_timeout_ms);
        assert_int_equal(smtp_server_step(smtp), SERVER_CLOSE);
        assert_int_equal(smtp_server_output(smtp).len, 0);
        smtp_server_free(smtp);
    }
}

/* One view for a message in one piece, into the input itself. */
static void text_is_not_copied(void **state)
{
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
    struct bytes input = BYTES("one\r\ntwo .\r\nthree\r\n.\r\n");
    smtp_server_input(driver.smtp, input, NOW, wall_ms);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_BODY);
    struct bytes chunk = smtp_server_chunk(driver.smtp);
    assert_ptr_equal(chunk.at, input.at);
    assert_int_equal(chunk.len, input.len - 3);
    assert_int_equal(smtp_server_step(driver.smtp), SERVER_STORE);
    driver_done(&driver);
}

/* A peer that asks and never reads is not served on and on. */
static void output_is_bounded(void **state)
{
    enum { ASKED = 20000 };
    struct smtp_server *smtp = smtp_server_new(&plain, BYTES("192.0.2.1"), NOW, wall_ms);
    char *input = malloc(ASKED * 6);
    for (size_t i = 0; i < ASKED; i++)
        memcpy(input + i * 6, "HELP\r\n", 6);
    smtp_server_input(smtp, (struct bytes){(uint8_t *)input, (size_t)ASKED * 6}, NOW, wall_ms);
    assert_int_equal(smtp_server_step(smtp), SERVER_FLUSH);
    assert_true(smtp_server_output(smtp).len < 66000);
    size_t flushes = 0;
    for (; smtp_server_step(smtp) == SERVER_FLUSH; flushes++) {
        smtp_server_sent(smtp, 1); /* still too much */
        smtp_server_sent(smtp, smtp_server_output(smtp).len);
    }
    assert_true(flushes > 10);
    smtp_server_free(smtp);
    free(input);
}

/* Ten thousand idle sessions are to be cheap. */
static void an_idle_session_is_small(void **state)
{
    struct mallinfo2 before = mallinfo2();
    struct driver driver;
    driver_init(&driver, &plain);
    say(&driver, "EHLO client.example.com\r\nMAIL FROM:<a@b.example>\r\nRSET\r\nNO");
    say(&driver, "OP\r\n");
    buf_free(&driver.trace);
    buf_free(&driver.text);
    free(driver.held);
    driver.held = NULL;
    struct mallinfo2 after = mallinfo2();
    /* Under a sanitizer's allocator both are 0. */
    assert_true(after.uordblks - before.uordblks < 1536);
    driver_done(&driver);
}

int main(int count, char **arguments)
{
    for (int i = 1; i < count && transcript_count < COUNT(transcripts); i++)
        transcripts[transcript_count++] = arguments[i];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transcripts_hold),
        cmocka_unit_test(peers_are_watched),
        cmocka_unit_test(early_talkers_are_noticed),
        cmocka_unit_test(silence_ends_the_session),
        cmocka_unit_test(drips_do_not_help),
        cmocka_unit_test(slow_senders_are_ended),
        cmocka_unit_test(the_clock_stands_for_the_driver),
        cmocka_unit_test(a_hangup_drops_what_was_begun),
        cmocka_unit_test(a_hangup_leaves_what_is_complete),
        cmocka_unit_test(shutting_waits_for_the_transaction),
        cmocka_unit_test(refusals_are_told_once),
        cmocka_unit_test(every_refusal_is_told),
        cmocka_unit_test(bytes_behind_starttls_end_the_session),
        cmocka_unit_test(a_handshake_for_nobody_is_told),
        cmocka_unit_test(bytes_before_the_handshake_end_the_session),
        cmocka_unit_test(a_handshake_has_its_time),
        cmocka_unit_test(text_is_not_copied),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(an_idle_session_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/compose.h"
#include "cli/paint.h"
#include "cli/send_talk.h"
#include "cli/user_password.h"
#include "cli/verify_file.h"

enum { CA_LIMIT = 1 << 20, LINE_LIMIT = 4096 };

/* All that a sending owns. */
struct sending {
    struct send_plan plan;
    struct arena *arena;
    struct config *config; /* NULL: none is needed */
    struct buf text, html, ca, password;
    struct message_file file;
    struct dialogue *dialogue;
    struct send_result result;
    char own_name[256];
};

static int complain(const char *text, int status)
{
    fprintf(stderr, "postrider send: %s\n", text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "see: postrider send --help\n");
    return status;
}

/* --- The message ------------------------------------------------------------------------------ */

/* LF alone ends lines, as GMime has it. */
static void drop_cr(struct buf *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->len; i++)
        if (text->at[i] != '\r' || i + 1 == text->len || text->at[i + 1] != '\n')
            text->at[kept++] = text->at[i];
    text->len = kept;
}

/* A text in UTF-8. False and err. */
static bool read_text(const char *path, struct buf *out, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    if (is_stdin && isatty(STDIN_FILENO))
        fprintf(stderr, "Type the text; end it with Ctrl-D on a line of its own.\n");
    if (!verify_file_read(path, out, err))
        return error_wrap(err, "%s", is_stdin ? "standard input" : path);
    drop_cr(out);
    return bytes_is_utf8(buf_view(out)) ||
           error_set(err, 0,
                     "%.100s is not UTF-8; iconv -f LATIN1 -t UTF-8 makes it so, or attach "
                     "the file",
                     is_stdin ? "the text" : path);
}

static bool compose_message(struct sending *sending, struct error *err)
{
    const struct send_plan *plan = &sending->plan;
    struct compose_texts texts = {.has_html = plan->html_file != NULL};
    texts.has_text = plan->text || plan->text_file;
    if (plan->text)
        buf_add(&sending->text, bytes_of(plan->text));
    else if (plan->text_file && !read_text(plan->text_file, &sending->text, err))
        return false;
    if (plan->html_file && !read_text(plan->html_file, &sending->html, err))
        return false;
    /* A text whose last line has no end would be glued to what follows in some readers. */
    if (plan->text)
        buf_add_byte(&sending->text, '\n');
    texts.text = buf_view(&sending->text);
    texts.html = buf_view(&sending->html);
    return compose(plan, &texts, sending->file.fd, err);
}

static bool copy_message(struct sending *sending, struct error *err)
{
    const char *path = sending->plan.message_file;
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "%.150s", path);
    bool is_copied = message_file_fill(&sending->file, fd, err);
    if (!is_stdin)
        close(fd);
    return is_copied;
}

/* The message is in its file; what it needs of the server is known. */
static bool make_message(struct sending *sending, struct error *err)
{
    if (!message_file_open(&sending->file, err))
        return false;
    bool is_made =
        sending->plan.message_file ? copy_message(sending, err) : compose_message(sending, err);
    return is_made && message_file_examine(&sending->file, err);
}

/* With the line ends of this system. */
static bool print_message(struct sending *sending, struct error *err)
{
    uint8_t piece[65536];
    ssize_t got;
    if (!make_message(sending, err))
        return false;
    uint64_t done = 0;
    while ((got = message_file_read(&sending->file, done, piece, sizeof piece, err)) > 0) {
        done += (uint64_t)got;
        for (ssize_t i = 0; i < got; i++)
            if (piece[i] != '\r')
                putchar(piece[i]);
    }
    return got == 0 && (fflush(stdout) == 0 || error_set(err, errno, "print the message"));
}

/* --- The way ---------------------------------------------------------------------------------- */

/* Where a listener on every address is to be found from here. */
static struct bytes host_of(const struct config_listener *listener)
{
    if (strcmp(listener->host, "0.0.0.0") == 0)
        return BYTES("127.0.0.1");
    if (strcmp(listener->host, "::") == 0)
        return BYTES("::1");
    return bytes_of(listener->host);
}

/* Where people hand in mail: the socket for programs on this host, unless somebody logs in or may
 * not enter; then a listener, one without TLS from the beginning first. */
static const struct config_listener *find_own(const struct sending *sending)
{
    const struct config *config = sending->config;
    const struct config_listener *found = NULL;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (listener->is_local && !sending->plan.user &&
            access(config->submission_socket, W_OK) == 0)
            return listener;
        if (listener->role != ROLE_SUBMISSION || listener->is_local)
            continue;
        if (!found || found->smtp.tls == SERVER_TLS_IMPLICIT)
            found = listener;
    }
    return found;
}

/* The server that the configuration is for. */
static bool choose_own_server(struct sending *sending, struct error *err)
{
    struct send_plan *plan = &sending->plan;
    const struct config_listener *found = find_own(sending);
    if (!found)
        return error_set(err, 0,
                         "%.100s has no listener with role: submission; name a server: "
                         "--server HOST",
                         sending->config->path);
    if (found->is_local) {
        plan->unix_path = sending->config->submission_socket;
        return true;
    }
    plan->host = host_of(found);
    plan->tls_name = bytes_of(sending->config->hostname);
    plan->port = found->port;
    if (plan->tls == SEND_TLS_ANY && found->smtp.tls == SERVER_TLS_IMPLICIT)
        plan->tls = SEND_TLS_IMPLICIT;
    return true;
}

static bool read_config(struct sending *sending, struct error *err)
{
    struct options options = {.config = sending->plan.config};
    if (!options.config)
        options.config = COMMAND_CONFIG_DEFAULT;
    if (!sending->plan.config && access(options.config, R_OK) != 0)
        return error_set(err, 0,
                         "there is no configuration (%s) that says where to; name a server: "
                         "--server HOST",
                         options.config);
    sending->config = command_config(&options);
    return sending->config || error_set(err, 0, "the configuration cannot be used");
}

static bool read_password(struct sending *sending, struct error *err)
{
    const struct send_plan *plan = &sending->plan;
    if (!plan->user)
        return true;
    if (!plan->password_file)
        return user_password_ask(plan->user, plan->is_password_stdin, &sending->password) ||
               error_set(err, 0, "nothing was sent");
    buf_init(&sending->password, LINE_LIMIT);
    /* So that it never moves, and leaves nothing behind. */
    (void)buf_reserve(&sending->password, LINE_LIMIT);
    if (!verify_file_read(plan->password_file, &sending->password, err))
        return error_wrap(err, "%s", plan->password_file);
    struct bytes line, rest;
    bytes_cut(buf_view(&sending->password), '\n', &line, &rest);
    sending->password.len = line.len - (line.len && line.at[line.len - 1] == '\r');
    return sending->password.len ||
           error_set(err, 0, "%.150s: its first line is empty", plan->password_file);
}

static void show_line(void *context, enum dialogue_side side, struct bytes line)
{
    struct buf clean;
    buf_init(&clean, LINE_LIMIT);
    paint_add(&clean, bytes_sub(line, 0, LINE_LIMIT / 2));
    fprintf(stderr, "%s %.*s\n", side == DIALOGUE_SAID ? ">" : "<", BYTES_ARGS(buf_view(&clean)));
    buf_done(&clean);
}

static bool open_dialogue(struct sending *sending, struct error *err)
{
    enum { CONNECT_MS = 30 * 1000 };
    int64_t timeout_ms = sending->plan.timeout_ms;
    struct dialogue_settings settings = {
        .connect_ms = timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS,
        .reply_ms = timeout_ms,
        .watch = sending->plan.is_verbose ? show_line : NULL,
    };
    sending->dialogue = dialogue_new(&settings, err);
    return sending->dialogue != NULL;
}

/* --- What came of it -------------------------------------------------------------------------- */

/* 1 when anybody goes without for good. */
static int status_of(const struct sending *sending)
{
    const struct send_result *result = &sending->result;
    bool is_refused = false, is_delayed = !result->is_taken && result->is_temporary;
    for (size_t i = 0; i < sending->plan.recipient_count; i++) {
        is_refused |= result->recipients[i].code / 100 == 5;
        is_delayed |= result->recipients[i].code / 100 == 4;
    }
    if (is_refused || (!result->is_taken && !is_delayed))
        return EXIT_BAD;
    return is_delayed ? EXIT_LATER : EXIT_GOOD;
}

static void print_clean(struct bytes text)
{
    struct buf clean;
    buf_init(&clean, LINE_LIMIT);
    paint_add(&clean, text);
    printf("%.*s", BYTES_ARGS(buf_view(&clean)));
    buf_done(&clean);
}

/* The message's name in the queue of a Postrider, by its reply; empty: it is not one's. */
static struct bytes id_in(const char *reply)
{
    static const struct bytes mark = BYTES_INIT(" kept safe as ");
    struct bytes text = bytes_of(reply), id;
    size_t at = bytes_search(text, mark);
    if (at == text.len)
        return BYTES_NONE;
    text = bytes_from(text, at + mark.len);
    bytes_cut(text, ' ', &id, &text);
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_alpha(id.at[i]) && !ascii_is_digit(id.at[i]))
            return bytes_sub(id, 0, i);
    return id;
}

static void print_recipients(const struct sending *sending)
{
    int width = 0;
    for (size_t i = 0; i < sending->plan.recipient_count; i++)
        if ((int)sending->plan.recipients[i].len > width)
            width = (int)sending->plan.recipients[i].len;
    for (size_t i = 0; i < sending->plan.recipient_count; i++) {
        const struct send_answer *answer = &sending->result.recipients[i];
        int class = answer->code / 100;
        if (answer->code == 0)
            continue;
        print_clean(sending->plan.recipients[i]);
        printf("%*s  ", width - (int)sending->plan.recipients[i].len, "");
        paint_print(class == 2   ? PAINT_GREEN
                    : class == 4 ? PAINT_YELLOW
                                 : PAINT_RED,
                    class == 2   ? "ok     "
                    : class == 4 ? "later  "
                                 : "refused");
        printf("  ");
        print_clean(bytes_of(answer->text));
        putchar('\n');
    }
}

static void print_text(const struct sending *sending, int status)
{
    const struct send_result *result = &sending->result;
    struct buf size;
    struct bytes id = result->is_taken && sending->config ? id_in(result->reply) : BYTES_NONE;
    if (result->place[0]) {
        print_clean(bytes_of(result->place));
        printf("%s%s\n", result->tls[0] ? ", " : "", result->tls);
    }
    print_recipients(sending);
    buf_init(&size, 64);
    paint_size(&size, sending->file.size_bytes);
    if (result->is_taken) {
        paint_print(PAINT_GREEN, "sent");
        printf(": ");
        print_clean(bytes_of(result->reply));
        printf(" (%.*s%s, %lld.%lld s)\n", BYTES_ARGS(buf_view(&size)),
               sending->file.size_bytes < 1024 ? " bytes" : "", (long long)(result->took_ms / 1000),
               (long long)(result->took_ms % 1000 / 100));
    } else {
        paint_print(status == EXIT_LATER ? PAINT_YELLOW : PAINT_RED, "not sent");
        printf(": ");
        print_clean(bytes_of(result->problem));
        putchar('\n');
    }
    if (result->next[0])
        printf("next: %s\n", result->next);
    else if (id.len)
        printf("next: postrider trace %.*s%s%s\n", BYTES_ARGS(id),
               sending->plan.config ? " --config " : "",
               sending->plan.config ? sending->plan.config : "");
    buf_done(&size);
}

static json_t *clean_json(struct bytes text)
{
    struct buf clean;
    buf_init(&clean, LINE_LIMIT);
    paint_add(&clean, text);
    json_t *string = json_stringn(clean.at ? (const char *)clean.at : "", clean.len);
    buf_done(&clean);
    return string;
}

static void print_json(const struct sending *sending)
{
    const struct send_result *result = &sending->result;
    json_t *list = json_array();
    for (size_t i = 0; i < sending->plan.recipient_count; i++)
        json_array_append_new(list, json_pack("{s:o,s:i,s:o}", "address",
                                              clean_json(sending->plan.recipients[i]), "code",
                                              result->recipients[i].code, "reply",
                                              clean_json(bytes_of(result->recipients[i].text))));
    json_t *all =
        json_pack("{s:b,s:o,s:s,s:o,s:i,s:o,s:o,s:o,s:s,s:I,s:I}", "sent", result->is_taken,
                  "server", clean_json(bytes_of(result->place)), "tls", result->tls, "recipients",
                  list, "code", result->code, "reply", clean_json(bytes_of(result->reply)), "id",
                  clean_json(result->is_taken ? id_in(result->reply) : BYTES_NONE), "problem",
                  clean_json(bytes_of(result->problem)), "next", result->next, "size",
                  (json_int_t)sending->file.size_bytes, "took_ms", (json_int_t)result->took_ms);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

/* --- The command ------------------------------------------------------------------------------ */

static int run(struct sending *sending)
{
    struct error err;
    struct send_plan *plan = &sending->plan;
    if (plan->is_dry_run)
        return print_message(sending, &err) ? EXIT_GOOD : complain(err.text, EXIT_BAD);
    bool has_server = plan->host.len || plan->unix_path;
    if (!has_server && !read_config(sending, &err))
        return complain(err.text, EXIT_CONFIG);
    if (!has_server && !choose_own_server(sending, &err))
        return complain(err.text, EXIT_CONFIG);
    if (plan->ca && !verify_file_read(plan->ca, &sending->ca, &err)) {
        (void)error_wrap(&err, "%s", plan->ca);
        return complain(err.text, EXIT_BAD);
    }
    if (!read_password(sending, &err) || !make_message(sending, &err) ||
        !open_dialogue(sending, &err))
        return complain(err.text, EXIT_BAD);
    if (gethostname(sending->own_name, sizeof sending->own_name - 1) != 0 || !sending->own_name[0])
        snprintf(sending->own_name, sizeof sending->own_name, "localhost");
    struct send_way way = {.plan = plan,
                           .file = &sending->file,
                           .ca = buf_view(&sending->ca),
                           .password = buf_view(&sending->password),
                           .helo = plan->helo ? plan->helo : sending->own_name};
    sending->result.recipients = memory_new(plan->recipient_count, sizeof(struct send_answer));
    send_talk(&way, sending->dialogue, &sending->result);
    int status = status_of(sending);
    if (plan->is_json)
        print_json(sending);
    else
        print_text(sending, status);
    return status;
}

int command_send(char **arguments, size_t count)
{
    struct error err;
    struct sending *sending = NEW(struct sending);
    int status;
    sending->arena = arena_new(SEND_ARENA);
    sending->file.fd = -1;
    buf_init(&sending->text, COMPOSE_TEXT_LIMIT);
    buf_init(&sending->html, COMPOSE_TEXT_LIMIT);
    buf_init(&sending->ca, CA_LIMIT);
    if (send_plan_read(arguments, count, sending->arena, &sending->plan, &err))
        status = run(sending);
    else
        status = complain(err.text, EXIT_USAGE);
    dialogue_free(sending->dialogue);
    message_file_close(&sending->file);
    config_free(sending->config);
    user_password_done(&sending->password);
    buf_done(&sending->text);
    buf_done(&sending->html);
    buf_done(&sending->ca);
    free(sending->result.recipients);
    arena_free(sending->arena);
    free(sending);
    return status;
}

void command_send_options(FILE *out)
{
    send_plan_print_options(out);
}

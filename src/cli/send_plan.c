#include "cli/send_plan.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/host_port.h"
#include "cli/media_type.h"
#include "daemon/schema.h"
#include "mail/address.h"
#include "mail/idna.h"
#include "mail/mailbox_list.h"

enum {
    PORT_MX = 25,
    PORT_IMPLICIT = 465,
    PORT_SUBMISSION = 587,
    TIMEOUT_MOST_MS = 3600 * 1000,
    SHOWN = 80
};

/* The words as they are given; NULL: not given. */
struct given {
    const char *from, *reply_to, *subject, *text, *html, *message, *mail_from, *server, *tls;
    const char *user, *password_file, *is_password_stdin, *ca, *helo, *timeout, *config;
    const char *is_dry_run, *is_verbose, *is_json;
    struct option_list to, cc, bcc, headers, attached, pictures;
};

#define GIVEN(member) offsetof(struct given, member)

static const struct option options[] = {
    {"--from", "ADDRESS", OPTION_VALUE, GIVEN(from),
     "who writes: ann@example.org, or \"Ann <...>\"", "-f"},
    {"--to", "ADDRESS", OPTION_LIST, GIVEN(to), "who gets it; may be repeated", "-t"},
    {"--cc", "ADDRESS", OPTION_LIST, GIVEN(cc), "who gets a copy; may be repeated", NULL},
    {"--bcc", "ADDRESS", OPTION_LIST, GIVEN(bcc),
     "who gets a copy that the others do not see; may be repeated", NULL},
    {"--reply-to", "ADDRESS", OPTION_VALUE, GIVEN(reply_to), "where answers go", NULL},
    {"--subject", "TEXT", OPTION_VALUE, GIVEN(subject), "what it is about", "-s"},
    {"--text", "FILE", OPTION_VALUE, GIVEN(text), "the text, in UTF-8; - is standard input", NULL},
    {"--html", "FILE", OPTION_VALUE, GIVEN(html), "the same in HTML, in UTF-8", NULL},
    {"--attach", "FILE", OPTION_LIST, GIVEN(attached),
     "a file that goes with it; may be repeated.\n"
     "      FILE;type=TYPE/SUBTYPE;name=NAME says what it is, and how it is called there",
     "-a"},
    {"--inline", "FILE", OPTION_LIST, GIVEN(pictures),
     "a picture in the HTML, which names it by cid:NAME, the file's last part;\n"
     "      FILE;cid=ANOTHER names it so",
     NULL},
    {"--header", "FIELD", OPTION_LIST, GIVEN(headers), "one more field: \"Name: value\"", NULL},
    {"--message", "FILE", OPTION_VALUE, GIVEN(message),
     "a message as it is (.eml), in place of all above but --to, --cc and --bcc", NULL},
    {"--envelope-from", "ADDRESS", OPTION_VALUE, GIVEN(mail_from),
     "where failures are reported to (MAIL FROM), if not to --from; <>: nowhere", NULL},
    {"--server", "HOST[:PORT]", OPTION_VALUE, GIVEN(server),
     "whom to give it to; also smtps://HOST[:PORT] and unix:PATH. Without it: the server\n"
     "      that the configuration is for",
     NULL},
    {"--user", "NAME", OPTION_VALUE, GIVEN(user), "log in; the password is asked for", "-u"},
    {"--password-stdin", NULL, OPTION_FLAG, GIVEN(is_password_stdin),
     "read the password from standard input", NULL},
    {"--password-file", "FILE", OPTION_VALUE, GIVEN(password_file), "or from a file", NULL},
    {"--tls", "none|starttls|implicit", OPTION_VALUE, GIVEN(tls),
     "how; without it STARTTLS where it is offered", NULL},
    {"--ca", "FILE", OPTION_VALUE, GIVEN(ca),
     "trust these certificates, and send to none but a server that has such a one", NULL},
    {"--helo", "NAME", OPTION_VALUE, GIVEN(helo), "what to say in EHLO (this host's name)", NULL},
    {"--timeout", "DURATION", OPTION_VALUE, GIVEN(timeout), "for each step (5m)", NULL},
    {"--dry-run", NULL, OPTION_FLAG, GIVEN(is_dry_run), "print the message, and send nothing",
     NULL},
    {"--verbose", NULL, OPTION_FLAG, GIVEN(is_verbose),
     "show what is said to the server, and what "
     "it says",
     "-v"},
    {"--config", "FILE", OPTION_VALUE, GIVEN(config), "the configuration", NULL},
    {"--json", NULL, OPTION_FLAG, GIVEN(is_json), "print JSON for programs", NULL},
};

void send_plan_print_options(FILE *out)
{
    option_print(options, COUNT(options), out);
}

/* --- The envelope ----------------------------------------------------------------------------- */

/* Appends the address as MAIL and RCPT have it. A domain goes in A-labels, so that only a local
 * part beyond ASCII needs SMTPUTF8. */
static bool print_path(struct buf *out, struct bytes local, struct bytes domain)
{
    struct buf ascii;
    bool is_literal = domain.len && domain.at[0] == '[';
    buf_init(&ascii, HOST_NAME_LIMIT);
    bool is_named = is_literal || idna_to_ascii(domain, &ascii);
    buf_addf(out, "%.*s@", BYTES_ARGS(local));
    buf_add(out, is_literal || !bytes_is_ascii(local) ? domain : buf_view(&ascii));
    buf_done(&ascii);
    struct address address;
    return is_named && !out->overflowed &&
           address_parse(buf_view(out), ADDRESS_UTF8, &address) == PATH_OK;
}

static bool copy_path(struct arena *arena, const struct mailbox *mailbox, struct bytes *out,
                      struct error *err)
{
    struct buf path;
    buf_init(&path, PATH_LIMIT);
    bool is_good = print_path(&path, mailbox->local, mailbox->domain);
    if (!is_good)
        error_set(err, 0, "%.*s@%.*s is no address to send to",
                  BYTES_ARGS(bytes_sub(mailbox->local, 0, SHOWN)),
                  BYTES_ARGS(bytes_sub(mailbox->domain, 0, SHOWN)));
    else if (!arena_copy(arena, buf_view(&path), out))
        is_good = error_set(err, 0, "too many addresses");
    buf_done(&path);
    return is_good;
}

static bool parse_list(struct arena *arena, const char *text, const char *option,
                       struct mailbox_list *out, struct error *err)
{
    if (strpbrk(text, "\r\n"))
        return error_set(err, 0, "%s takes one line", option);
    if (!bytes_is_utf8(bytes_of(text)))
        return error_set(err, 0, "%s is not UTF-8", option);
    if (mailbox_list_parse(bytes_of(text), arena, out) != MAILBOX_LIST_OK || out->count == 0)
        return error_set(err, 0, "%s %.80s: that is no address", option, text);
    return true;
}

static bool has_recipient(const struct send_plan *plan, struct bytes path)
{
    for (size_t i = 0; i < plan->recipient_count; i++)
        if (bytes_equal(plan->recipients[i], path))
            return true;
    return false;
}

static bool add_recipients(struct send_plan *plan, struct arena *arena,
                           const struct option_list *list, const char *option, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct mailbox_list mailboxes;
        if (!parse_list(arena, list->at[i], option, &mailboxes, err))
            return false;
        for (size_t j = 0; j < mailboxes.count; j++) {
            struct bytes path;
            if (!copy_path(arena, &mailboxes.mailboxes[j], &path, err))
                return false;
            if (has_recipient(plan, path))
                continue;
            if (plan->recipient_count == SEND_RECIPIENT_LIMIT)
                return error_set(err, 0, "more than %d recipients", SEND_RECIPIENT_LIMIT);
            plan->recipients[plan->recipient_count++] = path;
        }
    }
    return true;
}

static bool read_sender(struct send_plan *plan, struct arena *arena, const char *mail_from,
                        struct error *err)
{
    struct mailbox_list mailboxes;
    if (plan->from) {
        if (!parse_list(arena, plan->from, "--from", &mailboxes, err))
            return false;
        if (mailboxes.count != 1)
            return error_set(err, 0, "--from takes one address");
        if (!copy_path(arena, &mailboxes.mailboxes[0], &plan->mail_from, err))
            return false;
    }
    if (!mail_from)
        return plan->from || error_set(err, 0, "who writes? --from ann@example.org%s",
                                       plan->message_file ? ", or --envelope-from" : "");
    plan->mail_from = BYTES_NONE;
    if (strcmp(mail_from, "<>") == 0 || !mail_from[0])
        return plan->from || plan->message_file ||
               error_set(err, 0, "who writes? --from ann@example.org");
    return parse_list(arena, mail_from, "--envelope-from", &mailboxes, err) &&
           copy_path(arena, &mailboxes.mailboxes[0], &plan->mail_from, err);
}

/* --- Files ------------------------------------------------------------------------------------ */

static struct bytes last_part(struct bytes path)
{
    size_t slash = bytes_find_last(path, '/');
    return slash < path.len ? bytes_from(path, slash + 1) : path;
}

/* Where ";type=", ";name=" or ";cid=" stands; a semicolon that begins none of them belongs to the
 * name before it. */
static size_t find_parameter(struct bytes text)
{
    static const struct bytes starts[] = {BYTES_INIT(";type="), BYTES_INIT(";name="),
                                          BYTES_INIT(";cid=")};
    size_t found = text.len;
    for (size_t i = 0; i < COUNT(starts); i++) {
        size_t at = bytes_search(text, starts[i]);
        if (at < found)
            found = at;
    }
    return found;
}

/* A name that every system can have for a file, and a field can hold. */
static bool is_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < ' ' || name.at[i] == 0x7F || name.at[i] == '/')
            return false;
    return name.len > 0 && bytes_is_utf8(name);
}

/* What stands in a URL (RFC 2392) and a Content-ID without quoting. */
static bool is_cid(struct bytes cid)
{
    for (size_t i = 0; i < cid.len; i++)
        if (!ascii_is_alpha(cid.at[i]) && !ascii_is_digit(cid.at[i]) &&
            bytes_find(BYTES("._-@"), cid.at[i]) == 4)
            return false;
    return cid.len > 0;
}

static bool read_file(struct arena *arena, const char *word, struct send_file *out,
                      struct error *err)
{
    struct bytes text = bytes_of(word), path = bytes_sub(text, 0, find_parameter(text));
    struct bytes rest = bytes_from(text, path.len);
    char *copy = arena_alloc(arena, path.len + 1);
    if (!copy || path.len == 0)
        return error_set(err, 0, "%.80s: which file?", word);
    memcpy(copy, path.at, path.len);
    copy[path.len] = 0;
    *out = (struct send_file){.path = copy, .name = last_part(path)};
    while (rest.len) {
        struct bytes parameter = bytes_from(rest, 1), name, value;
        parameter = bytes_sub(parameter, 0, find_parameter(parameter));
        rest = bytes_from(rest, 1 + parameter.len);
        bytes_cut(parameter, '=', &name, &value);
        if (bytes_equal(name, BYTES("type")))
            out->type = value;
        else if (bytes_equal(name, BYTES("name")))
            out->name = value;
        else
            out->cid = value;
    }
    if (out->type.len == 0)
        out->type = bytes_of(media_type_of(out->name));
    if (!is_name(out->name))
        return error_set(err, 0,
                         "%.80s: its name is not UTF-8 or has control characters; give "
                         "another: FILE;name=NAME",
                         word);
    return media_type_is_valid(out->type) ||
           error_set(err, 0,
                     "%.*s is no type for a file; image/png is one, and message/… cannot be "
                     "kept as it is",
                     BYTES_ARGS(bytes_sub(out->type, 0, SHOWN)));
}

static bool read_files(struct send_plan *plan, const struct given *given, struct arena *arena,
                       struct error *err)
{
    for (size_t i = 0; i < given->attached.count; i++)
        if (!read_file(arena, given->attached.at[i], &plan->attached[plan->attached_count++], err))
            return false;
    for (size_t i = 0; i < given->pictures.count; i++) {
        struct send_file *picture = &plan->pictures[plan->picture_count++];
        if (!read_file(arena, given->pictures.at[i], picture, err))
            return false;
        if (picture->cid.len == 0)
            picture->cid = picture->name;
        if (!is_cid(picture->cid))
            return error_set(err, 0,
                             "%.*s cannot stand behind cid: in HTML; give a name of letters, "
                             "digits, \".\", \"_\" and \"-\": FILE;cid=NAME",
                             BYTES_ARGS(bytes_sub(picture->cid, 0, SHOWN)));
    }
    return true;
}

/* --- Fields ----------------------------------------------------------------------------------- */

/* Fields that are made here, or that would say something else than the envelope. */
static bool is_ours(struct bytes name)
{
    static const char *const ours[] = {"from",
                                       "to",
                                       "cc",
                                       "bcc",
                                       "reply-to",
                                       "subject",
                                       "mime-version",
                                       "content-type",
                                       "content-transfer-encoding",
                                       "content-disposition"};
    for (size_t i = 0; i < COUNT(ours); i++)
        if (bytes_equal_nocase(name, bytes_of(ours[i])))
            return true;
    return false;
}

static bool is_field(const char *text, struct error *err)
{
    struct bytes name, value;
    bool has_colon = bytes_cut(bytes_of(text), ':', &name, &value);
    bool is_good = has_colon && name.len && !strpbrk(text, "\r\n") && bytes_is_utf8(value);
    for (size_t i = 0; is_good && i < name.len; i++)
        is_good = name.at[i] > ' ' && name.at[i] < 0x7F;
    if (!is_good)
        return error_set(err, 0, "--header takes \"Name: value\" on one line, not %.80s", text);
    return !is_ours(name) || error_set(err, 0,
                                       "--header may not be %.*s, which has an option of its "
                                       "own or is made",
                                       BYTES_ARGS(name));
}

static bool check_fields(const struct send_plan *plan, struct error *err)
{
    struct bytes subject = bytes_of(plan->subject);
    if (bytes_find(subject, '\n') < subject.len || bytes_find(subject, '\r') < subject.len ||
        !bytes_is_utf8(subject))
        return error_set(err, 0, "--subject takes one line of UTF-8");
    for (size_t i = 0; i < plan->headers.count; i++)
        if (!is_field(plan->headers.at[i], err))
            return false;
    return true;
}

/* --- The way ---------------------------------------------------------------------------------- */

static bool read_tls(const char *word, enum send_tls *out, struct error *err)
{
    static const char *const words[] = {[SEND_TLS_NONE] = "none",
                                        [SEND_TLS_STARTTLS] = "starttls",
                                        [SEND_TLS_IMPLICIT] = "implicit"};
    for (size_t i = SEND_TLS_NONE; i < COUNT(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum send_tls)i;
            return true;
        }
    return error_set(err, 0, "--tls takes none, starttls or implicit, not %.80s", word);
}

static bool read_server(const char *word, struct send_plan *plan, struct error *err)
{
    struct bytes text = bytes_of(word);
    bool is_implicit = bytes_starts_nocase(text, BYTES("smtps://"));
    if (bytes_starts(text, BYTES("unix:"))) {
        plan->unix_path = word + 5;
        return plan->unix_path[0] || error_set(err, 0, "--server unix:PATH needs a PATH");
    }
    if (is_implicit)
        text = bytes_from(text, 8);
    else if (bytes_starts_nocase(text, BYTES("smtp://")))
        text = bytes_from(text, 7);
    if (!host_port_read(text, &plan->host, &plan->port, err))
        return error_wrap(err, "--server");
    if (plan->tls == SEND_TLS_ANY && (is_implicit || plan->port == PORT_IMPLICIT))
        plan->tls = SEND_TLS_IMPLICIT;
    if (is_implicit && plan->tls != SEND_TLS_IMPLICIT)
        return error_set(err, 0, "smtps:// is TLS from the beginning, and --tls says otherwise");
    if (plan->port == 0)
        plan->port = plan->tls == SEND_TLS_IMPLICIT ? PORT_IMPLICIT
                     : plan->user                   ? PORT_SUBMISSION
                                                    : PORT_MX;
    return true;
}

static bool read_way(struct send_plan *plan, const struct given *given, struct error *err)
{
    plan->timeout_ms = SEND_TIMEOUT_MS;
    if (given->timeout && (!schema_scan_duration(bytes_of(given->timeout), &plan->timeout_ms) ||
                           plan->timeout_ms == 0 || plan->timeout_ms > TIMEOUT_MOST_MS))
        return error_set(err, 0, "%.80s is no time to wait, as 500ms, 10s or 1m are",
                         given->timeout);
    if (given->helo && !domain_is_valid(bytes_of(given->helo), ADDRESS_ASCII) &&
        !address_literal_is_valid(bytes_of(given->helo)))
        return error_set(err, 0, "%.80s is no name for EHLO", given->helo);
    if (given->tls && !read_tls(given->tls, &plan->tls, err))
        return false;
    if ((given->is_password_stdin || given->password_file) && !given->user)
        return error_set(err, 0, "a password needs --user, whose it is");
    if (given->is_password_stdin && given->password_file)
        return error_set(err, 0, "--password-stdin or --password-file, not both");
    if (given->user && plan->tls == SEND_TLS_NONE)
        return error_set(err, 0, "a password does not go in clear text: --user and --tls none");
    return !given->server || read_server(given->server, plan, err);
}

/* --- Together --------------------------------------------------------------------------------- */

static bool is_stdin(const char *file)
{
    return file && strcmp(file, "-") == 0;
}

static bool read_sources(struct send_plan *plan, const struct given *given,
                         const struct option_list *operands, struct error *err)
{
    if (operands->count > 1)
        return error_set(err, 0, "one text, in quotes; what is \"%.80s\"?", operands->at[1]);
    if (operands->count && given->text)
        return error_set(err, 0, "a text and --text, which has another");
    if (given->message &&
        (given->subject || given->text || given->html || given->reply_to || operands->count ||
         given->attached.count || given->pictures.count || given->headers.count))
        return error_set(err, 0, "--message is a whole message; nothing is added to it");
    if (given->pictures.count && !given->html)
        return error_set(err, 0, "--inline needs --html, which shows the picture");
    plan->text = operands->count ? operands->at[0] : NULL;
    plan->text_file = given->text;
    plan->html_file = given->html;
    plan->message_file = given->message;
    if (!plan->text && !plan->text_file && !plan->html_file && !plan->message_file)
        plan->text_file = "-";
    if (plan->text && !bytes_is_utf8(bytes_of(plan->text)))
        return error_set(err, 0, "the text is not UTF-8");
    int readers = is_stdin(plan->text_file) + is_stdin(plan->html_file) +
                  is_stdin(plan->message_file) + (given->is_password_stdin != NULL);
    return readers <= 1 || error_set(err, 0,
                                     "standard input can be one thing only: the text, or the "
                                     "password (--password-file)");
}

static void copy_words(struct send_plan *plan, const struct given *given)
{
    plan->from = given->from;
    plan->reply_to = given->reply_to;
    plan->subject = given->subject ? given->subject : "";
    plan->to = given->to;
    plan->cc = given->cc;
    plan->bcc = given->bcc;
    plan->headers = given->headers;
    plan->user = given->user;
    plan->password_file = given->password_file;
    plan->ca = given->ca;
    plan->helo = given->helo;
    plan->config = given->config;
    plan->is_password_stdin = given->is_password_stdin != NULL;
    plan->is_dry_run = given->is_dry_run != NULL;
    plan->is_verbose = given->is_verbose != NULL;
    plan->is_json = given->is_json != NULL;
}

bool send_plan_read(char **words, size_t count, struct arena *arena, struct send_plan *plan,
                    struct error *err)
{
    struct given given = {.from = NULL};
    struct option_list operands = {.count = 0};
    struct mailbox_list ignored;
    *plan = (struct send_plan){.from = NULL};
    if (!option_read(options, COUNT(options), words, count, &given, &operands, err))
        return false;
    copy_words(plan, &given);
    if (!read_sources(plan, &given, &operands, err) || !read_files(plan, &given, arena, err) ||
        !check_fields(plan, err) || !add_recipients(plan, arena, &plan->to, "--to", err) ||
        !add_recipients(plan, arena, &plan->cc, "--cc", err) ||
        !add_recipients(plan, arena, &plan->bcc, "--bcc", err))
        return false;
    if (plan->recipient_count == 0)
        return error_set(err, 0, "who gets it? --to ann@example.org");
    if (plan->reply_to && !parse_list(arena, plan->reply_to, "--reply-to", &ignored, err))
        return false;
    return read_sender(plan, arena, given.mail_from, err) && read_way(plan, &given, err);
}

#include "cli/init_plan.h"

#include <stddef.h>
#include <string.h>

#include "cli/option.h"
#include "policy/directory.h"

/* The words as they are given; NULL: not given. */
struct given {
    const char *folder, *domain, *hostname, *user, *port_offset;
    const char *is_dev, *is_password_stdin, *is_json;
};

#define GIVEN(member) offsetof(struct given, member)

static const struct option options[] = {
    {"--dev", NULL, OPTION_FLAG, GIVEN(is_dev),
     "for development: on this machine alone, with certificates of its own. Needed, as init makes\n"
     "      no other servers in this version",
     NULL},
    {"--folder", "DIR", OPTION_VALUE, GIVEN(folder),
     "where everything goes (the current folder); made if it is not there", NULL},
    {"--domain", "DOMAIN", OPTION_VALUE, GIVEN(domain),
     "the domain whose mail it takes (example.org)", NULL},
    {"--hostname", "NAME", OPTION_VALUE, GIVEN(hostname), "its own name (mx.DOMAIN)", NULL},
    {"--user", "ADDRESS", OPTION_VALUE, GIVEN(user), "the first account (ann@DOMAIN)", NULL},
    {"--password-stdin", NULL, OPTION_FLAG, GIVEN(is_password_stdin),
     "read that account's password from standard input; else one is made, and printed once", NULL},
    {"--port-offset", "N", OPTION_VALUE, GIVEN(port_offset),
     "the ports are 25, 465 and 587 and this number (2000, or the next thousand where all three\n"
     "      are free)",
     NULL},
    {"--json", NULL, OPTION_FLAG, GIVEN(is_json), "print JSON for programs", NULL},
};

void init_plan_print_options(FILE *out)
{
    option_print(options, COUNT(options), out);
}

static bool read_host(const char *text, const char *what, char out[HOST_NAME_LIMIT + 1],
                      struct error *err)
{
    struct buf name;
    buf_init(&name, HOST_NAME_LIMIT);
    bool is_good =
        idna_to_ascii(bytes_of(text), &name) && domain_is_valid(buf_view(&name), ADDRESS_ASCII);
    if (is_good)
        snprintf(out, HOST_NAME_LIMIT + 1, "%.*s", BYTES_ARGS(buf_view(&name)));
    else
        error_set(err, 0, "%.80s is no %s; write one like %sexample.org", text, what,
                  what[0] == 'h' ? "mx." : "");
    buf_done(&name);
    return is_good;
}

static bool read_user(const char *text, struct init_plan *plan, struct error *err)
{
    char domain[HOST_NAME_LIMIT + 1];
    struct address address;
    struct error ignored;
    if (address_parse(bytes_of(text), ADDRESS_UTF8, &address) != PATH_OK || address.is_literal)
        return error_set(err, 0, "%.80s is no address; write one like ann@%.80s", text,
                         plan->domain);
    char written[DOMAIN_LIMIT + 1];
    snprintf(written, sizeof written, "%.*s", BYTES_ARGS(address.domain));
    if (!read_host(written, "domain", domain, &ignored) || strcmp(domain, plan->domain) != 0)
        return error_set(err, 0, "%.80s is not in the domain %.80s, which --domain names", text,
                         plan->domain);
    snprintf(plan->user, sizeof plan->user, "%.*s@%s", BYTES_ARGS(address.local), domain);
    struct buf name;
    buf_init(&name, DIRECTORY_NAME_LIMIT);
    bool is_name = directory_name(&name, bytes_of(plan->user));
    buf_done(&name);
    return is_name || error_set(err, 0, "%.80s is no address that an account can have", text);
}

static bool read_offset(const char *text, unsigned *out, struct error *err)
{
    uint64_t number;
    if (!scan_u64(bytes_of(text), INIT_OFFSET_MOST, &number) || number < INIT_OFFSET_LEAST)
        return error_set(err, 0, "--port-offset is a number from %d to %d, not %.40s",
                         INIT_OFFSET_LEAST, INIT_OFFSET_MOST, text);
    *out = (unsigned)number;
    return true;
}

static bool fill(const struct given *given, struct init_plan *plan, struct error *err)
{
    char user[INIT_USER_LIMIT + 1], hostname[HOST_NAME_LIMIT + 4];
    if (!given->is_dev)
        return error_set(err, 0,
                         "init makes servers for development only in this version: write --dev; "
                         "for one that the world talks to, see postrider.yaml(5)");
    plan->folder = given->folder ? given->folder : ".";
    if (!plan->folder[0])
        return error_set(err, 0, "--folder needs a name");
    plan->is_password_stdin = given->is_password_stdin != NULL;
    plan->is_json = given->is_json != NULL;
    if (!read_host(given->domain ? given->domain : "example.org", "domain", plan->domain, err))
        return false;
    snprintf(hostname, sizeof hostname, "mx.%s", plan->domain);
    snprintf(user, sizeof user, "ann@%s", plan->domain);
    return read_host(given->hostname ? given->hostname : hostname, "host name", plan->hostname,
                     err) &&
           read_user(given->user ? given->user : user, plan, err) &&
           (!given->port_offset || read_offset(given->port_offset, &plan->port_offset, err));
}

bool init_plan_read(char **words, size_t count, struct init_plan *out, struct error *err)
{
    struct given given = {.folder = NULL};
    struct init_plan plan = {.folder = NULL};
    if (!option_read(options, COUNT(options), words, count, &given, NULL, err) ||
        !fill(&given, &plan, err))
        return false;
    *out = plan;
    return true;
}

/* --- The configuration ------------------------------------------------------------------------ */

/* As a text in YAML's double quotes (YAML 1.2, 7.3.1); an address has no control characters. */
static void add_quoted(struct buf *out, const char *text)
{
    buf_add_byte(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*text);
    }
    buf_add_byte(out, '"');
}

static void add_listeners(const struct init_plan *plan, struct buf *out)
{
    unsigned offset = plan->port_offset;
    buf_addf(out,
             "listen:\n"
             "  # For other servers, which may use TLS.\n"
             "  - {address: \"127.0.0.1:%u\", role: mx, tls: starttls}\n"
             "  # For mail programs: TLS after STARTTLS, or from the first byte on; in it they log "
             "in.\n"
             "  - {address: \"127.0.0.1:%u\", role: submission, tls: required}\n"
             "  - {address: \"127.0.0.1:%u\", role: submission, tls: implicit}\n"
             "\n",
             offset + INIT_PORT_MX, offset + INIT_PORT_SUBMISSION, offset + INIT_PORT_SUBMISSIONS);
}

static void add_domain(const struct init_plan *plan, struct buf *out)
{
    buf_addf(out,
             "domains:\n"
             "  - name: %s\n"
             "    # Who has an account has a mailbox: postrider user add ADDRESS\n"
             "    mailboxes: directory\n"
             "    # Mail for ann+anything is for ann.\n"
             "    delimiter: \"+\"\n",
             plan->domain);
    if (strncmp(plan->user, "postmaster@", strlen("postmaster@")) != 0) {
        buf_add(out, BYTES("    aliases: {postmaster: "));
        add_quoted(out, plan->user);
        buf_add(out, BYTES("}\n"));
    }
}

void init_plan_print_config(const struct init_plan *plan, struct buf *out)
{
    buf_add(out,
            BYTES("# A Postrider for development, made by `postrider init --dev`. It listens on "
                  "this machine\n"
                  "# alone, and sends nothing into the world.\n"
                  "#\n"
                  "# `postrider help config` lists all keys, postrider.yaml(5) explains them; "
                  "after a change,\n"
                  "# `postrider check` tells what is wrong, and `postrider reload` puts it "
                  "into force. Paths are\n"
                  "# relative to this file's folder.\n"
                  "\n"
                  "# What the server calls itself; its certificate is for this name too.\n"));
    buf_addf(out, "hostname: %s\n\n", plan->hostname);
    add_listeners(plan, out);
    buf_add(out, BYTES("# Clients trust it by tls/ca.pem. Only the keeper process reads the key.\n"
                       "tls: {certificate: tls/server.pem, key: tls/server.key}\n"
                       "\n"));
    add_domain(plan, out);
    buf_addf(out,
             "\n"
             "# Maildirs: mail/%s/NAME\n"
             "deliver: {mailbox: mail}\n"
             "\n"
             "# Mail for all other domains goes to this port, and waits in the queue while nothing "
             "is there.\n"
             "# `postrider bench sink --listen 127.0.0.1:%u` takes it and throws it away.\n"
             "routes:\n"
             "  - {to: \"*\", via: \"smtp://127.0.0.1:%u\"}\n"
             "\n"
             "# The queue, and the directory of accounts.\n"
             "spool: spool\n",
             plan->domain, plan->port_offset + INIT_PORT_ELSEWHERE,
             plan->port_offset + INIT_PORT_ELSEWHERE);
}

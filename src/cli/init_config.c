#include "cli/init_config.h"

#include <string.h>

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

static void add_dev_listeners(const struct init_plan *plan, struct buf *out)
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

/* What a domain must have: postmaster (RFC 5321, 4.5.1), and abuse (RFC 2142, 2) where others may
 * have reason to write; and root, to whom programs on the host write. */
static void add_aliases(const struct init_plan *plan, struct buf *out)
{
    static const char *const names[] = {"postmaster", "abuse", "root"};
    const char *between = "    aliases: {";
    for (size_t i = 0; i < (plan->is_dev ? 1 : COUNT(names)); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(plan->user, names[i], len) == 0 && plan->user[len] == '@')
            continue;
        buf_addf(out, "%s%s: ", between, names[i]);
        add_quoted(out, plan->user);
        between = ", ";
    }
    if (between[0] == ',')
        buf_add(out, BYTES("}\n"));
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
    add_aliases(plan, out);
}

static void print_dev(const struct init_plan *plan, struct buf *out)
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
    add_dev_listeners(plan, out);
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

/* --- A real host ------------------------------------------------------------------------------ */

static void add_place(struct buf *out, const char *host, unsigned port, const char *rest)
{
    buf_addf(out, "  - {address: \"%s:%u\", %s}\n", host, port, rest);
}

static void add_port(const struct init_plan *plan, unsigned port, const char *rest, struct buf *out)
{
    add_place(out, "0.0.0.0", plan->port_offset + port, rest);
    if (plan->has_ipv6)
        add_place(out, "[::]", plan->port_offset + port, rest);
}

static void add_listeners(const struct init_plan *plan, struct buf *out)
{
    buf_add(out, BYTES("listen:\n"
                       "  # For other servers, which may use TLS. Nobody relays here.\n"));
    add_port(plan, INIT_PORT_MX, "role: mx, tls: starttls", out);
    buf_add(out,
            BYTES("  # For mail programs, which log in: TLS from the first byte on (RFC 8314), "
                  "or STARTTLS.\n"));
    add_port(plan, INIT_PORT_SUBMISSIONS, "role: submission, tls: implicit", out);
    add_port(plan, INIT_PORT_SUBMISSION, "role: submission, tls: required", out);
    buf_add_byte(out, '\n');
}

static void add_tls(const struct init_plan *plan, struct buf *out)
{
    if (plan->certificate[0]) {
        buf_add(out, BYTES("# Read by the supervisor with its own rights; `postrider reload` after "
                           "each renewal.\n"
                           "tls: {certificate: "));
        add_quoted(out, plan->certificate);
        buf_add(out, BYTES(", key: "));
        add_quoted(out, plan->key);
        buf_add(out, BYTES("}\n\n"));
        return;
    }
    buf_addf(out,
             "# A stand-in that nobody trusts: encrypts, and proves nothing. Get a real one, such "
             "as by\n"
             "#   certbot certonly --standalone -d %s --deploy-hook \"postrider reload\"\n"
             "# and write its files here:\n"
             "#   tls: {certificate: /etc/letsencrypt/live/%s/fullchain.pem,\n"
             "#         key: /etc/letsencrypt/live/%s/privkey.pem}\n"
             "tls: {certificate: tls/server.pem, key: tls/server.key}\n\n",
             plan->hostname, plan->hostname, plan->hostname);
}

static void add_routes(const struct init_plan *plan, struct buf *out)
{
    if (!plan->relayhost[0]) {
        buf_add(out,
                BYTES("# Other mail goes where the DNS says (MX). Where port 25 is blocked on the "
                      "way out, a\n"
                      "# smarthost takes it:\n"
                      "# routes:\n"
                      "#   - {to: \"*\", via: \"smtps://mail.provider.example\", user: NAME, "
                      "password_file: smarthost}\n\n"));
        return;
    }
    buf_add(out, BYTES("# All other mail goes to the smarthost.\n"
                       "routes:\n"
                       "  - {to: \"*\", via: "));
    add_quoted(out, plan->relayhost);
    if (!plan->relayhost_user) {
        buf_add(out, BYTES("}\n  # Where it wants a login, the route needs user: NAME and "
                           "password_file: FILE as "
                           "well.\n\n"));
    } else {
        buf_add(out, BYTES(", user: "));
        add_quoted(out, plan->relayhost_user);
        buf_add(out, BYTES(", password_file: "));
        add_quoted(out, plan->relayhost_password_file);
        buf_add(out, BYTES("}\n\n"));
    }
}

static void add_resolver(const struct init_plan *plan, struct buf *out)
{
    if (!plan->resolvers.count)
        return;
    buf_add(out, BYTES("# Whom it asks for the DNS, instead of the servers in /etc/resolv.conf.\n"
                       "resolver: {servers: ["));
    for (size_t i = 0; i < plan->resolvers.count; i++) {
        buf_add(out, bytes_of(i ? ", " : ""));
        add_quoted(out, plan->resolvers.at[i]);
    }
    buf_add(out, BYTES("]}\n\n"));
}

static void print_host(const struct init_plan *plan, struct buf *out)
{
    struct init_places places = init_plan_places(plan);
    buf_addf(out,
             "# The Postrider of %s, made by `postrider init`.\n"
             "#\n"
             "# `postrider help config` lists all keys, postrider.yaml(5) explains them; after a "
             "change,\n"
             "# `postrider check` tells what is wrong, and `postrider reload` puts it into force. "
             "Paths are\n"
             "# relative to this file's folder.\n"
             "\n"
             "# What the server calls itself: the name in its MX record, its address's PTR record "
             "and its\n"
             "# certificate.\n"
             "hostname: %s\n\n",
             plan->hostname, plan->hostname);
    if (plan->run_as) {
        buf_add(out,
                BYTES("# Started as root, it becomes this user once the ports are bound.\nuser: "));
        add_quoted(out, plan->run_as);
        buf_add(out, BYTES("\n\n"));
    }
    add_listeners(plan, out);
    add_tls(plan, out);
    add_domain(plan, out);
    buf_addf(out,
             "\n# Maildirs: %s/%s/NAME. Dovecot can take the mail instead: {lmtp: "
             "unix:/run/dovecot/lmtp}\ndeliver: {mailbox: %s}\n\n",
             places.mail, plan->domain, places.mail);
    add_routes(plan, out);
    add_resolver(plan, out);
    buf_addf(out,
             "# The queue, the directory of accounts, and the keys that sign mail.\nspool: %s\n",
             places.spool);
    if (places.run)
        buf_addf(out, "\n# Sockets, for as long as it runs.\nrun: %s\n", places.run);
}

void init_config_print(const struct init_plan *plan, struct buf *out)
{
    if (plan->is_dev)
        print_dev(plan, out);
    else
        print_host(plan, out);
}

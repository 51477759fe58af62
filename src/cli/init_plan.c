#include "cli/init_plan.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "policy/directory.h"
#include "queue/route.h"

/* The words as they are given; NULL: not given. */
struct given {
    const char *folder, *domain, *hostname, *user, *port_offset;
    const char *is_dev, *is_password_stdin, *is_json;
    const char *is_quiet, *is_offline, *is_dry_run, *run_as, *certificate, *key;
    const char *relayhost, *relayhost_user, *relayhost_password_file, *probe;
    struct option_list resolvers, addresses;
};

#define GIVEN(member) offsetof(struct given, member)

static const struct option options[] = {
    {"--domain", "DOMAIN", OPTION_VALUE, GIVEN(domain),
     "the domain whose mail it takes (that of --user; with --dev example.org)", NULL},
    {"--hostname", "NAME", OPTION_VALUE, GIVEN(hostname),
     "its own name (that of the host, where it is in the domain, else mx.DOMAIN)", NULL},
    {"--user", "ADDRESS", OPTION_VALUE, GIVEN(user),
     "the first account (postmaster@DOMAIN; with --dev ann@DOMAIN)", NULL},
    {"--password-stdin", NULL, OPTION_FLAG, GIVEN(is_password_stdin),
     "read that account's password from standard input; else one is made, and printed once", NULL},
    {"--folder", "DIR", OPTION_VALUE, GIVEN(folder),
     "put everything there, instead of into /etc/postrider, /var/spool/postrider and\n"
     "      /var/lib/postrider (with --dev the current folder); made if it is not there",
     NULL},
    {"--run-as", "NAME", OPTION_VALUE, GIVEN(run_as),
     "the user that the server becomes (postrider, unless --folder is given)", NULL},
    {"--certificate", "FILE", OPTION_VALUE, GIVEN(certificate),
     "a certificate with its chain, in PEM (one of certbot's for the name is found; else one\n"
     "      that nobody trusts is made)",
     NULL},
    {"--key", "FILE", OPTION_VALUE, GIVEN(key), "and its private key", NULL},
    {"--relayhost", "URL", OPTION_VALUE, GIVEN(relayhost),
     "give all mail to this smarthost: smtps://HOST or smtp://HOST:587", NULL},
    {"--relayhost-user", "NAME", OPTION_VALUE, GIVEN(relayhost_user), "log in there as NAME", NULL},
    {"--relayhost-password-file", "FILE", OPTION_VALUE, GIVEN(relayhost_password_file),
     "with the password in the first line of FILE, which stays where it is", NULL},
    {"--address", "ADDRESS", OPTION_LIST, GIVEN(addresses),
     "by which the world reaches this host, where it cannot know: behind a NAT; may be repeated",
     NULL},
    {"--resolver", "ADDRESS:PORT", OPTION_LIST, GIVEN(resolvers),
     "ask this DNS server, now and in the configuration (the system's); may be repeated", NULL},
    {"--probe-port25", "HOST[:PORT]", OPTION_VALUE, GIVEN(probe),
     "connect there to see whether mail can leave (" INIT_PROBE_DEFAULT ")", NULL},
    {"--offline", NULL, OPTION_FLAG, GIVEN(is_offline), "neither ask the DNS nor connect anywhere",
     NULL},
    {"--non-interactive", NULL, OPTION_FLAG, GIVEN(is_quiet), "ask nothing, in a terminal either",
     NULL},
    {"--dry-run", NULL, OPTION_FLAG, GIVEN(is_dry_run),
     "print what was found out and the configuration, and make nothing", NULL},
    {"--port-offset", "N", OPTION_VALUE, GIVEN(port_offset),
     "the ports are 25, 465 and 587 and this number (with --dev 2000, or the next thousand\n"
     "      where all three are free)",
     NULL},
    {"--dev", NULL, OPTION_FLAG, GIVEN(is_dev),
     "a server for development, on this machine alone, with certificates of its own", NULL},
    {"--json", NULL, OPTION_FLAG, GIVEN(is_json), "print JSON for programs, and ask nothing", NULL},
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

bool init_plan_set_domain(struct init_plan *plan, const char *text, struct error *err)
{
    return read_host(text, "domain", plan->domain, err);
}

bool init_plan_set_hostname(struct init_plan *plan, const char *text, struct error *err)
{
    char name[HOST_NAME_LIMIT + 1];
    if (!read_host(text, "host name", name, err))
        return false;
    if (!plan->is_dev && !strchr(name, '.'))
        return error_set(err, 0, "%.80s is no name that the world knows; write one like mx.%.80s",
                         text, plan->domain[0] ? plan->domain : "example.org");
    snprintf(plan->hostname, sizeof plan->hostname, "%s", name);
    return true;
}

bool init_plan_set_user(struct init_plan *plan, const char *text, struct error *err)
{
    char domain[HOST_NAME_LIMIT + 1], written[DOMAIN_LIMIT + 1];
    struct address address;
    struct error ignored;
    if (address_parse(bytes_of(text), ADDRESS_UTF8, &address) != PATH_OK || address.is_literal)
        return error_set(err, 0, "%.80s is no address; write one like ann@%.80s", text,
                         plan->domain[0] ? plan->domain : "example.org");
    snprintf(written, sizeof written, "%.*s", BYTES_ARGS(address.domain));
    bool is_host = read_host(written, "domain", domain, &ignored);
    if (is_host && !plan->domain[0])
        snprintf(plan->domain, sizeof plan->domain, "%s", domain);
    if (!is_host || strcmp(domain, plan->domain) != 0)
        return error_set(err, 0, "%.80s is not in the domain %.80s, which --domain names", text,
                         plan->domain);
    snprintf(plan->user, sizeof plan->user, "%.*s@%s", BYTES_ARGS(address.local), domain);
    struct buf name;
    buf_init(&name, DIRECTORY_NAME_LIMIT);
    bool is_name = directory_name(&name, bytes_of(plan->user));
    buf_done(&name);
    return is_name || error_set(err, 0, "%.80s is no address that an account can have", text);
}

bool init_plan_set_relayhost(struct init_plan *plan, const char *text, struct error *err)
{
    struct endpoint endpoint;
    if (!endpoint_scan(bytes_of(text), &endpoint, err))
        return error_wrap(err, "--relayhost");
    if (endpoint.kind != ENDPOINT_SMTP || strlen(text) >= sizeof plan->relayhost)
        return error_set(err, 0, "--relayhost is a server like smtps://mail.provider.example");
    snprintf(plan->relayhost, sizeof plan->relayhost, "%s", text);
    return true;
}

bool init_plan_add_address(struct init_plan *plan, const char *text, struct error *err)
{
    struct ip ip;
    if (!ip_scan(bytes_of(text), &ip) || !address_is_public(&ip))
        return error_set(err, 0, "%.60s is no public address; write one like 198.51.100.7", text);
    own_addresses_add(&plan->addresses, &ip);
    return true;
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

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT". */
static bool read_probe(const char *text, struct init_plan *plan, struct error *err)
{
    struct bytes whole = bytes_of(text), host = whole;
    size_t colon = bytes_find_last(whole, ':');
    uint64_t port = INIT_PORT_MX;
    bool has_bracket = whole.len && whole.at[0] == '[', is_good = true;
    if (colon < whole.len && (has_bracket || bytes_find(whole, ':') == colon)) {
        host = bytes_sub(whole, 0, colon);
        is_good = scan_u64(bytes_from(whole, colon + 1), UINT16_MAX, &port) && port;
    }
    if (has_bracket) {
        is_good &= host.len > 2 && host.at[host.len - 1] == ']';
        host = bytes_sub(host, 1, host.len > 2 ? host.len - 2 : 0);
    }
    if (!is_good || host.len == 0 || host.len > HOST_NAME_LIMIT)
        return error_set(err, 0, "--probe-port25 is HOST or HOST:PORT, not %.80s", text);
    snprintf(plan->probe_host, sizeof plan->probe_host, "%.*s", BYTES_ARGS(host));
    plan->probe_port = (uint16_t)port;
    return true;
}

static bool fill_dev(const struct given *given, struct init_plan *plan, struct error *err)
{
    char user[INIT_USER_LIMIT + 1], hostname[HOST_NAME_LIMIT + 4];
    if (given->is_quiet || given->is_offline || given->is_dry_run || given->run_as ||
        given->certificate || given->key || given->relayhost || given->relayhost_user ||
        given->relayhost_password_file || given->probe || given->resolvers.count ||
        given->addresses.count)
        return error_set(err, 0,
                         "--dev takes --folder, --domain, --hostname, --user, --password-stdin, "
                         "--port-offset and --json, and nothing else");
    plan->folder = given->folder ? given->folder : ".";
    if (!plan->domain[0] && !init_plan_set_domain(plan, "example.org", err))
        return false;
    snprintf(hostname, sizeof hostname, "mx.%s", plan->domain);
    snprintf(user, sizeof user, "ann@%s", plan->domain);
    return init_plan_set_hostname(plan, given->hostname ? given->hostname : hostname, err) &&
           init_plan_set_user(plan, given->user ? given->user : user, err);
}

/* What belongs together. */
static bool check_pairs(const struct given *given, struct error *err)
{
    if (!given->certificate != !given->key)
        return error_set(err, 0, "--certificate and --key go together");
    if (!given->relayhost_user != !given->relayhost_password_file)
        return error_set(err, 0, "--relayhost-user and --relayhost-password-file go together");
    if (given->relayhost_user && !given->relayhost)
        return error_set(err, 0, "--relayhost-user needs --relayhost");
    if (given->is_offline && given->probe)
        return error_set(err, 0, "--probe-port25 connects, and --offline forbids it");
    return true;
}

/* As a configuration that lies elsewhere names it. */
static bool read_path(const char *text, char out[PATH_MAX], struct error *err)
{
    out[0] = 0;
    return !text || realpath(text, out) || error_set(err, errno, "%s", text);
}

static bool fill_host(const struct given *given, struct init_plan *plan, struct error *err)
{
    plan->folder = given->folder;
    plan->is_quiet = given->is_quiet || given->is_json;
    plan->is_offline = given->is_offline != NULL;
    plan->is_dry_run = given->is_dry_run != NULL;
    plan->run_as = given->run_as;
    plan->relayhost_user = given->relayhost_user;
    plan->resolvers = given->resolvers;
    for (size_t i = 0; i < given->addresses.count; i++)
        if (!init_plan_add_address(plan, given->addresses.at[i], err))
            return false;
    return check_pairs(given, err) &&
           read_probe(given->probe ? given->probe : INIT_PROBE_DEFAULT, plan, err) &&
           (!given->user || init_plan_set_user(plan, given->user, err)) &&
           (!given->hostname || init_plan_set_hostname(plan, given->hostname, err)) &&
           (!given->relayhost || init_plan_set_relayhost(plan, given->relayhost, err)) &&
           read_path(given->certificate, plan->certificate, err) &&
           read_path(given->key, plan->key, err) &&
           read_path(given->relayhost_password_file, plan->relayhost_password_file, err);
}

bool init_plan_read(char **words, size_t count, struct init_plan *out, struct error *err)
{
    struct given given = {.folder = NULL};
    struct init_plan plan = {.folder = NULL};
    if (!option_read(options, COUNT(options), words, count, &given, NULL, err))
        return false;
    plan.is_dev = given.is_dev != NULL;
    plan.is_password_stdin = given.is_password_stdin != NULL;
    plan.is_json = given.is_json != NULL;
    if (given.folder && !given.folder[0])
        return error_set(err, 0, "--folder needs a name");
    if ((given.domain && !init_plan_set_domain(&plan, given.domain, err)) ||
        (given.port_offset && !read_offset(given.port_offset, &plan.port_offset, err)) ||
        !(plan.is_dev ? fill_dev(&given, &plan, err) : fill_host(&given, &plan, err)))
        return false;
    *out = plan;
    return true;
}

/* --- Places ----------------------------------------------------------------------------------- */

struct init_places init_plan_places(const struct init_plan *plan)
{
    if (plan->folder)
        return (struct init_places){plan->folder, "spool", "mail", NULL};
    return (struct init_places){"/etc/postrider", "/var/spool/postrider", "/var/lib/postrider/mail",
                                "/run/postrider"};
}

void init_plan_add_path(const struct init_plan *plan, const char *name, struct buf *out)
{
    const char *folder = init_plan_places(plan).folder;
    if (name[0] != '/' && strcmp(folder, ".") != 0)
        buf_addf(out, "%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/");
    buf_add(out, bytes_of(name));
    buf_add_byte(out, 0);
}

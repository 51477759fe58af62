#include "cli/check.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/option.h"

enum { PROBLEMS_LIMIT = 65536 };

/* The words as they are given; NULL: not given. */
struct given {
    const char *config, *is_json, *is_all, *is_offline, *has_namespace;
    const char *server, *domain, *from, *to;
};

#define GIVEN(member) offsetof(struct given, member)

static const struct option options[] = {
    {"--config", "FILE", OPTION_VALUE, GIVEN(config),
     "the configuration (default " COMMAND_CONFIG_DEFAULT ")", NULL},
    {"--all", NULL, OPTION_FLAG, GIVEN(is_all), "print what is good and what is worth knowing, too",
     NULL},
    {"--offline", NULL, OPTION_FLAG, GIVEN(is_offline), "ask nothing of the DNS", NULL},
    {"--namespace", NULL, OPTION_FLAG, GIVEN(has_namespace),
     "relay: come from a network namespace, where this host has no address that is not trusted\n"
     "      (root; it is gone afterwards)",
     NULL},
    {"--server", "HOST:PORT", OPTION_VALUE, GIVEN(server),
     "relay: try this server, whatever it is, in place of the configured one", NULL},
    {"--domain", "DOMAIN", OPTION_VALUE, GIVEN(domain),
     "relay: with --server, a domain whose mail it takes (what it greets with)", NULL},
    {"--from", "ADDRESS", OPTION_VALUE, GIVEN(from), "relay: the address of this host to come from",
     NULL},
    {"--to", "ADDRESS", OPTION_VALUE, GIVEN(to),
     "relay: the stranger to try to reach (stranger@example.net); no message is sent", NULL},
    {"--json", NULL, OPTION_FLAG, GIVEN(is_json), "print JSON for programs", NULL},
};

enum {
    FOR_CONFIG = 1,  /* reads the configuration's files itself, and runs first */
    FOR_NETWORK = 2, /* not with --offline */
    FOR_SERVER = 4,  /* of a server that runs */
};

static const struct area {
    const char *name;
    void (*run)(struct check *check);
    unsigned needs;
} areas[] = {
    {"config", NULL, FOR_CONFIG},
    {"files", check_files, 0},
    {"certificates", check_certificates, 0},
    {"accounts", check_accounts, 0},
    {"host", check_host, 0},
    {"ports", check_ports, 0},
    {"dns", check_dns, FOR_NETWORK},
    {"relay", check_relay, FOR_SERVER},
};

void command_check_options(FILE *out)
{
    option_print(options, COUNT(options), out);
}

bool check_is_reserved_name(struct bytes name)
{
    static const struct bytes ends[] = {
        BYTES_INIT(".example"),     BYTES_INIT(".test"),        BYTES_INIT(".invalid"),
        BYTES_INIT(".localhost"),   BYTES_INIT(".example.org"), BYTES_INIT(".example.com"),
        BYTES_INIT(".example.net"), BYTES_INIT(".local"),
    };
    for (size_t i = 0; i < COUNT(ends); i++)
        if (bytes_ends_nocase(name, ends[i]) || bytes_equal_nocase(name, bytes_from(ends[i], 1)))
            return true;
    return false;
}

/* --- Areas ------------------------------------------------------------------------------------ */

static bool is_asked(const struct option_list *words, const char *area)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->at[i], area) == 0)
            return true;
    return words->count == 0;
}

static bool are_areas(const struct option_list *words)
{
    for (size_t i = 0; i < words->count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < COUNT(areas); j++)
            is_known |= strcmp(words->at[i], areas[j].name) == 0;
        if (is_known)
            continue;
        fprintf(stderr, "postrider: check knows no area %.80s; it has:", words->at[i]);
        for (size_t j = 0; j < COUNT(areas); j++)
            fprintf(stderr, " %s", areas[j].name);
        fprintf(stderr, "\n");
        return false;
    }
    return true;
}

/* Does somebody listen at the control socket? Who may not ask cannot tell, and looks. */
static bool is_running(const struct config *config)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(place.sun_path, sizeof place.sun_path, "%s", config->control_socket);
    bool is_there = fd >= 0 && (connect(fd, (struct sockaddr *)&place, sizeof place) == 0 ||
                                errno == EACCES || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return is_there;
}

static void run_areas(struct check *check, const struct option_list *words, bool is_offline)
{
    check->is_running = is_running(check->config);
    check->is_named = words->count > 0;
    for (size_t i = 0; i < COUNT(areas); i++) {
        bool is_left_out = (is_offline && areas[i].needs & FOR_NETWORK) ||
                           (!check->is_running && !check->is_named && areas[i].needs & FOR_SERVER);
        if (areas[i].run && !is_left_out && is_asked(words, areas[i].name))
            areas[i].run(check);
    }
}

/* The configuration is read for every area; what is wrong with it is said whatever was asked for.
 */
static void run_all(struct check *check, const struct option_list *words, bool is_offline)
{
    struct buf problems;
    buf_init(&problems, PROBLEMS_LIMIT);
    check->config = config_load(check->config_path, &problems);
    bool is_good = check->config && config_read_anchor(check->config, &problems) &&
                   config_read_files(check->config, &problems);
    if (!is_good || is_asked(words, "config"))
        check_config(check, buf_view(&problems));
    buf_done(&problems);
    if (check->config)
        run_areas(check, words, is_offline);
}

/* --- Printing --------------------------------------------------------------------------------- */

/* What is so, and what to do about it, as one line. */
static json_t *lines_of(struct findings *findings, size_t count, enum severity severity)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct finding *finding = findings_view(findings, i);
        if (finding->severity != severity)
            continue;
        struct buf line;
        buf_init(&line, 2 * FINDING_TEXT_LIMIT);
        buf_add(&line, buf_view(&finding->what));
        if (finding->remedy.len)
            buf_addf(&line, "; %.*s", BYTES_ARGS(buf_view(&finding->remedy)));
        json_t *text = json_stringn((const char *)line.at, line.len);
        json_array_append_new(list, text ? text : json_string("a text that is not UTF-8"));
        buf_done(&line);
    }
    return list;
}

static void print_json(struct findings *findings)
{
    size_t problems = findings_count(findings, SEVERITY_PROBLEM), count = 0;
    for (int severity = SEVERITY_PROBLEM; severity <= SEVERITY_GOOD; severity++)
        count += findings_count(findings, (enum severity)severity);
    json_t *result =
        json_pack("{s:b,s:o,s:o,s:o}", "good", problems == 0, "problems",
                  lines_of(findings, count, SEVERITY_PROBLEM), "warnings",
                  lines_of(findings, count, SEVERITY_WARNING), "findings", findings_json(findings));
    json_dumpf(result, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(result);
}

static void print(const struct check *check, const struct given *given)
{
    if (given->is_json) {
        print_json(check->findings);
        return;
    }
    if (check->config && findings_count(check->findings, SEVERITY_PROBLEM) == 0)
        printf("%s is good\n", check->config_path);
    findings_print(check->findings, given->is_all ? FINDINGS_ALL : FINDINGS_BAD);
}

/* --- The command ------------------------------------------------------------------------------ */

static int run(const struct given *given, const struct option_list *words)
{
    struct error err;
    struct check check = {
        .config_path = given->config ? given->config : COMMAND_CONFIG_DEFAULT,
        .findings = findings_new(),
        .has_namespace = given->has_namespace != NULL,
        .from = given->from,
        .to = given->to,
    };
    int status = EXIT_USAGE;
    if (given->server && !check_relay_server(&check, given->server, given->domain, &err)) {
        fprintf(stderr, "postrider: %s\n", err.text);
    } else {
        if (!given->server)
            run_all(&check, words, given->is_offline != NULL);
        print(&check, given);
        status = findings_status(check.findings);
    }
    findings_free(check.findings);
    config_free(check.config);
    return status;
}

int command_check(char **arguments, size_t count)
{
    struct given given = {.config = NULL};
    struct option_list words = {.count = 0};
    struct error err;
    if (!option_read(options, COUNT(options), arguments, count, &given, &words, &err)) {
        fprintf(stderr, "postrider: %s; postrider check --help lists the options\n", err.text);
        return EXIT_USAGE;
    }
    if (given.domain && !given.server) {
        fprintf(stderr, "postrider: --domain goes with --server\n");
        return EXIT_USAGE;
    }
    bool is_relay_alone =
        words.count == 0 || (words.count == 1 && strcmp(words.at[0], "relay") == 0);
    if (given.server && !is_relay_alone) {
        fprintf(stderr, "postrider: --server is for the area relay alone\n");
        return EXIT_USAGE;
    }
    return are_areas(&words) ? run(&given, &words) : EXIT_USAGE;
}

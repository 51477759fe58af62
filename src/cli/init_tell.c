#include "cli/init_tell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/dns_print.h"
#include "cli/paint.h"

enum { TEXT_LIMIT = 65536 };

static void head(const char *text)
{
    fputc('\n', stdout);
    paint_print(PAINT_BOLD, text);
    fputc('\n', stdout);
}

static void tell_records(const struct init_story *story)
{
    struct buf out;
    buf_init(&out, DNS_PRINT_LIMIT);
    head("DNS records to publish, as a zone file");
    dns_print_zone(story->survey, &out);
    printf("%.*s", BYTES_ARGS(buf_view(&out)));
    buf_clear(&out);
    head("The same as a table, for web forms");
    dns_print_table(story->survey, &out);
    printf("%.*s", BYTES_ARGS(buf_view(&out)));
    buf_done(&out);
}

static void tell_clients(const struct init_story *story)
{
    const struct init_plan *plan = story->plan;
    head("Settings of mail programs");
    printf("  send by      %s, port %u, TLS (\"SSL/TLS\")\n"
           "  or by        %s, port %u, STARTTLS\n"
           "  user name    %s (the whole address)\n"
           "  password     as above, \"normal password\"\n",
           plan->hostname, plan->port_offset + INIT_PORT_SUBMISSIONS, plan->hostname,
           plan->port_offset + INIT_PORT_SUBMISSION, plan->user);
    if (story->ca_path)
        printf("  trust        %s, until there is a real certificate\n", story->ca_path);
    printf("Programs that ask for SRV records find the server by the address alone, once those "
           "above are\npublished. Postrider sends; mail is read in the Maildirs, or by IMAP from a "
           "Dovecot that has\nthem or takes the mail by LMTP.\n");
}

static bool is_usual_place(const struct init_story *story)
{
    return strcmp(story->config_path, COMMAND_CONFIG_DEFAULT) == 0;
}

/* "postrider check", with --config where it is needed. */
static void print_command(const struct init_story *story, const char *command, const char *word)
{
    struct buf config;
    buf_init(&config, TEXT_LIMIT);
    if (!is_usual_place(story)) {
        buf_add(&config, BYTES(" --config "));
        paint_word(&config, story->config_path);
    }
    printf("  %s %s%.*s%s%s\n", program_invocation_name, command, BYTES_ARGS(buf_view(&config)),
           word[0] ? " " : "", word);
    buf_done(&config);
}

static void tell_next(const struct init_story *story)
{
    head("Next");
    if (is_usual_place(story) && access("/run/systemd/system", F_OK) == 0)
        printf("  systemctl enable --now postrider\n");
    else
        print_command(story, "serve", "");
    print_command(story, "dns check", story->plan->domain);
    print_command(story, "check", "");
}

static void tell_people(const struct init_story *story)
{
    tell_records(story);
    tell_clients(story);
    head("What is missing still");
    findings_print(story->findings, FINDINGS_BAD);
    tell_next(story);
}

void init_tell_made(const struct init_plan *plan, const struct init_files *files,
                    const struct init_account *account)
{
    struct bytes rest = buf_view(&files->made), line;
    printf("%s takes the mail of %s, once it is started. What was made:\n", plan->hostname,
           plan->domain);
    while (rest.len) {
        bytes_cut(rest, '\n', &line, &rest);
        printf("  %.*s\n", BYTES_ARGS(line));
    }
    printf("  and DKIM keys and the directory of accounts, in the spool\n");
    if (account->is_made)
        printf("\n%s has an account. The password is shown this once:\n  %.*s\n", plan->user,
               BYTES_ARGS(buf_view(&account->password)));
    else
        printf("\n%s has an account, with the password that you gave.\n", plan->user);
    fflush(stdout);
}

/* --- For programs ------------------------------------------------------------------------------
 */

static json_t *list_made(const struct init_files *files)
{
    json_t *list = json_array();
    struct bytes rest = buf_view(&files->made), line;
    while (rest.len) {
        bytes_cut(rest, '\n', &line, &rest);
        json_array_append_new(list, json_stringn((const char *)line.at, line.len));
    }
    return list;
}

static json_t *make_clients(const struct init_plan *plan)
{
    return json_pack("{s:s,s:s,s:{s:i,s:s},s:{s:i,s:s}}", "server", plan->hostname, "user",
                     plan->user, "submissions", "port",
                     (int)plan->port_offset + INIT_PORT_SUBMISSIONS, "security", "tls",
                     "submission", "port", (int)plan->port_offset + INIT_PORT_SUBMISSION,
                     "security", "starttls");
}

static void tell_programs(const struct init_story *story)
{
    const struct init_plan *plan = story->plan;
    int offset = (int)plan->port_offset;
    struct bytes password = buf_view(&story->account->password);
    json_t *made =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:{s:i,s:i,s:i},s:o,s:o,s:o}", "config", story->config_path,
                  "hostname", plan->hostname, "domain", plan->domain, "user", plan->user, "made",
                  list_made(story->files), "ports", "mx", offset + INIT_PORT_MX, "submission",
                  offset + INIT_PORT_SUBMISSION, "submissions", offset + INIT_PORT_SUBMISSIONS,
                  "records", dns_print_json(story->survey), "clients", make_clients(plan),
                  "findings", findings_json(story->findings));
    if (story->ca_path)
        json_object_set_new(made, "ca", json_string(story->ca_path));
    if (story->account->is_made)
        json_object_set_new(made, "password",
                            json_stringn((const char *)password.at, password.len));
    json_dumpf(made, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(made);
}

void init_tell(const struct init_story *story)
{
    if (story->plan->is_json)
        tell_programs(story);
    else
        tell_people(story);
}

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/complete.h"
#include "daemon/child.h"

static const struct command commands[] = {
    {"init", "[OPTION...]", "set up a server, for a real host or for development",
     "Looks at the host, asks in a terminal what it cannot find out, and writes a commented\n"
     "configuration, keys that sign mail, a certificate where there is none, and a first account;\n"
     "overwrites nothing. Prints the DNS records to publish, the settings of mail programs, and\n"
     "what is missing still.\n"
     "Exit status 0: done, 1: not, 2: usage, 77: its places are root's.\n"
     "Examples:\n"
     "  postrider init\n"
     "  postrider init --user ann@example.org --password-stdin --json < password\n"
     "  postrider init --dev --folder try\n",
     0, 0, 0, .run_own = command_init, .print_options = command_init_options},
    {"serve", "", "run the server in the foreground",
     "Logs to standard error, one event a line, and serves when event=ready appears. SIGTERM or\n"
     "SIGINT stop it (limits.drain), SIGHUP makes it read its configuration again.\n"
     "Example:\n"
     "  postrider serve --config postrider.yaml\n",
     0, 0, 0, .run = command_serve},
    {"check", "[AREA...]", "look for what is wrong with a server and its surroundings",
     "Areas: config, files, certificates, accounts, host, ports, dns, relay; without any, all of\n"
     "them (relay where the server runs). Each finding says what is so, what comes of it, how it\n"
     "was found, and what to do. Nothing is changed, and no message is sent.\n"
     "Exit status 0: no problem (perhaps warnings), 1: there are problems, 75: something could "
     "not\n"
     "be found out.\n"
     "Examples:\n"
     "  postrider check --config postrider.yaml\n"
     "  postrider check relay --all\n"
     "  postrider check --json | jq -r '.problems[]'\n",
     0, 0, 0, .run_own = command_check, .print_options = command_check_options},
    {"queue list", "[ID|OPTION...]", "list the messages that are not finished",
     "Without options all of them.\n"
     "Examples:\n"
     "  postrider queue list --from @example.org --status deferred\n"
     "  postrider queue list --json | jq '.[] | select(.size > 1000000) | .id'\n",
     TAKES_JSON | TAKES_SELECTION, 0, 1, .run = command_queue_list},
    {"queue show", "ID", "show one message and each of its recipients",
     "Exit status 1: there is no such message.\n"
     "Example:\n"
     "  postrider queue show 06fz3k8m0a1b2\n",
     TAKES_JSON, 1, 1, .run = command_queue_show},
    {"queue hold", "ID|all|OPTION...", "keep messages from being tried until they are released",
     "They make no attempts, send no reports and do not expire; a restart changes nothing in "
     "that.\n"
     "Deliveries under way finish first. Exit status 1: there is no such message.\n"
     "Examples:\n"
     "  postrider queue hold --from hacked@example.org\n"
     "  postrider queue hold --domain partner.example\n",
     TAKES_JSON | TAKES_SELECTION | TAKES_DRY_RUN, 0, 1, .run = command_queue_hold},
    {"queue release", "ID|all|OPTION...", "let held messages go on",
     "At once; their age has been counted on meanwhile. Exit status 1: there is no such message.\n"
     "Example:\n"
     "  postrider queue release --status held --domain partner.example\n",
     TAKES_JSON | TAKES_SELECTION | TAKES_DRY_RUN, 0, 1, .run = command_queue_release},
    {"queue retry", "ID|all|OPTION...", "try messages now",
     "Destinations that were suspended because they did not answer are tried again too; with\n"
     "--lane, only what goes to that destination is. Held messages stay held.\n"
     "Exit status 1: there is no such message.\n"
     "Examples:\n"
     "  postrider queue retry 06fz3k8m0a1b2\n"
     "  postrider queue retry all\n"
     "  postrider queue retry --lane smtp://smarthost.example:25\n",
     TAKES_JSON | TAKES_SELECTION | TAKES_DRY_RUN, 0, 1, .run = command_queue_retry},
    {"queue delete", "ID|all|OPTION...", "remove messages without delivery and without a report",
     "Deliveries under way finish first. More than one named message is asked about first, or "
     "needs\n"
     "--yes. Exit status 1: there is no such message.\n"
     "Examples:\n"
     "  postrider queue delete 06fz3k8m0a1b2\n"
     "  postrider queue delete --from hacked@example.org --dry-run\n",
     TAKES_JSON | TAKES_SELECTION | TAKES_DRY_RUN | TAKES_YES, 0, 1, .run = command_queue_delete},
    {"queue stats", "", "count messages, deliveries and results",
     "Example:\n"
     "  postrider queue stats --json\n",
     TAKES_JSON, 0, 0, .run = command_queue_stats},
    {"trace", "[ID|ADDRESS|HOST]", "tell the story of messages, and of those refused",
     "Reads the processes' trace journals, which works while the server is stopped too.\n"
     "HOST is a name, a domain or an address, of a client or of another server.\n"
     "Exit status 1: nothing is known.\n"
     "Examples:\n"
     "  postrider trace 06fz3k8m0a1b2\n"
     "  postrider trace ann@example.org --since 2h\n"
     "  postrider trace 192.0.2.7 --follow\n",
     0, 0, 0, .run_own = command_trace, .print_options = command_trace_options},
    {"dkim new", "DOMAIN", "make keys that sign a domain's mail",
     "Makes an RSA and an Ed25519 key, and prints the DNS records to publish. A domain's first "
     "keys\n"
     "sign at once; later ones when postrider dkim rotate finds their records in the DNS.\n"
     "Example:\n"
     "  postrider dkim new example.org\n",
     TAKES_JSON, 1, 1, .run = command_dkim_new},
    {"dkim import", "DOMAIN SELECTOR FILE", "sign with a key that is there",
     "FILE is a private key in PEM, RSA or Ed25519, as other signers have it; it is copied, and\n"
     "signs at once, as its record may be in the DNS already.\n"
     "Example:\n"
     "  postrider dkim import example.org mail /etc/opendkim/keys/example.org/mail.private\n",
     TAKES_JSON, 3, 3, .run = command_dkim_import},
    {"dkim list", "[DOMAIN]", "list the keys that sign mail",
     "With --json also the records that the DNS should have.\n"
     "Example:\n"
     "  postrider dkim list --json | jq -r '.[] | .name, .record'\n",
     TAKES_JSON, 0, 1, .run = command_dkim_list},
    {"dkim rotate", "DOMAIN", "go over to new keys",
     "Without new keys it makes them and prints their records; with them it looks for their "
     "records\n"
     "in the DNS, and when all are there the new keys sign and the old ones are retired.\n"
     "Exit status 75: the records are not there yet, and the old keys go on signing.\n"
     "Examples:\n"
     "  postrider dkim rotate example.org --wait 1h\n"
     "  postrider dkim rotate example.org --yes    # without a look at the DNS\n",
     TAKES_JSON | TAKES_YES | TAKES_WAIT, 1, 1, .run = command_dkim_rotate},
    {"dkim retire", "DOMAIN [SELECTOR]", "remove keys that sign no more",
     "Those that were retired a week ago, or the one with that selector. With --yes also earlier, "
     "or\n"
     "a key in use. Prints the records that may leave the DNS.\n"
     "Example:\n"
     "  postrider dkim retire example.org\n",
     TAKES_JSON | TAKES_YES, 1, 2, .run = command_dkim_retire},
    {"dns show", "DOMAIN", "print the DNS records that a domain needs",
     "MX, addresses, SPF, DKIM, DMARC and what is good to have, as lines of a zone file or, for "
     "web\n"
     "forms, as a table.\n"
     "Examples:\n"
     "  postrider dns show example.org > mail.zone\n"
     "  postrider dns show example.org --table\n",
     TAKES_JSON | TAKES_TABLE, 1, 1, .run = command_dns_show},
    {"dns check", "DOMAIN", "look whether the DNS has them",
     "Also whether this server's name and addresses lead to each other. Each finding has its "
     "remedy.\n"
     "Exit status 0: all is good, 1: something is missing or different, 75: the DNS did not tell.\n"
     "Example:\n"
     "  postrider dns check example.org\n",
     TAKES_JSON, 1, 1, .run = command_dns_check},
    {"user add", "ADDRESS", "make an account that may log in",
     "Asks for the password on the terminal. The server may be running or not, as for all that\n"
     "changes accounts. Exit status 1: there is one already.\n"
     "Examples:\n"
     "  postrider user add ann@example.org\n"
     "  pass mail/ann | postrider user add --password-stdin ann@example.org\n",
     TAKES_JSON | TAKES_PASSWORD | TAKES_NO_PASSWORD, 1, 1, .run = command_user_add},
    {"user list", "", "list the accounts",
     "Example:\n"
     "  postrider user list --json | jq -r '.[] | select(.disabled) | .address'\n",
     TAKES_JSON, 0, 0, .run = command_user_list},
    {"user passwd", "ADDRESS", "give an account a new password",
     "Its app passwords stay as they are. Exit status 1: there is no such account.\n"
     "Example:\n"
     "  postrider user passwd ann@example.org\n",
     TAKES_JSON | TAKES_PASSWORD, 1, 1, .run = command_user_passwd},
    {"user disable", "ADDRESS", "keep an account from logging in",
     "Mail for it is taken all the while. Exit status 1: there is no such account.\n"
     "Example:\n"
     "  postrider user disable ann@example.org\n",
     TAKES_JSON, 1, 1, .run = command_user_disable},
    {"user enable", "ADDRESS", "let an account log in again",
     "Exit status 1: there is no such account.\n"
     "Example:\n"
     "  postrider user enable ann@example.org\n",
     TAKES_JSON, 1, 1, .run = command_user_enable},
    {"user remove", "ADDRESS", "remove an account",
     "The mail in its mailbox stays. Exit status 1: there is no such account.\n"
     "Example:\n"
     "  postrider user remove ann@example.org\n",
     TAKES_JSON, 1, 1, .run = command_user_remove},
    {"user app-password", "ADDRESS NAME", "make a password for one program",
     "It is printed this once. Exit status 1: there is no such account, or one of that name.\n"
     "Examples:\n"
     "  postrider user app-password ann@example.org \"Ann's phone\"\n"
     "  postrider user app-password --remove ann@example.org \"Ann's phone\"\n",
     TAKES_JSON | TAKES_REMOVE, 2, 2, .run = command_user_app_password},
    {"user grant", "ADDRESS OWN", "let an account send as another address too",
     "OWN is an address, or @DOMAIN for all of a domain. Exit status 1: there is no such account,\n"
     "or it may already.\n"
     "Examples:\n"
     "  postrider user grant ann@example.org sales@example.org\n"
     "  postrider user grant --remove ann@example.org sales@example.org\n",
     TAKES_JSON | TAKES_REMOVE, 2, 2, .run = command_user_grant},
    {"user limit", "ADDRESS N N", "say how many messages and recipients a day",
     "0 stands for what the configuration says. Exit status 1: there is no such account.\n"
     "Example:\n"
     "  postrider user limit newsletter@example.org 100000 200000\n",
     TAKES_JSON, 3, 3, .run = command_user_limit},
    {"ban list", "", "list who may not log in for a while",
     "Those who have failed too often of late, until when.\n"
     "Example:\n"
     "  postrider ban list --json | jq -r '.[] | select(.kind == \"address\") | .key'\n",
     TAKES_JSON, 0, 0, .run = command_ban_list},
    {"ban lift", "KEY|all", "let somebody log in again",
     "KEY is an address, a network or an account, as ban list has it. Exit status 1: there is "
     "none.\n"
     "Example:\n"
     "  postrider ban lift 192.0.2.7\n",
     TAKES_JSON, 1, 1, .run = command_ban_lift},
    {"bench send", "", "put load on a mail server of your own",
     "Sends messages by SMTP or LMTP, pipelined, as fast as it goes or by a schedule, and prints\n"
     "rates, latencies and refusals. Exit status 0: all was accepted, 1: not all, 75: the server\n"
     "cannot be reached.\n"
     "Examples:\n"
     "  postrider bench send --server 127.0.0.1:2525 --sessions 50 --count 100000\n"
     "  postrider bench send --server 127.0.0.1:2525 --rate 1000 --duration 30s --size 1K-64K\n",
     0, 0, 0, .run_own = command_bench_send, .print_options = command_bench_send_options},
    {"bench sink", "", "take all mail and throw it away",
     "Listens until it is interrupted, and prints what came; it misbehaves as asked for.\n"
     "Examples:\n"
     "  postrider bench sink --listen 127.0.0.1:2599\n"
     "  postrider bench sink --listen 127.0.0.1:2599 --tempfail 10 --drop 1 --seed 7\n",
     0, 0, 0, .run_own = command_bench_sink, .print_options = command_bench_sink_options},
    {"bench relay", "", "send through a server, and count what arrives",
     "Sends to the server and is the sink that it relays to. Each message is known again by its\n"
     "number: none may be lost, none come twice. Exit status as of bench send, and 1 when\n"
     "something was lost or came twice.\n"
     "Example:\n"
     "  postrider bench relay --server 127.0.0.1:2525 --sink 127.0.0.1:2599 --count 100000 \\\n"
     "      --to user%d@partner.example\n",
     0, 0, 0, .run_own = command_bench_relay, .print_options = command_bench_relay_options},
    {"import postfix", "OPTION...", "make a configuration out of Postfix's",
     "Reads main.cf, master.cf and the tables that they name, and prints a commented "
     "configuration\n"
     "and what became of each parameter: the key that it is now, that it is not needed, or that "
     "it\n"
     "has no counterpart and what that means. Changes nothing of Postfix.\n"
     "Exit status 0: made, 1: the files cannot be read or understood, 2: usage.\n"
     "Examples:\n"
     "  postrider import postfix\n"
     "  postrider import postfix --output /etc/postrider/postrider.yaml\n"
     "  postrider import postfix --root copy-of-old-host --json | jq '.report[] | .name'\n",
     0, 0, 0, .run_own = command_import_postfix, .print_options = command_import_postfix_options},
    {"probe", "HOST|ADDRESS", "try a way for mail, step by step, and say where it ends",
     "Of an ADDRESS: the DNS, each MX host in order, connection, greeting, EHLO, TLS, and what is\n"
     "said to the recipient; stops before DATA, so nothing is sent. Of a HOST: what is behind the\n"
     "ports 25, 465, 587 and 2525, and whether --user gets in.\n"
     "Exit status 0: mail would be taken, 1: it would not, 75: not now.\n"
     "Examples:\n"
     "  postrider probe ann@example.org\n"
     "  postrider probe mail.example.org --user ann@example.org\n"
     "  postrider probe mail.example.org:587 --timeout 1m --json\n",
     0, 0, 0, .run_own = command_probe, .print_options = command_probe_options},
    {"send", "[TEXT]", "write a message and send it",
     "Composes text, HTML, pictures and files of any type, and hands the message to --server, or "
     "to\n"
     "the server that the configuration is for. The text is TEXT, --text FILE, or standard input.\n"
     "A login goes in verified TLS only. Tells what is said to each recipient.\n"
     "Exit status 0: all recipients were taken, 1: one was not, 75: one was put off.\n"
     "Examples:\n"
     "  postrider send --from ann@example.org --to bob@example.org -s Hello \"Good morning.\"\n"
     "  postrider send --from ann@example.org --to bob@example.org -s Plans --text letter.txt \\\n"
     "      --attach plan.pdf --server mail.example.org --user ann@example.org\n"
     "  postrider send --from ann@example.org --to bob@example.org --message letter.eml -v\n",
     0, 0, 0, .run_own = command_send, .print_options = command_send_options},
    {"verify", "[FILE]", "check SPF, DKIM, ARC and DMARC of a message, or of a sender",
     "Of a message on FILE (- is standard input) all of them, SPF where --ip says who sent it.\n"
     "Without FILE: SPF alone (--ip with --from or --helo), DMARC alone (--header-from).\n"
     "Says what was found in the DNS, why the check came out so, and what would mend it.\n"
     "Exit status 0 whatever came out, 1: the message or the zone cannot be read.\n"
     "Examples:\n"
     "  postrider verify --ip 192.0.2.1 --helo mail.example.org --from ann@example.org\n"
     "  postrider verify --ip 192.0.2.1 --from ann@example.org letter.eml\n"
     "  postrider verify --header-from ann@example.org --dkim-pass mail.example.org --json\n",
     0, 0, 0, .run_own = command_verify, .print_options = command_verify_options},
    {"reload", "", "make the server read its configuration again",
     "With a problem in it the old configuration stays in force and the exit status is 1. Changes "
     "of\n"
     "listen, workers, spool.path, run, user and deliver.mailbox need a restart.\n"
     "Example:\n"
     "  postrider reload && postrider queue retry all\n",
     TAKES_JSON, 0, 0, .run = command_reload},
    {"sendmail", "[OPTION...] [ADDRESS...]", "submit a message as programs on this host do",
     "The message comes from standard input and goes to the running server by its local socket;\n"
     "what it lacks (From, Date, Message-ID) is added. The program acts so, too, when it is "
     "called\n"
     "as sendmail, mailq or newaliases.\n"
     "Exit status 0: the server has it; 64: usage, 65: an address is none, 67: no such recipient,\n"
     "69, 77: refused, 75: try again.\n"
     "Examples:\n"
     "  echo Hello | postrider sendmail ann@example.org\n"
     "  postrider sendmail -t -i < letter.eml\n",
     0, 0, 0, .run_own = command_sendmail, .print_options = command_sendmail_options},
    {"stop", "", "end the server",
     "Waits until sessions and deliveries under way are finished (limits.drain) and the server "
     "has\n"
     "ended. Mail that is not delivered stays in the spool.\n"
     "Example:\n"
     "  postrider stop\n",
     TAKES_JSON, 0, 0, .run = command_stop},
};

static const struct option {
    const char *name, *value; /* of the value, its word; NULL: the option takes none */
    unsigned takes;           /* the commands that take it; 0: all */
    size_t offset;            /* in struct options, of a const char * */
    const char *does;
} option_rows[] = {
    {"--config", "FILE", 0, offsetof(struct options, config),
     "the configuration (default " COMMAND_CONFIG_DEFAULT ")"},
    {"--from", "ADDRESS", TAKES_SELECTION, offsetof(struct options, select.from),
     "those from this sender; also @DOMAIN, or <> for reports"},
    {"--to", "ADDRESS", TAKES_SELECTION, offsetof(struct options, select.to),
     "those to this recipient"},
    {"--domain", "DOMAIN", TAKES_SELECTION, offsetof(struct options, select.domain),
     "those to a recipient in this domain"},
    {"--older", "DURATION", TAKES_SELECTION, offsetof(struct options, select.older),
     "those received longer ago than this: 30m, 4h, 2d"},
    {"--younger", "DURATION", TAKES_SELECTION, offsetof(struct options, select.younger),
     "those received less long ago than this"},
    {"--reply", "TEXT", TAKES_SELECTION, offsetof(struct options, select.reply),
     "those with this text in a recipient's last reply"},
    {"--status", "STATUS", TAKES_SELECTION, offsetof(struct options, select.status),
     "those with a recipient that is queued, active, deferred, held ..."},
    {"--lane", "NAME", TAKES_SELECTION, offsetof(struct options, select.lane),
     "those that go to this destination, as queue show names it"},
    {"--dry-run", NULL, TAKES_DRY_RUN, offsetof(struct options, is_dry_run),
     "only count what is selected"},
    {"--wait", "DURATION", TAKES_WAIT, offsetof(struct options, wait),
     "look at the DNS again and again, for so long: 10m, 2h"},
    {"--yes", NULL, TAKES_YES, offsetof(struct options, is_yes), "do not ask first"},
    {"--password-stdin", NULL, TAKES_PASSWORD, offsetof(struct options, is_password_stdin),
     "read the password from standard input"},
    {"--generate", NULL, TAKES_PASSWORD, offsetof(struct options, is_generated),
     "make a password, and print it this once"},
    {"--no-password", NULL, TAKES_NO_PASSWORD, offsetof(struct options, is_without_password),
     "an account that has none"},
    {"--remove", NULL, TAKES_REMOVE, offsetof(struct options, is_removed), "take it away instead"},
    {"--table", NULL, TAKES_TABLE, offsetof(struct options, is_table),
     "print name, type and value, as web forms want them"},
    {"--json", NULL, TAKES_JSON, offsetof(struct options, is_json), "print JSON for programs"},
};

static const char **place_of(struct options *options, const struct option *option)
{
    return (const char **)((char *)options + option->offset);
}

static int print_version(void)
{
    printf("postrider %s\n", POSTRIDER_VERSION);
    return EXIT_GOOD;
}

static void print_commands(FILE *out)
{
    fprintf(out, "postrider: a mail server in one program\n\n"
                 "usage: postrider COMMAND [--config FILE] [--json] [ARGUMENT]\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        fprintf(out, "  %-17s %-16s %s\n", commands[i].name, commands[i].usage, commands[i].does);
    fprintf(out,
            "  %-17s %-16s %s\n"
            "  %-17s %-16s %s\n"
            "  %-17s %-16s %s\n\n"
            "postrider COMMAND --help explains each, with examples.\n",
            "help", "[COMMAND]", "explain a command", "help config", "",
            "list the configuration's keys and their defaults", "version", "", "print the version");
}

static bool is_taken(const struct option *option, const struct command *command)
{
    return option->takes == 0 || option->takes & command->takes;
}

/* Those whose `takes` has something of this, or is 0 as this is. */
static void print_options(unsigned takes, FILE *out)
{
    for (size_t i = 0; i < COUNT(option_rows); i++) {
        const struct option *option = &option_rows[i];
        if (takes == option->takes || takes & option->takes)
            fprintf(out, "  %-16s %-9s %s\n", option->name, option->value ? option->value : "",
                    option->does);
    }
}

static int print_help(const struct command *command)
{
    if (command->print_options) {
        bool has_operand = command->usage[0] && strncmp(command->usage, "OPTION", 6) != 0;
        printf("usage: postrider %s %s%s\n\n%s\n\n%s\n", command->name,
               has_operand ? "[OPTION ...] " : "OPTION ...", has_operand ? command->usage : "",
               command->does, command->help);
        command->print_options(stdout);
        return EXIT_GOOD;
    }
    printf("usage: postrider %s [--config FILE]%s%s%s\n\n%s\n\n%s\n", command->name,
           command->takes & TAKES_JSON ? " [--json]" : "", command->usage[0] ? " " : "",
           command->usage, command->does, command->help);
    if (command->takes & TAKES_SELECTION) {
        printf("Messages are selected by all of these options that are given:\n");
        print_options(TAKES_SELECTION, stdout);
        printf("Other options:\n");
    }
    print_options(0, stdout);
    print_options(command->takes & ~(unsigned)TAKES_SELECTION, stdout);
    return EXIT_GOOD;
}

static int print_config_keys(void)
{
    struct buf out;
    buf_init(&out, 65536);
    config_print_keys(&out);
    printf("Keys of " COMMAND_CONFIG_DEFAULT ": kind, default and meaning.\n\n%.*s",
           BYTES_ARGS(buf_view(&out)));
    buf_done(&out);
    return EXIT_GOOD;
}

/* How many of the words name the command; 0: not this one. */
static size_t match(const struct command *command, const char *const *words, size_t count)
{
    const char *space = strchr(command->name, ' ');
    size_t first_len = space ? (size_t)(space - command->name) : strlen(command->name);
    if (count == 0 || strlen(words[0]) != first_len ||
        strncmp(words[0], command->name, first_len) != 0)
        return 0;
    if (!space)
        return 1;
    return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

static const struct command *find_command(const char *const *words, size_t count, size_t *named)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if ((*named = match(&commands[i], words, count)) > 0)
            return &commands[i];
    return NULL;
}

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "postrider: %s%s%s; see: postrider help\n", what, word ? " " : "",
            word ? word : "");
    return EXIT_USAGE;
}

/* An option that takes no value has this, and one that is not given NULL. */
static const char *const given = "";

/* Takes the option at *at, and its value, which may stand behind a "=". */
static bool take_option(char **arguments, size_t count, size_t *at, struct options *options)
{
    const char *word = arguments[*at];
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < COUNT(option_rows); i++) {
        const struct option *option = &option_rows[i];
        if (strlen(option->name) != len || strncmp(word, option->name, len) != 0)
            continue;
        if (!option->value && word[len])
            return complain("no value belongs to", option->name) == EXIT_GOOD;
        if (option->value && !word[len] && ++*at == count) {
            fprintf(stderr, "postrider: %s needs a value: %s\n", option->name, option->value);
            return false;
        }
        *place_of(options, option) = !option->value ? given
                                     : word[len]    ? word + len + 1
                                                    : arguments[*at];
        return true;
    }
    return complain("there is no option", word) == EXIT_GOOD;
}

/* Sorts the arguments into options and words; false: it has complained. */
static bool sort_arguments(char **arguments, size_t count, struct options *options, bool *is_help)
{
    for (size_t i = 0; i < count; i++) {
        char *argument = arguments[i];
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            *is_help = true;
        } else if (strcmp(argument, "-c") == 0) {
            if (++i == count)
                return complain("--config needs a FILE", NULL) == EXIT_GOOD;
            options->config = arguments[i];
        } else if (argument[0] == '-' && argument[1]) {
            if (!take_option(arguments, count, &i, options))
                return false;
        } else {
            options->words[options->word_count++] = argument;
        }
    }
    return true;
}

static bool takes_all(const struct command *command, struct options *options)
{
    for (size_t i = 0; i < COUNT(option_rows); i++) {
        if (!*place_of(options, &option_rows[i]) || is_taken(&option_rows[i], command))
            continue;
        fprintf(stderr, "postrider: no %s for %s; see: postrider help\n", option_rows[i].name,
                command->name);
        return false;
    }
    return true;
}

/* No command has these words. */
static int complain_of_words(const struct options *options)
{
    static const struct {
        const char *first, *text;
    } groups[] = {
        {"ban", "ban takes list or lift, not"},
        {"bench", "bench takes send, sink or relay, not"},
        {"dns", "dns takes show or check, not"},
        {"dkim", "dkim takes new, import, list, rotate or retire, not"},
        {"import", "import takes postfix, not"},
        {"queue", "queue takes list, show, hold, release, retry, delete or stats, not"},
        {"user", "user takes add, list, passwd, disable, enable, remove, app-password, grant or "
                 "limit, not"},
    };
    for (size_t i = 0; i < COUNT(groups); i++)
        if (strcmp(options->words[0], groups[i].first) == 0)
            return complain(groups[i].text,
                            options->word_count > 1 ? options->words[1] : "nothing");
    return complain("there is no command", options->words[0]);
}

static int dispatch(struct options *options, bool is_help)
{
    if (options->word_count && strcmp(options->words[0], "help") == 0) {
        is_help = true;
        options->words++;
        options->word_count--;
    }
    if (options->word_count == 0) {
        print_commands(is_help ? stdout : stderr);
        return is_help ? EXIT_GOOD : EXIT_USAGE;
    }
    if (strcmp(options->words[0], "version") == 0)
        return print_version();
    if (is_help && strcmp(options->words[0], "config") == 0)
        return print_config_keys();
    size_t named;
    const struct command *command = find_command(options->words, options->word_count, &named);
    if (!command)
        return complain_of_words(options);
    if (is_help)
        return print_help(command);
    options->words += named;
    options->word_count -= named;
    if (!takes_all(command, options))
        return EXIT_USAGE;
    if (options->word_count < command->least_words || options->word_count > command->most_words) {
        fprintf(stderr, "postrider: %s takes %s; see: postrider %s --help\n", command->name,
                command->usage[0] ? command->usage : "no arguments", command->name);
        return EXIT_USAGE;
    }
    return command->run(options);
}

/* Runs a command that reads its options itself; false: it is none of these. */
static bool run_own(int count, char **arguments, int *status)
{
    size_t named;
    const struct command *command =
        find_command((const char *const *)arguments + 1, count > 0 ? (size_t)count - 1 : 0, &named);
    if (!command || !command->run_own)
        return false;
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            *status = print_help(command);
            return true;
        }
    *status = command->run_own(arguments + 1 + named, (size_t)count - 1 - named);
    return true;
}

/* For completion: in one list. */
static void print_command_options(const struct command *command, FILE *out)
{
    if (command->print_options) {
        command->print_options(out);
        return;
    }
    print_options(0, out);
    print_options(command->takes, out);
}

/* As sendmail, mailq and newaliases, other programs know it. */
static bool is_sendmail(const char *name)
{
    return strcmp(name, "sendmail") == 0 || strcmp(name, "mailq") == 0 ||
           strcmp(name, "newaliases") == 0;
}

int main(int count, char **arguments)
{
    if (count > 0 && is_sendmail(program_invocation_short_name))
        return sendmail_main(program_invocation_short_name, arguments + 1, (size_t)count - 1);
    /* How the supervisor starts its children, and what shells ask; not for people. */
    if (count == 4 && strcmp(arguments[1], "child") == 0)
        return child_run(arguments[2], arguments[3]);
    if (count > 1 && strcmp(arguments[1], "complete") == 0) {
        const struct complete_tables tables = {commands, COUNT(commands), print_command_options};
        return complete(&tables, arguments + 2, (size_t)count - 2);
    }
    if (count == 2 && strcmp(arguments[1], "--version") == 0)
        return print_version();
    int own_status;
    if (run_own(count, arguments, &own_status))
        return own_status;
    const char **words = calloc((size_t)count, sizeof *words);
    struct options options = {.config = COMMAND_CONFIG_DEFAULT, .words = words};
    bool is_help = false;
    int status = EXIT_USAGE;
    if (words && sort_arguments(arguments + 1, (size_t)count - 1, &options, &is_help))
        status = dispatch(&options, is_help);
    free(words);
    return status;
}

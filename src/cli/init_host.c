#include "cli/init_host.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/authority.h"
#include "cli/command.h"
#include "cli/dkim_store.h"
#include "cli/dns_client.h"
#include "cli/dns_findings.h"
#include "cli/init_account.h"
#include "cli/init_ask.h"
#include "cli/init_config.h"
#include "cli/init_files.h"
#include "cli/init_tell.h"

enum { CONFIG_TEXT_LIMIT = 65536 };

struct hosting {
    struct init_plan plan;
    struct init_look look;
    struct init_files files;
    struct init_account account;
    struct findings *findings;
    struct buf config_path, ca_path; /* with a NUL */
    struct buf config_text;
    bool is_asking;
};

static int complain(const struct error *err, int status)
{
    fprintf(stderr, "postrider init: %s\n", err->text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "see: postrider init --help\n");
    return status;
}

/* Appends the path of a name of the plan's, with a NUL. */
static const char *path_of(const struct hosting *hosting, const char *name, struct buf *out)
{
    buf_init(out, CONFIG_TEXT_LIMIT);
    init_plan_add_path(&hosting->plan, name, out);
    return out->overflowed ? "" : (const char *)out->at;
}

/* --- May it? -----------------------------------------------------------------------------------
 */

/* Each thing that would be written, and what an earlier set-up may have left. */
static bool is_fresh(const struct hosting *hosting, struct error *err)
{
    static const char *const in_folder[] = {"postrider.yaml", "tls/server.pem", "tls/server.key",
                                            "tls/ca.pem"};
    static const char *const in_spool[] = {"keys/dkim", "accounts/accounts.db"};
    struct init_places places = init_plan_places(&hosting->plan);
    bool is_free = true;
    for (size_t i = 0; is_free && i < COUNT(in_folder) + COUNT(in_spool); i++) {
        char name[64];
        struct buf path;
        if (i < COUNT(in_folder))
            snprintf(name, sizeof name, "%s", in_folder[i]);
        else
            snprintf(name, sizeof name, "%s/%s", places.spool, in_spool[i - COUNT(in_folder)]);
        is_free = init_files_is_free(path_of(hosting, name, &path), err);
        buf_done(&path);
    }
    return is_free;
}

/* Whose the server's files are. */
static bool find_user(struct hosting *hosting, struct error *err)
{
    struct init_plan *plan = &hosting->plan;
    if (geteuid() != 0) {
        if (plan->run_as)
            return error_set(err, 0, "only root can have the server become %s: leave --run-as",
                             plan->run_as);
        return plan->folder || plan->is_dry_run ||
               error_set(err, EACCES,
                         "/etc/postrider is root's: run this as root, or put all into a folder "
                         "of yours by --folder");
    }
    if (!plan->run_as && !plan->folder)
        plan->run_as = "postrider";
    if (!plan->run_as)
        return true;
    const struct passwd *user = getpwnam(plan->run_as);
    if (!user)
        return plan->is_dry_run ||
               error_set(err, 0,
                         "there is no user %s, that the server would run as; make it by: useradd "
                         "--system --user-group --home-dir /var/lib/postrider --shell "
                         "/usr/sbin/nologin %s",
                         plan->run_as, plan->run_as);
    hosting->files.has_server = true;
    hosting->files.uid = user->pw_uid;
    hosting->files.gid = user->pw_gid;
    return true;
}

/* --- The certificate ---------------------------------------------------------------------------
 */

static void find_certificate(struct init_plan *plan)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    if (plan->certificate[0])
        return;
    snprintf(certificate, sizeof certificate, "/etc/letsencrypt/live/%s/fullchain.pem",
             plan->hostname);
    snprintf(key, sizeof key, "/etc/letsencrypt/live/%s/privkey.pem", plan->hostname);
    if (access(certificate, R_OK) != 0 || access(key, R_OK) != 0)
        return;
    snprintf(plan->certificate, sizeof plan->certificate, "%s", certificate);
    snprintf(plan->key, sizeof plan->key, "%s", key);
}

static void tell_of_certificate(struct hosting *hosting)
{
    const struct init_plan *plan = &hosting->plan;
    bool is_real = plan->certificate[0];
    struct finding *finding =
        findings_add(hosting->findings, is_real ? SEVERITY_GOOD : SEVERITY_WARNING, "certificate",
                     is_real ? "certificate" : "certificate-stand-in");
    if (is_real) {
        buf_addf(&finding->what, "the certificate is %s", plan->certificate);
        return;
    }
    buf_addf(&finding->what, "the certificate is a stand-in that nobody trusts");
    buf_addf(&finding->meaning, "mail programs warn of it or refuse; other servers mostly do not "
                                "mind");
    buf_addf(&finding->how, "there is none in /etc/letsencrypt/live/%s", plan->hostname);
    buf_addf(&finding->remedy,
             "certbot certonly --standalone -d %s --deploy-hook \"postrider reload\"\n"
             "tls: {certificate: /etc/letsencrypt/live/%s/fullchain.pem, key: "
             "/etc/letsencrypt/live/%s/privkey.pem}",
             plan->hostname, plan->hostname, plan->hostname);
}

/* --- Making ------------------------------------------------------------------------------------
 */

/* Where relative paths of the configuration will start from; the folder need not be there yet. */
static void find_folder(const struct hosting *hosting, char out[PATH_MAX])
{
    const char *folder = init_plan_places(&hosting->plan).folder;
    char here[PATH_MAX];
    if (folder[0] == '/' || !getcwd(here, sizeof here))
        snprintf(out, PATH_MAX, "%s", folder);
    else
        snprintf(out, PATH_MAX, "%s/%s", here, folder);
}

/* Before anything is made: would the server take this? */
static bool is_good_config(struct hosting *hosting)
{
    char folder[PATH_MAX];
    struct buf problems;
    find_folder(hosting, folder);
    buf_init(&problems, CONFIG_TEXT_LIMIT);
    struct config *config = config_parse(buf_view(&hosting->config_text),
                                         (const char *)hosting->config_path.at, folder, &problems);
    bool is_good = config && (!hosting->plan.certificate[0] ||
                              config_read_certificates(config, &problems, NULL));
    if (!is_good)
        fprintf(stderr, "postrider init: nothing was made, as this would not do:\n%.*s",
                BYTES_ARGS(buf_view(&problems)));
    config_free(config);
    buf_done(&problems);
    return is_good;
}

static bool make_folder(struct hosting *hosting, const char *name, mode_t mode,
                        enum init_owner owner, struct error *err)
{
    struct buf path;
    bool is_made =
        init_files_folder(&hosting->files, path_of(hosting, name, &path), mode, owner, err);
    buf_done(&path);
    return is_made;
}

static bool write_file(struct hosting *hosting, const char *name, mode_t mode,
                       enum init_owner owner, const struct buf *text, struct error *err)
{
    struct buf path;
    bool is_written = init_files_write(&hosting->files, path_of(hosting, name, &path), mode, owner,
                                       buf_view(text), err);
    buf_done(&path);
    return is_written;
}

static bool make_certificate(struct hosting *hosting, struct error *err)
{
    struct authority_issued issued;
    if (hosting->plan.certificate[0])
        return true;
    if (!make_folder(hosting, "tls", 0755, INIT_OWN, err) ||
        !authority_issue(hosting->plan.hostname, &issued, err))
        return false;
    bool is_made =
        write_file(hosting, "tls/ca.pem", 0644, INIT_OWN, &issued.ca, err) &&
        write_file(hosting, "tls/server.pem", 0644, INIT_OWN, &issued.certificate, err) &&
        write_file(hosting, "tls/server.key", 0600, INIT_OWN, &issued.key, err);
    authority_issued_done(&issued);
    return is_made;
}

static struct config *load_config(const struct hosting *hosting, struct error *err)
{
    struct buf problems;
    buf_init(&problems, CONFIG_TEXT_LIMIT);
    struct config *config = config_load((const char *)hosting->config_path.at, &problems);
    if (!config)
        error_set(err, 0, "%.*s", BYTES_ARGS(bytes_trim(buf_view(&problems))));
    buf_done(&problems);
    return config;
}

static bool make_keys(const struct hosting *hosting, struct error *err)
{
    struct dkim_store store;
    struct config *config = load_config(hosting, err);
    bool is_open = config && dkim_store_open(&store, config, err);
    bool is_made = is_open &&
                   dkim_store_make_pair(&store, bytes_of(hosting->plan.domain), KEYRING_ACTIVE,
                                        instant_now_ms() / 1000, err) &&
                   dkim_store_save(&store, err);
    if (is_open)
        dkim_store_close(&store);
    config_free(config);
    return is_made;
}

static bool make_all(struct hosting *hosting, struct error *err)
{
    struct init_places places = init_plan_places(&hosting->plan);
    return make_folder(hosting, ".", 0755, INIT_OWN, err) && make_certificate(hosting, err) &&
           make_folder(hosting, places.spool, 0700, INIT_SERVERS, err) &&
           make_folder(hosting, places.mail, 0700, INIT_SERVERS, err) &&
           write_file(hosting, "postrider.yaml", 0640, INIT_GROUP, &hosting->config_text, err) &&
           make_keys(hosting, err) &&
           init_account_add(&hosting->account, (const char *)hosting->config_path.at,
                            hosting->plan.user, err);
}

/* Whoever interrupts it does so before or behind it. */
static bool make_at_once(struct hosting *hosting, struct error *err)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &before);
    bool is_made = make_all(hosting, err);
    if (is_made && !hosting->plan.is_json)
        init_tell_made(&hosting->plan, &hosting->files, &hosting->account);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return is_made;
}

/* --- Asking and looking ------------------------------------------------------------------------
 */

static int stop_asking(void)
{
    fprintf(stderr, "postrider init: no more answers; nothing was made\n");
    return EXIT_BAD;
}

/* What the plan lacks; EXIT_GOOD, or it has complained. */
static int complete(struct hosting *hosting)
{
    struct init_plan *plan = &hosting->plan;
    if (hosting->is_asking && !init_ask_names(plan, &hosting->look))
        return stop_asking();
    init_ask_nobody(plan, &hosting->look);
    find_certificate(plan);
    plan->has_ipv6 = hosting->look.has_ipv6;
    init_look_at_ports(plan, hosting->findings);
    if (hosting->is_asking && !plan->is_offline)
        fprintf(stderr, "\nLooking at the DNS and the way out ...\n");
    init_look_at_network(&hosting->look, plan, hosting->findings);
    if (hosting->is_asking && !init_ask_ways(plan, &hosting->look))
        return stop_asking();
    init_look_tell_port25(&hosting->look, plan, hosting->findings);
    for (size_t i = 0; i < plan->addresses.count; i++)
        own_addresses_add(&hosting->look.known, &plan->addresses.list[i]);
    tell_of_certificate(hosting);
    return EXIT_GOOD;
}

/* The password, and a last word. */
static int settle(struct hosting *hosting)
{
    enum init_password from =
        hosting->plan.is_password_stdin ? INIT_PASSWORD_STDIN : INIT_PASSWORD_MADE;
    bool is_wanted = true;
    if (hosting->is_asking && from == INIT_PASSWORD_MADE) {
        fprintf(stderr, "\nA password for %s can be made, and is shown once.\n",
                hosting->plan.user);
        if (!init_ask_yes("Make one", true, &is_wanted))
            return stop_asking();
        from = is_wanted ? INIT_PASSWORD_MADE : INIT_PASSWORD_ASKED;
    }
    if (!init_account_password(&hosting->account, from))
        return EXIT_BAD;
    if (!hosting->is_asking)
        return EXIT_GOOD;
    fprintf(stderr, "\n%s for %s, with the account %s: %s and what belongs to it is written now.\n",
            hosting->plan.hostname, hosting->plan.domain, hosting->plan.user,
            (const char *)hosting->config_path.at);
    if (!init_ask_yes("Go on", true, &is_wanted) || !is_wanted)
        return stop_asking();
    return EXIT_GOOD;
}

/* --- What came of it ---------------------------------------------------------------------------
 */

struct gathered {
    size_t count;
    struct buf names;
};

static void gather(struct gathered *into, const struct dns_record *record)
{
    buf_addf(&into->names, "%s%.*s %s", into->count++ ? ", " : "",
             BYTES_ARGS(buf_view(&record->name)), record->type);
}

static void find_missing(const struct hosting *hosting, const struct gathered *missing)
{
    if (!missing->count)
        return;
    struct finding *finding =
        findings_add(hosting->findings, SEVERITY_PROBLEM, "dns", "dns-missing");
    buf_addf(&finding->what, "%zu of the records above are not in the DNS yet", missing->count);
    buf_addf(&finding->meaning, "mail does not come, or others do not believe what is sent");
    buf_addf(&finding->how, "asked for %.*s", BYTES_ARGS(buf_view(&missing->names)));
    buf_addf(&finding->remedy,
             "publish them; postrider dns check %s then shows one after the other as good",
             hosting->plan.domain);
}

static void find_unknown(const struct hosting *hosting, const struct gathered *unknown)
{
    if (!unknown->count)
        return;
    struct finding *finding =
        findings_add(hosting->findings, SEVERITY_UNKNOWN, "dns", "dns-unknown");
    buf_addf(&finding->what, "whether %zu of the records above are in the DNS is not known",
             unknown->count);
    buf_addf(&finding->how, "no answer for %.*s", BYTES_ARGS(buf_view(&unknown->names)));
    buf_addf(&finding->remedy, "publish them; postrider dns check %s, when the DNS answers",
             hosting->plan.domain);
}

/* What is not there yet is no surprise now, and stands above: one finding for all. What is there
 * and different is. */
static void find_in_dns(const struct hosting *hosting, const struct dns_survey *survey)
{
    struct gathered missing = {.count = 0}, unknown = {.count = 0};
    buf_init(&missing.names, FINDING_TEXT_LIMIT / 2);
    buf_init(&unknown.names, FINDING_TEXT_LIMIT / 2);
    for (size_t i = 0; i < dns_survey_count(survey); i++) {
        const struct dns_record *record = dns_survey_view(survey, i);
        if (record->state == DNS_MISSING && !record->is_optional)
            gather(&missing, record);
        else if (record->state == DNS_UNKNOWN && !record->is_optional)
            gather(&unknown, record);
        else
            dns_findings_add_record(record, hosting->findings);
    }
    find_missing(hosting, &missing);
    find_unknown(hosting, &unknown);
    buf_done(&missing.names);
    buf_done(&unknown.names);
}

/* The records as the DNS has them; without the DNS, as they should be. */
static void ask_dns(const struct hosting *hosting, struct dns_survey *survey,
                    const struct config *config)
{
    struct error err;
    struct dns_client *dns = hosting->plan.is_offline ? NULL : dns_survey_client(config, &err);
    if (!dns)
        return;
    dns_survey_ask(survey, dns);
    dns_client_close(dns);
    find_in_dns(hosting, survey);
}

static int tell(struct hosting *hosting)
{
    struct error err;
    struct config *config = load_config(hosting, &err);
    if (!config)
        return complain(&err, EXIT_BAD);
    struct dns_survey *survey = dns_survey_new(config, bytes_of(hosting->plan.domain),
                                               hosting->look.known.list, hosting->look.known.count);
    fflush(stdout);
    ask_dns(hosting, survey, config);
    init_tell(&(struct init_story){
        .plan = &hosting->plan,
        .files = &hosting->files,
        .account = &hosting->account,
        .survey = survey,
        .findings = hosting->findings,
        .config_path = (const char *)hosting->config_path.at,
        .ca_path = hosting->plan.certificate[0] ? NULL : (const char *)hosting->ca_path.at});
    dns_survey_free(survey);
    config_free(config);
    return EXIT_GOOD;
}

static int end_dry_run(struct hosting *hosting)
{
    if (hosting->plan.is_json) {
        json_t *found =
            json_pack("{s:s%,s:o}", "configuration", hosting->config_text.at,
                      hosting->config_text.len, "findings", findings_json(hosting->findings));
        json_dumpf(found, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(found);
        return EXIT_GOOD;
    }
    printf("%.*s\n", BYTES_ARGS(buf_view(&hosting->config_text)));
    findings_print(hosting->findings, FINDINGS_ALL);
    return EXIT_GOOD;
}

/* --- The command -------------------------------------------------------------------------------
 */

static int run(struct hosting *hosting)
{
    struct error err;
    int status;
    if (!hosting->is_asking && !hosting->plan.domain[0]) {
        error_set(&err, 0,
                  "there is nobody to ask: write --domain DOMAIN, the domain whose mail the server "
                  "takes");
        return complain(&err, EXIT_USAGE);
    }
    if (!hosting->plan.is_dry_run && !is_fresh(hosting, &err))
        return complain(&err, EXIT_BAD);
    if (!find_user(hosting, &err))
        return complain(&err, err.os == EACCES ? EXIT_DENIED : EXIT_BAD);
    init_look_at_host(&hosting->look, &hosting->plan, hosting->findings);
    if ((status = complete(hosting)) != EXIT_GOOD)
        return status;
    init_config_print(&hosting->plan, &hosting->config_text);
    if (!is_good_config(hosting))
        return EXIT_BAD;
    if (hosting->plan.is_dry_run)
        return end_dry_run(hosting);
    if ((status = settle(hosting)) != EXIT_GOOD)
        return status;
    if (make_at_once(hosting, &err))
        return tell(hosting);
    complain(&err, EXIT_BAD);
    if (hosting->files.made.len)
        fprintf(stderr, "What was made before that; remove it before you try again:\n%.*s",
                BYTES_ARGS(buf_view(&hosting->files.made)));
    return EXIT_BAD;
}

int init_host(const struct init_plan *plan)
{
    struct hosting hosting = {.plan = *plan};
    init_files_begin(&hosting.files);
    hosting.findings = findings_new();
    hosting.is_asking = !plan->is_quiet && !plan->is_dry_run && init_ask_is_possible();
    (void)path_of(&hosting, "postrider.yaml", &hosting.config_path);
    (void)path_of(&hosting, "tls/ca.pem", &hosting.ca_path);
    buf_init(&hosting.config_text, CONFIG_TEXT_LIMIT);
    int status = run(&hosting);
    init_account_done(&hosting.account);
    init_files_end(&hosting.files);
    findings_free(hosting.findings);
    buf_done(&hosting.config_path);
    buf_done(&hosting.ca_path);
    buf_done(&hosting.config_text);
    return status;
}

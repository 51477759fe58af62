#include "cli/init_dev.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "cli/authority.h"
#include "cli/command.h"
#include "cli/init_account.h"
#include "cli/init_config.h"
#include "cli/init_files.h"
#include "cli/paint.h"

enum { CONFIG_TEXT_LIMIT = 65536 };

/* A command under way. */
struct making {
    struct init_plan plan;
    struct init_files files;
    struct init_account account;
};

static int complain(const struct error *err)
{
    fprintf(stderr, "postrider init: %s\n", err->text);
    return EXIT_BAD;
}

/* --- The folder ------------------------------------------------------------------------------- */

/* The folder's file of that name, as one would write it from here; with a NUL. */
static const char *path_of(const struct making *making, const char *name, struct buf *out)
{
    buf_init(out, CONFIG_TEXT_LIMIT);
    init_plan_add_path(&making->plan, name, out);
    return out->overflowed ? "" : (const char *)out->at;
}

/* Makes the folder where it is missing; nothing that would be written may be there. */
static bool open_folder(struct making *making, struct error *err)
{
    static const char *const names[] = {"postrider.yaml", "tls", "spool", "mail"};
    const char *folder = making->plan.folder;
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return error_set(err, errno, "make the folder %s", folder);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct buf path;
        struct stat status;
        bool is_there = lstat(path_of(making, names[i], &path), &status) == 0;
        int os = errno;
        buf_done(&path);
        if (is_there)
            return error_set(err, 0,
                             "there is a %s in %s already, and init overwrites nothing; name "
                             "another folder by --folder",
                             names[i], strcmp(folder, ".") == 0 ? "this folder" : folder);
        if (os != ENOENT)
            return error_set(err, os, "%s/%s", folder, names[i]);
    }
    return true;
}

static bool make_folder(struct making *making, const char *name, mode_t mode, struct error *err)
{
    struct buf path;
    bool is_made =
        init_files_folder(&making->files, path_of(making, name, &path), mode, INIT_OWN, err);
    buf_done(&path);
    return is_made;
}

static bool write_file(struct making *making, const char *name, mode_t mode, struct bytes text,
                       struct error *err)
{
    struct buf path;
    bool is_written =
        init_files_write(&making->files, path_of(making, name, &path), mode, INIT_OWN, text, err);
    buf_done(&path);
    return is_written;
}

static bool write_certificates(struct making *making, struct error *err)
{
    struct authority_issued issued;
    if (!make_folder(making, "tls", 0755, err) ||
        !authority_issue(making->plan.hostname, &issued, err))
        return false;
    bool is_written =
        write_file(making, "tls/ca.pem", 0644, buf_view(&issued.ca), err) &&
        write_file(making, "tls/server.pem", 0644, buf_view(&issued.certificate), err) &&
        write_file(making, "tls/server.key", 0600, buf_view(&issued.key), err);
    authority_issued_done(&issued);
    return is_written;
}

static bool write_config(struct making *making, struct error *err)
{
    struct buf text;
    buf_init(&text, CONFIG_TEXT_LIMIT);
    init_config_print(&making->plan, &text);
    bool is_written = write_file(making, "postrider.yaml", 0644, buf_view(&text), err);
    buf_done(&text);
    return is_written;
}

/* --- Ports ------------------------------------------------------------------------------------ */

static bool is_free(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    /* As the server does: connections that have just ended are no hindrance. */
    bool is_bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                    bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                    listen(fd, 1) == 0;
    if (fd >= 0)
        close(fd);
    return is_bound;
}

/* One that was chosen stays: whoever chose it knows what else runs there. */
static bool choose_ports(struct init_plan *plan, struct error *err)
{
    enum { STEP = 1000 };
    if (plan->port_offset)
        return true;
    for (unsigned offset = INIT_OFFSET_DEFAULT; offset <= INIT_OFFSET_MOST; offset += STEP)
        if (is_free(offset + INIT_PORT_MX) && is_free(offset + INIT_PORT_SUBMISSION) &&
            is_free(offset + INIT_PORT_SUBMISSIONS)) {
            plan->port_offset = offset;
            return true;
        }
    return error_set(err, 0, "no ports are free on 127.0.0.1; choose some by --port-offset");
}

/* --- What was made ---------------------------------------------------------------------------- */

/* The path as a word for the shell. */
static void add_path_word(const struct making *making, const char *name, struct buf *out)
{
    struct buf path;
    paint_word(out, path_of(making, name, &path));
    buf_done(&path);
}

static void add_commands(const struct making *making, struct buf *out)
{
    const struct init_plan *plan = &making->plan;
    struct buf user, config, ca;
    buf_init(&user, CONFIG_TEXT_LIMIT);
    buf_init(&config, CONFIG_TEXT_LIMIT);
    buf_init(&ca, CONFIG_TEXT_LIMIT);
    paint_word(&user, plan->user);
    add_path_word(making, "postrider.yaml", &config);
    add_path_word(making, "tls/ca.pem", &ca);
    buf_addf(out, "\nStart the server:\n  %s serve --config %.*s\n", program_invocation_name,
             BYTES_ARGS(buf_view(&config)));
    buf_addf(
        out,
        "Send something from another terminal, by either of these; they ask for the password:\n"
        "  curl smtps://localhost:%u --cacert %.*s --user %.*s \\\n"
        "       --mail-from %.*s --mail-rcpt %.*s -H 'Subject: Hello' -F '=Good morning.'\n",
        plan->port_offset + INIT_PORT_SUBMISSIONS, BYTES_ARGS(buf_view(&ca)),
        BYTES_ARGS(buf_view(&user)), BYTES_ARGS(buf_view(&user)), BYTES_ARGS(buf_view(&user)));
    buf_addf(out,
             "  swaks --server localhost:%u --tls --tls-verify --tls-ca-path %.*s \\\n"
             "        --auth-user %.*s --from %.*s --to %.*s\n",
             plan->port_offset + INIT_PORT_SUBMISSION, BYTES_ARGS(buf_view(&ca)),
             BYTES_ARGS(buf_view(&user)), BYTES_ARGS(buf_view(&user)), BYTES_ARGS(buf_view(&user)));
    buf_addf(out, "Let others have an account and a mailbox:\n  %s user add --config %.*s bob@%s\n",
             program_invocation_name, BYTES_ARGS(buf_view(&config)), plan->domain);
    buf_done(&user);
    buf_done(&config);
    buf_done(&ca);
}

static void print_text(const struct making *making)
{
    const struct init_plan *plan = &making->plan;
    const char *folder = plan->folder;
    struct buf out;
    buf_init(&out, 8 * CONFIG_TEXT_LIMIT);
    buf_addf(&out,
             "A server for development is in %s:\n"
             "  postrider.yaml  its configuration, with notes\n"
             "  tls/ca.pem      what clients are to trust; the key to it was thrown away\n"
             "  tls/server.pem  the server's certificate, for %s and localhost\n"
             "  tls/server.key  its key\n"
             "  mail, spool     the mailboxes; the queue, and the accounts\n",
             strcmp(folder, ".") == 0 ? "this folder" : folder, plan->hostname);
    if (making->account.is_made)
        buf_addf(&out, "\n%s has an account. The password is shown this once:\n  %.*s\n",
                 plan->user, BYTES_ARGS(buf_view(&making->account.password)));
    else
        buf_addf(&out, "\n%s has an account, with the password that you gave.\n", plan->user);
    add_commands(making, &out);
    printf("%.*s", BYTES_ARGS(buf_view(&out)));
    if (out.at)
        OPENSSL_cleanse(out.at, out.cap);
    buf_done(&out);
}

static json_t *make_path(const struct making *making, const char *name)
{
    struct buf path;
    json_t *made = json_string(path_of(making, name, &path));
    buf_done(&path);
    return made;
}

static void print_json(const struct making *making)
{
    const struct init_plan *plan = &making->plan;
    int offset = (int)plan->port_offset;
    struct bytes password = buf_view(&making->account.password);
    json_t *made =
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:{s:i, s:i, s:i}}", "config",
                  make_path(making, "postrider.yaml"), "ca", make_path(making, "tls/ca.pem"),
                  "hostname", plan->hostname, "domain", plan->domain, "user", plan->user, "ports",
                  "mx", offset + INIT_PORT_MX, "submission", offset + INIT_PORT_SUBMISSION,
                  "submissions", offset + INIT_PORT_SUBMISSIONS);
    if (making->account.is_made)
        json_object_set_new(made, "password",
                            json_stringn((const char *)password.at, password.len));
    json_dumpf(made, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(made);
}

/* --- The command ------------------------------------------------------------------------------ */

static bool make(struct making *making, struct error *err)
{
    struct buf path;
    const char *config_path = path_of(making, "postrider.yaml", &path);
    bool is_made = write_certificates(making, err) && make_folder(making, "mail", 0700, err) &&
                   write_config(making, err) &&
                   init_account_add(&making->account, config_path, making->plan.user, err);
    buf_done(&path);
    return is_made;
}

static int run(struct making *making)
{
    enum init_password from =
        making->plan.is_password_stdin ? INIT_PASSWORD_STDIN : INIT_PASSWORD_MADE;
    struct error err;
    if (!open_folder(making, &err) || !choose_ports(&making->plan, &err))
        return complain(&err);
    if (!init_account_password(&making->account, from))
        return EXIT_BAD;
    if (!make(making, &err)) {
        complain(&err);
        if (making->files.made.len)
            fprintf(stderr, "What was made before that is in %s; remove it before you try again.\n",
                    making->plan.folder);
        return EXIT_BAD;
    }
    if (making->plan.is_json)
        print_json(making);
    else
        print_text(making);
    return EXIT_GOOD;
}

int init_dev(const struct init_plan *plan)
{
    struct making making = {.plan = *plan};
    init_files_begin(&making.files);
    int status = run(&making);
    init_account_done(&making.account);
    init_files_end(&making.files);
    return status;
}

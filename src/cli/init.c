/* postrider init --dev: a folder with all that a server for development needs. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/instant.h"
#include "cli/authority.h"
#include "cli/init_plan.h"
#include "cli/user_password.h"
#include "daemon/accounts.h"
#include "daemon/supervisor_ground.h"

enum { CONFIG_TEXT_LIMIT = 65536 };

/* A command under way. */
struct making {
    struct init_plan plan;
    struct buf config_path; /* as the user would write it, and a NUL */
    struct buf password;
    bool is_generated;
    int folder_fd;
    bool has_begun; /* something is in the folder */
};

static int complain(const struct error *err, int status)
{
    fprintf(stderr, "postrider init: %s\n", err->text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "see: postrider init --help\n");
    return status;
}

/* --- The folder ------------------------------------------------------------------------------- */

/* Opens the folder, or makes it; nothing that would be written may be there. */
static bool open_folder(struct making *making, struct error *err)
{
    static const char *const names[] = {"postrider.yaml", "tls", "spool", "mail"};
    const char *folder = making->plan.folder;
    struct stat status;
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return error_set(err, errno, "make the folder %s", folder);
    making->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (making->folder_fd < 0)
        return error_set(err, errno, "open the folder %s", folder);
    for (size_t i = 0; i < COUNT(names); i++) {
        if (fstatat(making->folder_fd, names[i], &status, AT_SYMLINK_NOFOLLOW) == 0)
            return error_set(err, 0,
                             "there is a %s in %s already, and init overwrites nothing; name "
                             "another folder by --folder",
                             names[i], strcmp(folder, ".") == 0 ? "this folder" : folder);
        if (errno != ENOENT)
            return error_set(err, errno, "%s/%s", folder, names[i]);
    }
    return true;
}

static bool make_folder(struct making *making, const char *name, mode_t mode, struct error *err)
{
    if (mkdirat(making->folder_fd, name, mode) != 0)
        return error_set(err, errno, "make the folder %s/%s", making->plan.folder, name);
    making->has_begun = true;
    return true;
}

static bool write_file(const struct making *making, const char *name, mode_t mode,
                       struct bytes text, struct error *err)
{
    int fd = openat(making->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool is_written = fd >= 0;
    while (is_written && text.len) {
        ssize_t wrote = write(fd, text.at, text.len);
        is_written = wrote > 0;
        text = bytes_from(text, is_written ? (size_t)wrote : 0);
    }
    int os = errno;
    if (fd >= 0 && close(fd) != 0 && is_written) {
        is_written = false;
        os = errno;
    }
    return is_written || error_set(err, os, "write %s/%s", making->plan.folder, name);
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

static bool write_config(const struct making *making, struct error *err)
{
    struct buf text;
    buf_init(&text, CONFIG_TEXT_LIMIT);
    init_plan_print_config(&making->plan, &text);
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

/* --- The account ------------------------------------------------------------------------------ */

static bool read_password(struct making *making)
{
    struct options options = {.config = NULL};
    if (making->plan.is_password_stdin)
        options.is_password_stdin = "";
    else
        options.is_generated = "";
    return user_password(&options, &making->password, &making->is_generated);
}

static bool add_account(struct accounts *accounts, const struct making *making,
                        const struct config *config, struct error *err)
{
    struct credentials made;
    struct buf name;
    buf_init(&name, DIRECTORY_NAME_LIMIT);
    bool is_name = directory_name(&name, bytes_of(making->plan.user));
    ASSERT(is_name); /* init_plan_read() has asked the same */
    bool is_added =
        password_derive(buf_view(&making->password), config->auth.hash_cost, &made, err) &&
        accounts_add(accounts, buf_view(&name), &made, instant_now_ms(), err) == ACCOUNTS_DONE;
    OPENSSL_cleanse(&made, sizeof made);
    buf_done(&name);
    return is_added;
}

static bool make_account(const struct making *making, struct error *err)
{
    struct ground ground = {.lock_fd = -1};
    struct buf problems;
    buf_init(&problems, sizeof err->text);
    struct config *config = config_load((const char *)making->config_path.at, &problems);
    if (!config)
        error_set(err, 0, "%.*s", BYTES_ARGS(bytes_trim(buf_view(&problems))));
    struct accounts *accounts = config && ground_open_accounts(&ground, config, err)
                                    ? accounts_open(config->accounts_folder, err)
                                    : NULL;
    bool is_made = accounts && add_account(accounts, making, config, err);
    accounts_close(accounts);
    config_free(config);
    buf_done(&problems);
    return is_made;
}

/* --- What was made ---------------------------------------------------------------------------- */

/* As a shell takes it as one word. */
static void add_word(struct buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:@%+=,-";
    if (word[strspn(word, plain)] == 0) {
        buf_add(out, bytes_of(word));
        return;
    }
    buf_add_byte(out, '\'');
    for (; *word; word++)
        buf_add(out, *word == '\'' ? BYTES("'\\''") : (struct bytes){(const uint8_t *)word, 1});
    buf_add_byte(out, '\'');
}

/* The folder's file of that name, as one would write it from here; with a NUL. */
static void add_path(const struct making *making, const char *name, struct buf *out)
{
    const char *folder = making->plan.folder;
    if (strcmp(folder, ".") != 0) {
        buf_addf(out, "%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/");
    }
    buf_add(out, bytes_of(name));
    buf_add_byte(out, 0);
}

/* The same as a word for the shell. */
static void add_path_word(const struct making *making, const char *name, struct buf *out)
{
    struct buf path;
    buf_init(&path, CONFIG_TEXT_LIMIT);
    add_path(making, name, &path);
    if (!path.overflowed)
        add_word(out, (const char *)path.at);
    buf_done(&path);
}

static void add_commands(const struct making *making, struct buf *out)
{
    const struct init_plan *plan = &making->plan;
    struct buf user, config, ca;
    buf_init(&user, CONFIG_TEXT_LIMIT);
    buf_init(&config, CONFIG_TEXT_LIMIT);
    buf_init(&ca, CONFIG_TEXT_LIMIT);
    add_word(&user, plan->user);
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
    if (making->is_generated)
        buf_addf(&out, "\n%s has an account. The password is shown this once:\n  %.*s\n",
                 plan->user, BYTES_ARGS(buf_view(&making->password)));
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
    buf_init(&path, CONFIG_TEXT_LIMIT);
    add_path(making, name, &path);
    json_t *made = json_string(path.overflowed ? "" : (const char *)path.at);
    buf_done(&path);
    return made;
}

static void print_json(const struct making *making)
{
    const struct init_plan *plan = &making->plan;
    int offset = (int)plan->port_offset;
    struct bytes password = buf_view(&making->password);
    json_t *made =
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:{s:i, s:i, s:i}}", "config",
                  make_path(making, "postrider.yaml"), "ca", make_path(making, "tls/ca.pem"),
                  "hostname", plan->hostname, "domain", plan->domain, "user", plan->user, "ports",
                  "mx", offset + INIT_PORT_MX, "submission", offset + INIT_PORT_SUBMISSION,
                  "submissions", offset + INIT_PORT_SUBMISSIONS);
    if (making->is_generated)
        json_object_set_new(made, "password",
                            json_stringn((const char *)password.at, password.len));
    json_dumpf(made, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(made);
}

/* --- The command ------------------------------------------------------------------------------ */

static bool make(struct making *making, struct error *err)
{
    return write_certificates(making, err) && make_folder(making, "mail", 0700, err) &&
           write_config(making, err) && make_account(making, err);
}

static int run(struct making *making)
{
    struct error err;
    if (!open_folder(making, &err) || !choose_ports(&making->plan, &err))
        return complain(&err, EXIT_BAD);
    if (!read_password(making))
        return EXIT_BAD;
    if (!make(making, &err)) {
        complain(&err, EXIT_BAD);
        if (making->has_begun)
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

int command_init(char **arguments, size_t count)
{
    struct making making = {.folder_fd = -1};
    struct error err;
    if (!init_plan_read(arguments, count, &making.plan, &err))
        return complain(&err, EXIT_USAGE);
    buf_init(&making.config_path, CONFIG_TEXT_LIMIT);
    add_path(&making, "postrider.yaml", &making.config_path);
    int status = making.config_path.overflowed ? EXIT_USAGE : run(&making);
    if (making.folder_fd >= 0)
        close(making.folder_fd);
    user_password_done(&making.password);
    buf_done(&making.config_path);
    return status;
}

void command_init_options(FILE *out)
{
    init_plan_print_options(out);
}

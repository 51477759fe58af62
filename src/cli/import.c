/* postrider import postfix: a configuration out of Postfix's, and what became of each parameter. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ip.h"
#include "cli/command.h"
#include "cli/import_draft.h"
#include "cli/option.h"

enum { HOST_TEXT_LIMIT = 256, NETWORKS_LIMIT = 8192, OUT_LIMIT = 16 << 20 };

struct given {
    const char *folder, *root, *output, *is_json;
};

static const struct option rows[] = {
    {"--folder", "DIR", OPTION_VALUE, offsetof(struct given, folder),
     "where main.cf and master.cf are (/etc/postfix)", NULL},
    {"--root", "DIR", OPTION_VALUE, offsetof(struct given, root),
     "a copy of another host's files: all paths, --folder's too, are looked for under it", NULL},
    {"--output", "FILE", OPTION_VALUE, offsetof(struct given, output),
     "write the configuration there, and passwords to files beside it (mode 0600); what is there\n"
     "      already is not overwritten. Without it the configuration is printed, and the report\n"
     "      goes to standard error",
     NULL},
    {"--json", NULL, OPTION_FLAG, offsetof(struct given, is_json),
     "print JSON for programs: the configuration and the report", NULL},
};

static int complain(const struct error *err, int status)
{
    fprintf(stderr, "postrider import: %s\n", err->text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "see: postrider import postfix --help\n");
    return status;
}

/* --- Files ------------------------------------------------------------------------------------ */

static bool read_all(int fd, struct buf *out)
{
    enum { BLOCK = 65536 };
    ssize_t got;
    do {
        uint8_t *room = buf_reserve(out, BLOCK);
        got = room ? read(fd, room, BLOCK) : -1;
        if (got > 0)
            buf_grow(out, (size_t)got);
        if (!room)
            errno = EFBIG;
    } while (got > 0);
    return got == 0;
}

/* Under the root, if there is one. Only regular files: a named pipe would be waited for. */
static bool read_file(void *context, struct bytes path, struct buf *out, struct error *err)
{
    const struct given *given = context;
    char whole[PATH_MAX];
    struct stat status;
    int len = snprintf(whole, sizeof whole, "%s%s%.*s", given->root ? given->root : "",
                       given->root && path.len && path.at[0] != '/' ? "/" : "", BYTES_ARGS(path));
    if (len < 0 || (size_t)len >= sizeof whole || bytes_find(path, 0) < path.len)
        return error_set(err, ENAMETOOLONG, "%.60s", whole);
    int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_regular = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    int os = fd >= 0 ? EINVAL : errno;
    bool is_read = is_regular && read_all(fd, out);
    if (is_regular)
        os = errno;
    if (fd >= 0)
        close(fd);
    return is_read || error_set(err, os, "read %.150s", whole);
}

static bool write_file(const char *path, mode_t mode, struct bytes text, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
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
    return is_written || error_set(err, os, "write %.150s", path);
}

/* The file's folder and a name in it. */
static void sibling(const char *file, const char *name, char out[PATH_MAX])
{
    const char *slash = strrchr(file, '/');
    snprintf(out, PATH_MAX, "%.*s%s", slash ? (int)(slash - file + 1) : 0, file, name);
}

static bool write_secrets(const char *output, const struct import_draft *draft, struct error *err)
{
    char path[PATH_MAX];
    if (draft->secret_count == 0)
        return true;
    sibling(output, "secrets", path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set(err, errno, "make the folder %.150s", path);
    for (size_t i = 0; i < draft->secret_count; i++) {
        struct buf line;
        buf_init(&line, IMPORT_VALUE_LIMIT);
        buf_addf(&line, "%s\n", draft->secrets[i].text);
        sibling(output, draft->secrets[i].path, path);
        bool is_written = write_file(path, 0600, buf_view(&line), err);
        explicit_bzero(line.at, line.cap);
        buf_done(&line);
        if (!is_written)
            return false;
    }
    return true;
}

/* --- This host -------------------------------------------------------------------------------- */

static size_t mask_length(const uint8_t *mask, size_t size)
{
    size_t bits = 0;
    while (bits < 8 * size && mask[bits / 8] & (0x80 >> bits % 8))
        bits++;
    return bits;
}

/* Of the interfaces that are up: the addresses, and the networks that they are in. Those of one
 * link (fe80::) are no place that mail comes from. */
static void read_interfaces(struct buf *networks, struct buf *addresses)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *one = list; one; one = one->ifa_next) {
        if (!one->ifa_addr || !one->ifa_netmask || one->ifa_flags & IFF_LOOPBACK ||
            !(one->ifa_flags & IFF_UP))
            continue;
        const void *address, *mask;
        size_t size;
        if (one->ifa_addr->sa_family == AF_INET) {
            address = &((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr;
            mask = &((const struct sockaddr_in *)(const void *)one->ifa_netmask)->sin_addr;
            size = 4;
        } else if (one->ifa_addr->sa_family == AF_INET6) {
            address = &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
            mask = &((const struct sockaddr_in6 *)(const void *)one->ifa_netmask)->sin6_addr;
            size = 16;
        } else {
            continue;
        }
        char text[INET6_ADDRSTRLEN];
        if (!inet_ntop(one->ifa_addr->sa_family, address, text, sizeof text) ||
            strncmp(text, "fe80:", 5) == 0)
            continue;
        /* Bits behind the length are taken away where it is read. */
        buf_addf(networks, "%s/%zu,", text, mask_length(mask, size));
        buf_addf(addresses, "%s,", text);
    }
    freeifaddrs(list);
    buf_add_byte(networks, 0);
    buf_add_byte(addresses, 0);
}

/* --- The command ------------------------------------------------------------------------------ */

static json_t *report_json(const struct import_draft *draft)
{
    json_t *list = json_array();
    for (size_t i = 0; i < draft->note_count; i++) {
        const struct import_note *note = &draft->notes[i];
        json_t *value = json_string(note->value);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s, s:i}", "outcome",
                                              import_outcome_word(note->outcome), "name",
                                              note->name, "value", value ? value : json_null(),
                                              "text", note->text, "line", (int)note->line));
    }
    return list;
}

static void print_json(const struct import_draft *draft, struct bytes config)
{
    json_t *secrets = json_array();
    for (size_t i = 0; i < draft->secret_count; i++)
        json_array_append_new(secrets, json_string(draft->secrets[i].path));
    json_t *made = json_pack("{s:o, s:o, s:o}", "configuration",
                             json_stringn((const char *)config.at, config.len), "report",
                             report_json(draft), "secrets", secrets);
    json_dumpf(made, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(made);
}

static bool write_output(const struct given *given, const struct import_draft *draft,
                         struct bytes config, struct error *err)
{
    if (!given->output)
        return true;
    return write_file(given->output, 0644, config, err) && write_secrets(given->output, draft, err);
}

static void print_text(const struct given *given, const struct import_draft *draft,
                       struct bytes config)
{
    struct buf report;
    buf_init(&report, OUT_LIMIT);
    import_draft_print_report(draft, &report);
    if (!given->output)
        printf("%.*s", BYTES_ARGS(config));
    fflush(stdout);
    fprintf(given->output ? stdout : stderr, "%.*s", BYTES_ARGS(buf_view(&report)));
    if (draft->secret_count && !given->output)
        fprintf(stderr, "\nPasswords are written with --output only, to files beside it.\n");
    if (given->output)
        printf("\nThe configuration is in %s; what is wrong with it is told by\n"
               "  postrider check --config %s\n",
               given->output, given->output);
    buf_done(&report);
}

static int finish(const struct given *given, const struct import_draft *draft)
{
    struct buf config;
    struct error err;
    buf_init(&config, OUT_LIMIT);
    import_draft_print_config(draft, &config);
    bool is_written = !config.overflowed ? write_output(given, draft, buf_view(&config), &err)
                                         : error_set(&err, 0, "the configuration is too long");
    if (is_written && given->is_json)
        print_json(draft, buf_view(&config));
    else if (is_written)
        print_text(given, draft, buf_view(&config));
    buf_done(&config);
    return is_written ? EXIT_GOOD : complain(&err, EXIT_BAD);
}

/* Appends a file of the folder. */
static bool read_own(const struct given *given, const char *name, struct buf *out,
                     struct error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", given->folder, name);
    return read_file((void *)(uintptr_t)given, bytes_of(path), out, err);
}

static int run(const struct given *given)
{
    char hostname[HOST_TEXT_LIMIT] = "localhost";
    struct buf networks, addresses, main_text, master_text;
    struct error err;
    buf_init(&networks, NETWORKS_LIMIT);
    buf_init(&addresses, NETWORKS_LIMIT);
    buf_init(&main_text, IMPORT_TEXT_LIMIT);
    buf_init(&master_text, IMPORT_TEXT_LIMIT);
    gethostname(hostname, sizeof hostname - 1);
    if (!given->root)
        read_interfaces(&networks, &addresses);
    struct import_host host = {
        .hostname = hostname,
        .networks = networks.len && !networks.overflowed ? (const char *)networks.at : NULL,
        .addresses = addresses.len && !addresses.overflowed ? (const char *)addresses.at : NULL,
        .has_user = getpwnam("postrider") != NULL,
        .read = read_file,
        .context = (void *)(uintptr_t)given,
    };
    struct import_draft *draft = import_draft_new(&host);
    int status = EXIT_BAD;
    if (read_own(given, "main.cf", &main_text, &err) &&
        read_own(given, "master.cf", &master_text, &err) &&
        import_draft_make(draft, buf_view(&main_text), buf_view(&master_text), &err))
        status = finish(given, draft);
    else
        complain(&err, EXIT_BAD);
    import_draft_free(draft);
    buf_done(&networks);
    buf_done(&addresses);
    buf_done(&main_text);
    buf_done(&master_text);
    return status;
}

int command_import_postfix(char **arguments, size_t count)
{
    struct given given = {.folder = NULL};
    struct error err;
    if (!option_read(rows, COUNT(rows), arguments, count, &given, NULL, &err))
        return complain(&err, EXIT_USAGE);
    if (!given.folder)
        given.folder = "/etc/postfix";
    return run(&given);
}

void command_import_postfix_options(FILE *out)
{
    option_print(rows, COUNT(rows), out);
}

/* `tls:`: the server's certificates and who may come. The certificates' files are read with the
 * configuration, by the process that may read them, and handed to the workers with it; the keys are
 * for the keeper alone, and looked at here only to tell whether they fit. */
#include "daemon/config_certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/instant.h"

enum { PEM_LIMIT = 60 * 1024 }; /* a chain goes to the workers in one message */

static const char *const peers_words[] = {"modern", "old", NULL};
static const char *const asked_words[] = {"none", "asked", NULL};
static const char *const ticket_words[] = {"on", "off", NULL};

struct draft_certificate {
    struct schema_text certificate, key;
};

static const struct schema_key certificate_keys[] = {
    {"certificate", SCHEMA_TEXT, offsetof(struct draft_certificate, certificate), NULL,
     .help = "file in PEM: the server's own, then its issuers"},
    {"key", SCHEMA_TEXT, offsetof(struct draft_certificate, key), NULL,
     .help = "file in PEM with its private key"},
};
static const struct schema_table certificate_table = {"tls.certificates", certificate_keys,
                                                      COUNT(certificate_keys)};

static const char *absolute(struct schema *schema, const struct config *config,
                            const struct schema_text *path)
{
    bool is_absolute = path->at[0] == '/';
    size_t room = path->len + strlen(config->folder) + 2;
    char *whole = room < 2 * PATH_MAX ? arena_alloc(config->arena, room) : NULL;
    if (!whole || !path->len) {
        schema_problem(schema, path->line, "a path has 1 to %d bytes", PATH_MAX - 1);
        return NULL;
    }
    snprintf(whole, room, "%s%s%s", is_absolute ? "" : config->folder, is_absolute ? "" : "/",
             path->at);
    return whole;
}

static void add_certificate(struct schema *schema, struct draft *draft,
                            const struct draft_certificate *from)
{
    const struct schema_text *given = from->certificate.at ? &from->certificate : &from->key;
    if (!from->certificate.at || !from->key.at) {
        schema_problem(schema, given->line,
                       "a certificate and its key come together; write both, as in "
                       "{certificate: a.pem, key: a.key}");
        return;
    }
    if (draft->certificate_count == CONFIG_CERTIFICATE_LIMIT) {
        schema_problem(schema, given->line, "more than %d certificates", CONFIG_CERTIFICATE_LIMIT);
        return;
    }
    const char *certificate = absolute(schema, &draft->config, &from->certificate);
    const char *key = draft_secret(schema, draft, &from->key);
    if (!certificate || !key)
        return;
    if (strcmp(certificate, key) == 0) {
        schema_problem(schema, given->line,
                       "the certificate and its key are in one file; put them in two, as only the "
                       "keeper is to see the key");
        return;
    }
    draft->certificates[draft->certificate_count++] =
        (struct config_certificate){certificate, key, given->line, BYTES_NONE};
}

static void read_certificates(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    yaml_node_t *item;
    if (node->type != YAML_SEQUENCE_NODE) {
        schema_problem(schema, schema_line(node),
                       "\"tls.certificates\" takes a list: [{certificate: a.pem, key: a.key}]");
        return;
    }
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct draft_certificate certificate = {.key.line = 0};
        size_t before = schema->problem_count;
        schema_map(schema, item, &certificate_table, &certificate);
        if (schema->problem_count == before)
            add_certificate(schema, draft, &certificate);
    }
}

static const struct schema_key tls_keys[] = {
    {"certificate", SCHEMA_TEXT, offsetof(struct draft, certificate), NULL,
     .help = "file in PEM: the server's own certificate, then its issuers"},
    {"key", SCHEMA_TEXT, offsetof(struct draft, certificate_key), NULL,
     .help = "file in PEM with its private key"},
    {"certificates", SCHEMA_FORM, 0, NULL, .read = read_certificates, .table = &certificate_table,
     .help = "list of further ones, for other names or with other kinds of keys"},
    {"peers", SCHEMA_WORD, offsetof(struct draft, tls_peers), "modern", .words = peers_words,
     .help = "old: also those that know TLS 1.0 and 1.1 only"},
    {"client_certificates", SCHEMA_WORD, offsetof(struct draft, tls_asks), "none",
     .words = asked_words, .help = "asked: of every client, which need not have one"},
    {"tickets", SCHEMA_WORD, offsetof(struct draft, has_no_tickets), "on", .words = ticket_words,
     .help = "off: no resumption of sessions"},
};
const struct schema_table draft_tls_table = {"tls", tls_keys, COUNT(tls_keys)};

void draft_build_certificates(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    if (draft->certificate.at || draft->certificate_key.at) {
        add_certificate(schema, draft,
                        &(struct draft_certificate){draft->certificate, draft->certificate_key});
        /* The single one is the default, wherever it stands. */
        struct config_certificate *all = draft->certificates;
        if (draft->certificate_count) {
            struct config_certificate first = all[draft->certificate_count - 1];
            memmove(all + 1, all, (draft->certificate_count - 1) * sizeof *all);
            all[0] = first;
        }
    }
    config->tls.certificates = arena_alloc(config->arena, sizeof draft->certificates);
    ASSERT(config->tls.certificates);
    memcpy(config->tls.certificates, draft->certificates, sizeof draft->certificates);
    config->tls.certificate_count = draft->certificate_count;
    config->tls.peers = (enum tls_peers)draft->tls_peers;
    config->tls.asked = (enum tls_client_certificate)draft->tls_asks;
    /* A certificate is shown only where it is asked for. */
    if (fingerprints_count(config->relay_certificates))
        config->tls.asked = TLS_CLIENT_CERTIFICATE_ASKED;
    config->tls.has_no_tickets = draft->has_no_tickets;
}

/* --- Their files ---------------------------------------------------------------------------- */

static bool read_pem(const char *path, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : 1;
    /* At once as large as it may become: a key must not stay behind where it grew from. */
    uint8_t *room = fd < 0 ? NULL : buf_reserve(out, PEM_LIMIT);
    while (got > 0 && out->len < PEM_LIMIT) {
        got = read(fd, room + out->len, PEM_LIMIT - out->len);
        if (got > 0)
            buf_grow(out, (size_t)got);
    }
    int os = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return error_set(err, os, "%s", path);
    return out->len < PEM_LIMIT ||
           error_set(err, 0, "%s: larger than %d KiB", path, PEM_LIMIT >> 10);
}

static void wipe(struct buf *pem)
{
    if (pem->at)
        OPENSSL_cleanse(pem->at, pem->cap);
    buf_done(pem);
}

static bool has_key(struct bytes pem)
{
    return bytes_search(pem, BYTES("PRIVATE KEY-----")) < pem.len;
}

/* What a process of its own says of a certificate and its key. */
struct finding {
    bool is_good;
    struct error warning, err;
};

static struct finding look(const struct config_certificate *certificate, struct bytes chain)
{
    struct finding finding = {.is_good = false};
    struct buf key;
    buf_init(&key, PEM_LIMIT);
    finding.is_good = read_pem(certificate->key, &key, &finding.err);
    if (finding.is_good && !tls_identity_check(chain, buf_view(&key), instant_now_ms(),
                                               &finding.warning, &finding.err))
        finding.is_good =
            error_wrap(&finding.err, "%s, key %s", certificate->certificate, certificate->key);
    wipe(&key);
    return finding;
}

/* Looks in a process of its own, so that of the key nothing stays behind in this one. */
static bool look_apart(const struct config_certificate *certificate, struct bytes chain,
                       struct error *warning, struct error *err)
{
    struct finding finding;
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(err, errno, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        finding = look(certificate, chain);
        _exit(write(ends[1], &finding, sizeof finding) == sizeof finding ? 0 : 1);
    }
    close(ends[1]);
    ssize_t got = pid < 0 ? -1 : read(ends[0], &finding, sizeof finding);
    close(ends[0]);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    if (got != sizeof finding)
        return error_set(err, 0, "%s: it could not be looked at", certificate->key);
    *warning = finding.warning;
    *err = finding.err;
    return finding.is_good;
}

static bool check(const struct config_certificate *certificate, struct buf *chain,
                  struct error *warning, struct error *err)
{
    if (!read_pem(certificate->certificate, chain, err))
        return false;
    if (has_key(buf_view(chain)))
        return error_set(err, 0,
                         "%s: it holds a private key; put that in a file of its own, which tls.key "
                         "names, as only "
                         "the keeper is to see it",
                         certificate->certificate);
    return look_apart(certificate, buf_view(chain), warning, err);
}

bool config_read_certificates(struct config *config, struct buf *problems, struct buf *warnings)
{
    bool is_good = true;
    for (size_t i = 0; i < config->tls.certificate_count; i++) {
        const struct config_certificate *certificate = &config->tls.certificates[i];
        struct error warning = {.os = 0}, err;
        struct buf chain;
        buf_init(&chain, PEM_LIMIT);
        if (check(certificate, &chain, &warning, &err)) {
            config_set_certificate(config, i, buf_view(&chain));
        } else {
            buf_addf(problems, "%s:%u: \"tls\": %s%s\n", config->path, certificate->line, err.text,
                     err.os == ENOENT   ? "; write where it is: relative paths begin at the "
                                          "configuration's folder"
                     : err.os == EACCES ? "; run this as root, which reads keys for the keeper"
                                        : "");
            is_good = false;
        }
        if (warning.text[0] && warnings)
            buf_addf(warnings, "%s: %s\n", certificate->certificate, warning.text);
        wipe(&chain);
    }
    return is_good;
}

void config_set_certificate(struct config *config, size_t number, struct bytes chain)
{
    if (number >= config->tls.certificate_count)
        return;
    uint8_t *copy = arena_alloc(config->arena, chain.len + 1);
    ASSERT(copy);
    if (chain.len)
        memcpy(copy, chain.at, chain.len);
    config->tls.certificates[number].chain = (struct bytes){copy, chain.len};
}

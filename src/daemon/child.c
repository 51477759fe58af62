#include "daemon/child.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/confine.h"
#include "daemon/schema.h"
#include "policy/keyring.h"

enum {
    SUPERVISOR_FD = 3,
    /* The configuration, the keyring, and the files of trusted certificates. */
    CONFIG_HANDED_LIMIT = SCHEMA_TEXT_LIMIT + 1 + 2 * KEYRING_TEXT_LIMIT + 1 +
                          CONFIG_FILE_LIMIT * (CONFIG_FILE_SIZE_LIMIT + 16),
};

static const char *const role_words[] = {"worker", "mailbox", "control", "keeper"};

const char *child_role_word(enum child_role role)
{
    return role_words[role];
}

/* The texts "path NUL folder NUL anchor" of an IPC_CONFIG. */
static bool scan_places(struct bytes payload, const char **path, const char **folder,
                        struct bytes *anchor)
{
    struct bytes first, rest, second;
    if (!bytes_cut(payload, 0, &first, &rest) || !bytes_cut(rest, 0, &second, anchor))
        return false;
    *path = (const char *)first.at;
    *folder = (const char *)second.at;
    return true;
}

/* Reads a memory file that is shared with the supervisor and all children, its position too. */
static bool read_shared(int fd, struct buf *out)
{
    struct stat status;
    ssize_t got = 1;
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size > CONFIG_HANDED_LIMIT)
        return false;
    while (got > 0) {
        size_t room = (size_t)status.st_size + 1 - out->len;
        got = pread(fd, buf_reserve(out, room), room, (off_t)out->len);
        if (got > 0)
            buf_grow(out, (size_t)got);
    }
    return got == 0;
}

/* What comes with a configuration's text. */
static bool set_rest(struct config *config, struct bytes keyring, struct bytes files,
                     struct error *err)
{
    if (!config_unpack_files(config, files))
        return error_set(err, 0, "the supervisor handed over other files than these");
    return keyring.len == 0 || config_set_keyring(config, keyring, err);
}

struct config *child_config(const struct ipc_message *message, struct buf *problems)
{
    const char *path, *folder;
    struct bytes anchor, text, keyring, files;
    struct buf whole;
    struct error err;
    struct config *config = NULL;
    buf_init(&whole, CONFIG_HANDED_LIMIT + 1);
    if (!scan_places(message->payload, &path, &folder, &anchor) ||
        !read_shared(message->fd, &whole) || !bytes_cut(buf_view(&whole), 0, &text, &keyring) ||
        !bytes_cut(keyring, 0, &keyring, &files))
        buf_addf(problems, "the supervisor handed over no configuration\n");
    else
        config = config_parse(text, path, folder, problems);
    if (config && !set_rest(config, keyring, files, &err)) {
        buf_addf(problems, "%s\n", err.text);
        config_free(config);
        config = NULL;
    }
    if (config)
        config_set_anchor(config, anchor);
    buf_done(&whole);
    return config;
}

static bool take_listener(struct child *child, const struct ipc_message *message, struct error *err)
{
    if (message->fd < 0 || message->number >= CHILD_LISTENER_LIMIT ||
        message->number != child->listener_count)
        return error_set(err, 0, "the supervisor handed over no listener");
    child->listeners[child->listener_count++] = message->fd;
    return true;
}

static bool take_config(struct child *child, const struct ipc_message *message, struct error *err)
{
    struct buf problems;
    buf_init(&problems, IPC_PAYLOAD_LIMIT);
    config_free(child->config);
    child->config = child_config(message, &problems);
    if (message->fd >= 0)
        close(message->fd);
    if (!child->config)
        error_set(err, 0, "%.*s", BYTES_ARGS(bytes_sub(buf_view(&problems), 0, 200)));
    buf_done(&problems);
    return child->config != NULL;
}

static bool take_secret(struct child *child, const struct ipc_message *message, struct error *err)
{
    if (child->secret_count == COUNT(child->secrets))
        return error_set(err, 0, "the supervisor handed over too many secrets");
    char *name = memory_new(message->payload.len + 1, 1);
    if (message->payload.len)
        memcpy(name, message->payload.at, message->payload.len);
    child->secrets[child->secret_count++] =
        (struct child_secret){name, message->fd, (int)message->number};
    return true;
}

/* One message of the hand-over. */
static bool take(struct child *child, const struct ipc_message *message, struct error *err)
{
    switch (message->type) {
    case IPC_CONFIG: return take_config(child, message, err);
    case IPC_LISTENER: return take_listener(child, message, err);
    case IPC_PEER: child->control_fd = message->fd; return true;
    case IPC_TOKEN: child->token_fd = message->fd; return true;
    case IPC_KEEPER: child->keeper_fd = message->fd; return true;
    case IPC_SECRET: return take_secret(child, message, err);
    case IPC_CERTIFICATE:
        if (child->config)
            config_set_certificate(child->config, message->number, message->payload);
        return true;
    case IPC_START: return child->config || error_set(err, 0, "no configuration was handed over");
    case IPC_READY:
    case IPC_STOP:
    case IPC_RELOAD:
    case IPC_RELOADED:
    case IPC_REQUEST:
    case IPC_REPLY:
    case IPC_REPLY_END:
    case IPC_DIRECTORY: break;
    }
    if (message->fd >= 0)
        close(message->fd);
    return error_set(err, 0, "message %d has no place in the hand-over", (int)message->type);
}

static void begin_log(struct child *child)
{
    struct error err;
    log_init(child->name, child->config->log_level, child->config->log_format);
    child->journal =
        journal_open(child->config->trace_folder, child->name, &child->config->trace, &err);
    if (child->journal)
        log_set_sink(journal_add, child->journal);
    else
        log_warning("trace-error", LOG_TEXT("reason", err.text));
}

bool child_begin(struct child *child, enum child_role role, unsigned index, int supervisor_fd,
                 struct error *err)
{
    *child = (struct child){.role = role,
                            .index = index,
                            .supervisor_fd = supervisor_fd,
                            .control_fd = -1,
                            .keeper_fd = -1,
                            .token_fd = -1};
    if (role == CHILD_WORKER)
        snprintf(child->name, sizeof child->name, "worker-%u", index);
    else
        snprintf(child->name, sizeof child->name, "%s", child_role_word(role));
    log_init(child->name, LOG_INFO, LOG_LOGFMT);
    uint8_t *buffer = malloc(IPC_PAYLOAD_LIMIT);
    struct ipc_message message = {.type = IPC_CONFIG};
    bool is_good = buffer != NULL || error_set(err, ENOMEM, "hand-over");
    while (is_good && message.type != IPC_START) {
        switch (ipc_receive(supervisor_fd, buffer, &message, err)) {
        case IPC_GOT: is_good = take(child, &message, err); break;
        case IPC_AGAIN: (void)poll(&(struct pollfd){supervisor_fd, POLLIN, 0}, 1, -1); break;
        case IPC_GONE: is_good = error_set(err, 0, "the supervisor has gone"); break;
        case IPC_BROKEN: is_good = false; break;
        }
    }
    free(buffer);
    if (is_good)
        begin_log(child);
    return is_good;
}

bool child_ready(struct child *child, struct error *err)
{
    return ipc_send(child->supervisor_fd, &(struct ipc_message){.type = IPC_READY, .fd = -1}, err);
}

static bool find_role(const char *word, enum child_role *out)
{
    for (size_t i = 0; i < COUNT(role_words); i++)
        if (strcmp(word, role_words[i]) == 0) {
            *out = (enum child_role)i;
            return true;
        }
    return false;
}

static int run_role(struct child *child)
{
    switch (child->role) {
    case CHILD_WORKER: return worker_main(child);
    case CHILD_MAILBOX: return mailbox_main(child);
    case CHILD_CONTROL: return control_main(child);
    case CHILD_KEEPER: return keeper_main(child);
    }
    return 1;
}

/* Only the folders that the process works in stay within its reach. */
static bool child_confine(const struct child *child, struct error *err)
{
    const struct config *config = child->config;
    char shard[4096];
    snprintf(shard, sizeof shard, "%s/%u", config->spool.path, child->index);
    struct confine_rule rules[3] = {{config->trace_folder, CONFINE_WRITE}};
    size_t count = 1;
    switch (child->role) {
    case CHILD_WORKER:
        if (mkdir(shard, 0700) != 0 && errno != EEXIST)
            return error_set(err, errno, "make folder %s", shard);
        rules[count++] = (struct confine_rule){shard, CONFINE_WRITE};
        /* Synced when a shard is made in it, for which it is opened to read. */
        rules[count++] = (struct confine_rule){config->spool.path, CONFINE_LIST};
        break;
    case CHILD_MAILBOX:
        rules[count++] = (struct confine_rule){config->mailbox_root, CONFINE_WRITE};
        break;
    case CHILD_CONTROL:
        rules[count++] = (struct confine_rule){config->run_folder, CONFINE_WRITE};
        break;
    case CHILD_KEEPER:
        rules[count++] = (struct confine_rule){config->accounts_folder, CONFINE_WRITE};
        rules[count++] = (struct confine_rule){config->keys_folder, CONFINE_READ};
        break;
    }
    /* The sockets that it serves were handed over. */
    enum confine_sockets sockets = child->role == CHILD_KEEPER && config->auth.dovecot
                                       ? CONFINE_UNIX_SOCKETS
                                       : CONFINE_NO_SOCKETS;
    if (child->role != CHILD_WORKER && !confine_network(sockets, err))
        return false;
    switch (confine(rules, count, err)) {
    case CONFINED: return true;
    case CONFINE_NOT_OFFERED:
        log_warning("not-confined", LOG_TEXT("remedy", "use a kernel with Landlock (5.19 or later, "
                                                       "lsm=landlock)"));
        return true;
    case CONFINE_FAILED: return false;
    }
    return false;
}

int child_run(const char *role_word, const char *index)
{
    struct child child;
    enum child_role role;
    uint64_t number;
    struct error err;
    if (!find_role(role_word, &role) || !scan_u64(bytes_of(index), 63, &number))
        return 2;
    umask(0077);
    /* Started by way of /proc/self/exe, it would be called "exe". */
    (void)prctl(PR_SET_NAME, "postrider");
    if (!child_begin(&child, role, (unsigned)number, SUPERVISOR_FD, &err) ||
        !child_confine(&child, &err)) {
        log_error("child-failed", LOG_TEXT("reason", err.text));
        log_set_sink(NULL, NULL);
        journal_close(child.journal);
        config_free(child.config);
        return 1;
    }
    int status = run_role(&child);
    log_flush();
    log_set_sink(NULL, NULL);
    journal_close(child.journal);
    return status;
}

#include "daemon/keeper_secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"

/* Read on demand from the folder; then all are forgotten. */
enum { KNOWN_LIMIT = 1000 };

struct secret {
    uint8_t *text; /* in OpenSSL's secure heap, where that has room; NULL: made a key of */
    size_t len;
    EVP_PKEY *key; /* NULL: not asked for yet */
};

struct secrets {
    const char *folder;
    uint64_t seed;
    struct map *given, *read;
};

struct secrets *secrets_new(const char *folder, uint64_t seed)
{
    struct secrets *secrets = NEW(struct secrets);
    secrets->folder = folder;
    secrets->seed = seed;
    secrets->given = map_new(seed);
    secrets->read = map_new(seed);
    return secrets;
}

void secrets_move(struct secrets *secrets, const char *folder)
{
    secrets->folder = folder;
}

static void secret_free(struct secret *secret)
{
    if (!secret)
        return;
    EVP_PKEY_free(secret->key);
    OPENSSL_secure_clear_free(secret->text, secret->len);
    free(secret);
}

static void forget(struct map *map)
{
    size_t place = 0;
    for (void *value; map_next(map, &place, &value);)
        secret_free(value);
    map_free(map);
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    forget(secrets->given);
    forget(secrets->read);
    free(secrets);
}

/* NULL and err: the file cannot be read, is empty or too long, or is no file. */
static struct secret *read_secret(int fd, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(err, errno, "look at it"), NULL;
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size > SECRET_SIZE_LIMIT)
        return error_set(err, 0, "it is no file of 1 to %d bytes", SECRET_SIZE_LIMIT), NULL;
    struct secret *secret = NEW(struct secret);
    secret->len = (size_t)status.st_size;
    secret->text = OPENSSL_secure_zalloc(secret->len);
    if (!secret->text)
        secret->text = OPENSSL_zalloc(secret->len);
    ASSERT(secret->text);
    ssize_t got = pread(fd, secret->text, secret->len, 0);
    if (got == status.st_size)
        return secret;
    error_set(err, got < 0 ? errno : 0, "read it");
    secret_free(secret);
    return NULL;
}

void secrets_give(struct secrets *secrets, struct bytes name, int fd_owned, int os)
{
    struct error err;
    struct secret *secret = NULL;
    if (fd_owned >= 0) {
        secret = read_secret(fd_owned, &err);
        close(fd_owned);
    } else {
        error_set(&err, os, "open it");
    }
    if (secret)
        secret_free(map_add(secrets->given, name, secret));
    else
        log_error("secret-unreadable", LOG_BYTES("file", name), LOG_TEXT("reason", err.text),
                  LOG_TEXT("remedy", "make it readable for the user that starts the server, then "
                                     "postrider reload"));
}

/* Only what lies in the folder itself. */
static bool is_in_folder(const struct secrets *secrets, struct bytes name)
{
    struct bytes folder = bytes_of(secrets->folder);
    struct bytes rest = bytes_from(name, folder.len + 1);
    return bytes_starts(name, folder) && rest.len > 0 && name.at[folder.len] == '/' &&
           rest.at[0] != '.' && bytes_find(rest, '/') == rest.len &&
           bytes_find(name, 0) == name.len && name.len < PATH_MAX;
}

static struct secret *look_up(struct secrets *secrets, struct bytes name, struct error *err)
{
    struct secret *secret = map_find(secrets->given, name);
    if (!secret)
        secret = map_find(secrets->read, name);
    if (secret)
        return secret;
    if (!is_in_folder(secrets, name))
        return error_set(err, 0,
                         "it was not there, or not to be read, when the configuration was (see "
                         "secret-unreadable in the log), and is not in %s",
                         secrets->folder),
               NULL;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s", BYTES_ARGS(name));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return error_set(err, errno, "open it"), NULL;
    secret = read_secret(fd, err);
    close(fd);
    if (!secret)
        return NULL;
    if (map_count(secrets->read) >= KNOWN_LIMIT) {
        forget(secrets->read);
        secrets->read = map_new(secrets->seed);
    }
    (void)map_add(secrets->read, name, secret);
    return secret;
}

/* A key under a passphrase is of no use to a server that starts alone. */
static int no_passphrase(char *room, int size, int is_writing, void *context)
{
    return -1;
}

EVP_PKEY *secrets_key(struct secrets *secrets, struct bytes name, struct error *err)
{
    struct secret *secret = look_up(secrets, name, err);
    if (!secret)
        return error_wrap(err, "key %.*s", BYTES_ARGS(bytes_sub(name, 0, 100))), NULL;
    if (secret->key)
        return secret->key;
    BIO *text = BIO_new_mem_buf(secret->text, (int)secret->len);
    ASSERT(text);
    secret->key = PEM_read_bio_PrivateKey(text, NULL, no_passphrase, NULL);
    BIO_free(text);
    ERR_clear_error();
    if (secret->key) {
        OPENSSL_secure_clear_free(secret->text, secret->len);
        secret->text = NULL;
    } else {
        error_set(err, 0, "key %.*s: it holds no private key in PEM without a passphrase",
                  BYTES_ARGS(bytes_sub(name, 0, 100)));
    }
    return secret->key;
}

bool secrets_file(struct secrets *secrets, struct bytes name, struct bytes *out, struct error *err)
{
    const struct secret *secret = look_up(secrets, name, err);
    if (secret && !secret->text) {
        error_set(err, 0, "it is a private key");
        secret = NULL;
    }
    if (!secret)
        return error_wrap(err, "secret %.*s", BYTES_ARGS(bytes_sub(name, 0, 100)));
    *out = (struct bytes){secret->text, secret->len};
    return true;
}

bool secrets_text(struct secrets *secrets, struct bytes name, struct bytes *out, struct error *err)
{
    struct bytes rest, file;
    if (!secrets_file(secrets, name, &file, err))
        return false;
    (void)bytes_cut(file, '\n', out, &rest);
    if (out->len && out->at[out->len - 1] == '\r')
        out->len--;
    return true;
}

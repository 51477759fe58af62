#include "cli/dkim_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/instant.h"
#include "mail/base64.h"

enum { RSA_BITS = 2048, DKIM_BITS_LEAST = 1024, STRING_LIMIT = 255 };

/* Before the server has run for the first time its folders are not there yet. It wants them to be
 * its user's. */
static bool make_folder(const struct config *config, const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST || error_set(err, errno, "make the folder %s", path);
    const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
    if (geteuid() != 0 || !user || chown(path, user->pw_uid, user->pw_gid) == 0)
        return true;
    return error_set(err, errno, "give %s to %s", path, config->user);
}

bool dkim_store_open(struct dkim_store *store, const struct config *config, struct error *err)
{
    struct buf text;
    *store = (struct dkim_store){.config = config, .folder_fd = -1};
    if (!make_folder(config, config->spool.path, err) ||
        !make_folder(config, config->keys_folder, err))
        return false;
    store->folder_fd = open(config->keys_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder_fd < 0)
        return error_set(err, errno, "%s", config->keys_folder);
    if (flock(store->folder_fd, LOCK_EX) != 0) {
        error_set(err, errno, "lock %s", config->keys_folder);
        dkim_store_close(store);
        return false;
    }
    buf_init(&text, KEYRING_TEXT_LIMIT + 1);
    if (config_keyring_read_text(config->keyring_path, &text, err))
        store->keyring = keyring_parse(buf_view(&text), err);
    buf_done(&text);
    if (store->keyring)
        return true;
    dkim_store_close(store);
    return error_wrap(err, "%s", config->keyring_path);
}

void dkim_store_close(struct dkim_store *store)
{
    if (store->folder_fd >= 0)
        close(store->folder_fd);
    keyring_free(store->keyring);
    *store = (struct dkim_store){.folder_fd = -1};
}

/* A new file of the folder, for whom the folder is: the keeper may run as another user than the one
 * who types. */
static bool write_file(struct dkim_store *store, const char *name, struct bytes text,
                       struct error *err)
{
    struct stat folder;
    int fd = openat(store->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "%s/%s", store->config->keys_folder, name);
    bool is_good = write(fd, text.at, text.len) == (ssize_t)text.len && fsync(fd) == 0 &&
                   fstat(store->folder_fd, &folder) == 0 &&
                   (geteuid() != 0 || fchown(fd, folder.st_uid, folder.st_gid) == 0);
    if (!is_good)
        error_set(err, errno, "write %s/%s", store->config->keys_folder, name);
    close(fd);
    if (!is_good)
        unlinkat(store->folder_fd, name, 0);
    return is_good;
}

bool dkim_store_save(struct dkim_store *store, struct error *err)
{
    struct buf text;
    buf_init(&text, 2 * KEYRING_TEXT_LIMIT);
    keyring_print(&text, store->keyring);
    /* What a command that was killed has left behind. */
    unlinkat(store->folder_fd, "dkim.new", 0);
    bool is_good = write_file(store, "dkim.new", buf_view(&text), err);
    buf_done(&text);
    if (!is_good)
        return false;
    if (renameat(store->folder_fd, "dkim.new", store->folder_fd, "dkim") != 0 ||
        fsync(store->folder_fd) != 0)
        return error_set(err, errno, "%s", store->config->keyring_path);
    return true;
}

/* Adds the key to the keyring, and writes its file. */
static bool add_key(struct dkim_store *store, const struct keyring_key *key, EVP_PKEY *pkey,
                    size_t *place, struct error *err)
{
    struct keyring_key named = *key;
    char name[KEYRING_FILE_LIMIT + 1], *text;
    snprintf(name, sizeof name, "%.*s.%.*s.pem", BYTES_ARGS(key->domain),
             BYTES_ARGS(key->selector));
    named.file = bytes_of(name);
    if (!keyring_add(store->keyring, &named, err))
        return false;
    *place = keyring_count(store->keyring) - 1;
    BIO *pem = BIO_new(BIO_s_secmem());
    bool is_good = pem && PEM_write_bio_PKCS8PrivateKey(pem, pkey, NULL, NULL, 0, NULL, NULL) == 1;
    if (is_good) {
        long len = BIO_get_mem_data(pem, &text);
        is_good = write_file(store, name, (struct bytes){(uint8_t *)text, (size_t)len}, err);
    } else {
        error_set(err, 0, "libcrypto cannot write the key");
    }
    BIO_free(pem);
    if (!is_good)
        keyring_remove(store->keyring, *place);
    return is_good;
}

bool dkim_store_make(struct dkim_store *store, const struct keyring_key *key, size_t *place,
                     struct error *err)
{
    EVP_PKEY *pkey = key->algorithm == KEY_RSA ? EVP_RSA_gen(RSA_BITS)
                                               : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    bool is_good =
        pkey ? add_key(store, key, pkey, place, err) : error_set(err, 0, "libcrypto made no key");
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return is_good;
}

static bool has_selector(const struct dkim_store *store, struct bytes domain, struct bytes selector)
{
    for (size_t i = 0; i < keyring_count(store->keyring); i++) {
        const struct keyring_key *key = keyring_view(store->keyring, i);
        if (bytes_equal(key->domain, domain) && bytes_equal(key->selector, selector))
            return true;
    }
    return false;
}

/* "20261125r", or "20261125r2" when that is taken. */
static void choose_selector(const struct dkim_store *store, const struct keyring_key *key,
                            struct buf *out)
{
    struct calendar today = instant_calendar(key->since_s * 1000);
    for (unsigned number = 1; out->len == 0 || has_selector(store, key->domain, buf_view(out));
         number++) {
        buf_clear(out);
        buf_addf(out, "%04d%02d%02d%c", today.year, today.month, today.day,
                 key->algorithm == KEY_RSA ? 'r' : 'e');
        if (number > 1)
            buf_addf(out, "%u", number);
    }
}

bool dkim_store_make_pair(struct dkim_store *store, struct bytes domain, enum keyring_state state,
                          int64_t now_s, struct error *err)
{
    static const enum key_algorithm kinds[] = {KEY_RSA, KEY_ED25519};
    bool is_made = true;
    for (size_t i = 0; is_made && i < COUNT(kinds); i++) {
        struct keyring_key key = {
            .domain = domain, .algorithm = kinds[i], .state = state, .since_s = now_s};
        struct buf selector;
        size_t place;
        buf_init(&selector, 32);
        choose_selector(store, &key, &selector);
        key.selector = buf_view(&selector);
        is_made = dkim_store_make(store, &key, &place, err);
        buf_done(&selector);
    }
    return is_made;
}

bool dkim_store_remove_file(struct dkim_store *store, struct bytes file, struct error *err)
{
    char name[KEYRING_FILE_LIMIT + 1];
    snprintf(name, sizeof name, "%.*s", BYTES_ARGS(file));
    if (unlinkat(store->folder_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    return error_set(err, errno, "remove %s/%s", store->config->keys_folder, name);
}

/* folder_fd: of a relative path. Keys under a passphrase are none here. */
static EVP_PKEY *read_key(int folder_fd, const char *path, struct error *err)
{
    static char no_passphrase[] = "";
    int fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        error_set(err, errno, "%s", path);
        return NULL;
    }
    EVP_PKEY *pkey = PEM_read_PrivateKey(file, NULL, NULL, no_passphrase);
    fclose(file);
    ERR_clear_error();
    if (!pkey)
        error_set(err, 0,
                  "%s: it holds no private key in PEM without a passphrase; name the file that "
                  "begins with "
                  "-----BEGIN PRIVATE KEY-----",
                  path);
    return pkey;
}

bool dkim_store_import(struct dkim_store *store, const struct keyring_key *key, const char *path,
                       size_t *place, struct error *err)
{
    struct keyring_key found = *key;
    EVP_PKEY *pkey = read_key(AT_FDCWD, path, err);
    bool is_good = pkey != NULL;
    if (is_good && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519) {
        found.algorithm = KEY_ED25519;
    } else if (is_good) {
        found.algorithm = KEY_RSA;
        if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA || EVP_PKEY_get_bits(pkey) < DKIM_BITS_LEAST)
            is_good = error_set(err, 0, "%s: neither Ed25519 nor RSA with %d bits or more", path,
                                DKIM_BITS_LEAST);
    }
    is_good = is_good && add_key(store, &found, pkey, place, err);
    EVP_PKEY_free(pkey);
    return is_good;
}

static bool print_public(struct buf *out, EVP_PKEY *pkey, enum key_algorithm algorithm)
{
    uint8_t raw[32], *der = NULL;
    size_t len = sizeof raw;
    if (algorithm == KEY_ED25519) {
        if (EVP_PKEY_get_raw_public_key(pkey, raw, &len) != 1)
            return false;
        base64_print(out, (struct bytes){raw, len});
        return true;
    }
    int der_len = i2d_PUBKEY(pkey, &der);
    if (der_len <= 0 || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
        der_len = 0;
    base64_print(out, (struct bytes){der, (size_t)der_len});
    OPENSSL_free(der);
    return der_len > 0;
}

bool dkim_store_record(struct dkim_store *store, const struct keyring_key *key, struct buf *out,
                       struct error *err)
{
    char name[KEYRING_FILE_LIMIT + 1];
    snprintf(name, sizeof name, "%.*s", BYTES_ARGS(key->file));
    EVP_PKEY *pkey = read_key(store->folder_fd, name, err);
    if (!pkey)
        return error_wrap(err, "%s", store->config->keys_folder);
    buf_addf(out, "v=DKIM1; k=%s; p=", key_algorithm_name(key->algorithm));
    bool is_good = print_public(out, pkey, key->algorithm);
    EVP_PKEY_free(pkey);
    if (is_good)
        return true;
    return error_set(err, 0, "%s/%s: it holds no %s key", store->config->keys_folder, name,
                     key_algorithm_name(key->algorithm));
}

void dkim_store_name(struct buf *out, const struct keyring_key *key)
{
    buf_addf(out, "%.*s._domainkey.%.*s", BYTES_ARGS(key->selector), BYTES_ARGS(key->domain));
}

void dkim_store_strings(struct buf *out, struct bytes record)
{
    do {
        buf_add_byte(out, '"');
        buf_add(out, bytes_sub(record, 0, STRING_LIMIT));
        buf_add_byte(out, '"');
        record = bytes_from(record, STRING_LIMIT);
        if (record.len)
            buf_add_byte(out, ' ');
    } while (record.len);
}

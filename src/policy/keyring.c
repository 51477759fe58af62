#include "policy/keyring.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"
#include "mail/idna.h"

struct keyring {
    struct arena *arena;
    struct keyring_key *keys;
    size_t count, room;
};

static const char *const states[] = {"new", "active", "retired"};
static const enum key_algorithm algorithms[] = {KEY_RSA, KEY_ED25519};

const char *keyring_state_name(enum keyring_state state)
{
    return states[state];
}

struct keyring *keyring_new(void)
{
    struct keyring *keyring = NEW(struct keyring);
    keyring->arena = arena_new(4 * KEYRING_TEXT_LIMIT);
    return keyring;
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    arena_free(keyring->arena);
    free(keyring->keys);
    free(keyring);
}

size_t keyring_count(const struct keyring *keyring)
{
    return keyring->count;
}

const struct keyring_key *keyring_view(const struct keyring *keyring, size_t place)
{
    ASSERT(place < keyring->count);
    return &keyring->keys[place];
}

/* A domain as the DNS has it already. */
static bool is_canonical(struct bytes name)
{
    struct buf form;
    buf_init(&form, HOST_NAME_LIMIT);
    bool is_same = idna_to_ascii(name, &form) && bytes_equal(buf_view(&form), name);
    buf_done(&form);
    return is_same;
}

/* A name in the folder itself, which a shell takes as it is. */
static bool is_file_name(struct bytes name)
{
    if (name.len == 0 || name.len > KEYRING_FILE_LIMIT || name.at[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == '/')
            return false;
    return true;
}

bool keyring_add(struct keyring *keyring, const struct keyring_key *key, struct error *err)
{
    struct keyring_key copy = *key;
    if (!is_canonical(key->domain) || bytes_find(key->domain, '.') == key->domain.len)
        return error_set(err, 0, "\"%.*s\" is no domain in lower case",
                         BYTES_ARGS(bytes_sub(key->domain, 0, 100)));
    if (!is_canonical(key->selector))
        return error_set(err, 0, "\"%.*s\" is no selector in lower case",
                         BYTES_ARGS(bytes_sub(key->selector, 0, 100)));
    if (!is_file_name(key->file))
        return error_set(err, 0, "the name of the key's file is none in the folder of keys");
    for (size_t i = 0; i < keyring->count; i++)
        if (bytes_equal(keyring->keys[i].domain, key->domain) &&
            bytes_equal(keyring->keys[i].selector, key->selector))
            return error_set(err, 0, "%.*s has a key with the selector %.*s already",
                             BYTES_ARGS(key->domain), BYTES_ARGS(key->selector));
    if (keyring->count == KEYRING_LIMIT || !arena_copy(keyring->arena, key->domain, &copy.domain) ||
        !arena_copy(keyring->arena, key->selector, &copy.selector) ||
        !arena_copy(keyring->arena, key->file, &copy.file))
        return error_set(err, 0, "there are more than %d keys", KEYRING_LIMIT);
    if (keyring->count == keyring->room) {
        keyring->room = keyring->room * 2 + 8;
        keyring->keys = memory_resize(keyring->keys, keyring->room, sizeof *keyring->keys);
    }
    keyring->keys[keyring->count++] = copy;
    return true;
}

void keyring_set_state(struct keyring *keyring, size_t place, enum keyring_state state,
                       int64_t now_s)
{
    ASSERT(place < keyring->count);
    keyring->keys[place].state = state;
    keyring->keys[place].since_s = now_s;
}

void keyring_remove(struct keyring *keyring, size_t place)
{
    ASSERT(place < keyring->count);
    keyring->count--;
    for (size_t i = place; i < keyring->count; i++)
        keyring->keys[i] = keyring->keys[i + 1];
}

/* Takes the next word of a line; empty at its end. */
static struct bytes take_word(struct bytes *line)
{
    struct bytes word;
    *line = bytes_trim(*line);
    (void)bytes_cut(*line, ' ', &word, line);
    return word;
}

static bool parse_line(struct keyring *keyring, struct bytes line, struct error *err)
{
    struct keyring_key key = {.domain = take_word(&line), .selector = take_word(&line)};
    struct bytes algorithm = take_word(&line), state = take_word(&line), since = take_word(&line);
    uint64_t since_s;
    bool is_known = false, is_state = false;
    key.file = take_word(&line);
    for (size_t i = 0; i < COUNT(algorithms); i++)
        if (bytes_equal(algorithm, bytes_of(key_algorithm_name(algorithms[i])))) {
            key.algorithm = algorithms[i];
            is_known = true;
        }
    for (size_t i = 0; i < COUNT(states); i++)
        if (bytes_equal(state, bytes_of(states[i]))) {
            key.state = (enum keyring_state)i;
            is_state = true;
        }
    if (!is_known || !is_state || !scan_u64(since, INT64_MAX, &since_s) || line.len)
        return error_set(err, 0,
                         "a line has domain, selector, rsa or ed25519, new, active or "
                         "retired, an instant, and a file");
    key.since_s = (int64_t)since_s;
    return keyring_add(keyring, &key, err);
}

struct keyring *keyring_parse(struct bytes text, struct error *err)
{
    struct keyring *keyring = keyring_new();
    for (size_t number = 1; text.len; number++) {
        struct bytes line;
        bytes_cut(text, '\n', &line, &text);
        line = bytes_trim(line);
        if (line.len == 0 || line.at[0] == '#' || parse_line(keyring, line, err))
            continue;
        error_wrap(err, "line %zu", number);
        keyring_free(keyring);
        return NULL;
    }
    return keyring;
}

void keyring_print(struct buf *out, const struct keyring *keyring)
{
    buf_add(out, BYTES("# Keys that sign mail, kept by \"postrider dkim\": domain, selector, kind, "
                       "state and\n# since when (seconds since 1970), file of the private key.\n"));
    for (size_t i = 0; i < keyring->count; i++) {
        const struct keyring_key *key = &keyring->keys[i];
        buf_addf(out, "%.*s %.*s %s %s %lld %.*s\n", BYTES_ARGS(key->domain),
                 BYTES_ARGS(key->selector), key_algorithm_name(key->algorithm),
                 keyring_state_name(key->state), (long long)key->since_s, BYTES_ARGS(key->file));
    }
}

size_t keyring_find(const struct keyring *keyring, struct bytes domain,
                    const struct keyring_key *out[DKIM_SIGN_KEYS_MOST])
{
    while (domain.len) {
        size_t count = 0;
        for (size_t i = 0; i < keyring->count && count < DKIM_SIGN_KEYS_MOST; i++) {
            const struct keyring_key *key = &keyring->keys[i];
            if (key->state == KEYRING_ACTIVE && bytes_equal_nocase(key->domain, domain))
                out[count++] = key;
        }
        if (count)
            return count;
        struct bytes label;
        (void)bytes_cut(domain, '.', &label, &domain);
    }
    return 0;
}

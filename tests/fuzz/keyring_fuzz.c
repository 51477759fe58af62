/* Keyrings: what is read and printed reads the same; keys found are active and of the domain asked
 * for, or of one above it. */
#include "policy/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_found(const struct keyring *keyring, struct bytes domain)
{
    const struct keyring_key *found[DKIM_SIGN_KEYS_MOST];
    size_t count = keyring_find(keyring, domain, found);
    ASSERT(count <= DKIM_SIGN_KEYS_MOST);
    for (size_t i = 0; i < count; i++)
        ASSERT(found[i]->state == KEYRING_ACTIVE && bytes_ends_nocase(domain, found[i]->domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct keyring *keyring = keyring_parse((struct bytes){data, size}, &err);
    if (!keyring) {
        ASSERT(err.text[0]);
        return 0;
    }
    struct buf text, again;
    buf_init(&text, 4 * size + 4096);
    buf_init(&again, 4 * size + 4096);
    keyring_print(&text, keyring);
    struct keyring *second = keyring_parse(buf_view(&text), &err);
    ASSERT(second && keyring_count(second) == keyring_count(keyring));
    keyring_print(&again, second);
    ASSERT(!text.overflowed && bytes_equal(buf_view(&text), buf_view(&again)));
    for (size_t i = 0; i < keyring_count(keyring); i++)
        check_found(keyring, keyring_view(keyring, i)->domain);
    check_found(keyring, BYTES("a.example.org"));
    keyring_free(keyring);
    keyring_free(second);
    buf_done(&text);
    buf_done(&again);
    return 0;
}

#include "net/tls_tickets.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stddef.h>
#include <string.h>

/* Those whose last ticket has expired go. */
static void forget_old(struct tls_tickets *tickets, int64_t now_s)
{
    for (int i = 0; i < 2; i++)
        if (tickets->keys[i].is_there && now_s - tickets->keys[i].since_s >= 2 * TICKET_LIFE_S)
            OPENSSL_cleanse(&tickets->keys[i], sizeof tickets->keys[i]);
}

const struct ticket_key *tls_tickets_newest(struct tls_tickets *tickets, int64_t now_s)
{
    struct ticket_key *newest = &tickets->keys[0], key = {.since_s = now_s, .is_there = true};
    forget_old(tickets, now_s);
    if (newest->is_there && now_s - newest->since_s < TICKET_LIFE_S)
        return newest;
    if (RAND_bytes(key.name, sizeof key.name) != 1 ||
        RAND_priv_bytes(key.cipher, sizeof key.cipher) != 1 ||
        RAND_priv_bytes(key.mac, sizeof key.mac) != 1)
        return NULL;
    tickets->keys[1] = *newest;
    *newest = key;
    OPENSSL_cleanse(&key, sizeof key);
    return newest;
}

const struct ticket_key *tls_tickets_find(struct tls_tickets *tickets,
                                          const uint8_t name[TICKET_NAME], int64_t now_s)
{
    forget_old(tickets, now_s);
    for (int i = 0; i < 2; i++)
        if (tickets->keys[i].is_there && memcmp(tickets->keys[i].name, name, TICKET_NAME) == 0)
            return &tickets->keys[i];
    return NULL;
}

void tls_tickets_done(struct tls_tickets *tickets)
{
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

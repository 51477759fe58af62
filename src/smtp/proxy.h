/* The header of the PROXY protocol, versions 1 and 2, by which a proxy in front of us says for whom
 * it connects (HAProxy's proxy-protocol.txt). Incremental: takes exactly the header's bytes, so
 * that what follows (SMTP, or TLS) is left to whom it is for. Additional fields (TLVs) are passed
 * over. */
#pragma once

#include "base/ip.h"

enum {
    PROXY_V1_LIMIT = 107,      /* bytes of a header of version 1, with CRLF (2.1) */
    PROXY_KEPT_LIMIT = 16 + 36 /* of version 2: what is looked at */
};

enum proxy_status { PROXY_MORE, PROXY_DONE, PROXY_BAD };

/* Plain data, all of it set by proxy_init(); after PROXY_DONE the first ones are the result. */
struct proxy {
    bool has_client; /* false: the proxy speaks for itself, or for nobody it knows (LOCAL, UNKNOWN,
                        or another family): the connection's own address stands */
    struct ip ip;
    uint16_t port;
    const char *fault; /* of PROXY_BAD, for people */
    /* Its own. */
    size_t len, left; /* bytes seen; those still to come of version 2, once they are known */
    uint8_t kept[PROXY_V1_LIMIT];
};

void proxy_init(struct proxy *proxy);
/* Reads from the front of *input and moves it behind what was read; never behind the header. Not
 * to be called again after DONE or BAD. */
enum proxy_status proxy_read(struct proxy *proxy, struct bytes *input);

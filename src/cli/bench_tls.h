/* TLS of the load generator: it takes any certificate, and shows one made on the spot. */
#pragma once

#include "net/tls.h"

struct tls_context *bench_tls_client(void);
/* ECDSA on P-256, as most servers have by now. NULL and err. */
struct tls_context *bench_tls_server(struct error *err);

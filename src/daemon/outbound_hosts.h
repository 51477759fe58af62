/* The hosts of a lane, as one connection goes through them: their addresses by the DNS, one after
 * the other in the order of hosts_plan(), and what became of each remembered for the next. A Unix
 * socket is one place without an address. */
#pragma once

#include "daemon/worker.h"

struct outbound_hosts;

/* The addresses are known, or there are none. */
typedef void outbound_hosts_ready(void *context);

struct outbound_hosts *outbound_hosts_open(struct worker *worker, struct generation *generation,
                                           struct lane *lane);
/* Nobody is called any more. NULL is fine. */
void outbound_hosts_close(struct outbound_hosts *hosts_owned);
/* Once, first: looks up the addresses; ends in ready(), perhaps before it returns. */
void outbound_hosts_find(struct outbound_hosts *hosts, outbound_hosts_ready *ready, void *context);
/* Is there one that was not tried? */
bool outbound_hosts_has_next(const struct outbound_hosts *hosts);
/* Begins to connect to the next one. NULL and err: it cannot even be tried. */
struct stream *outbound_hosts_connect(struct outbound_hosts *hosts,
                                      const struct stream_events *events, void *context,
                                      struct error *err);
/* The same host, once more. */
struct stream *outbound_hosts_again(struct outbound_hosts *hosts,
                                    const struct stream_events *events, void *context,
                                    struct error *err);
/* How long to wait for that: shorter while there are others. */
int64_t outbound_hosts_timeout_ms(const struct outbound_hosts *hosts);
/* The one being tried or connected: "mx.example[192.0.2.1]:25", or the lane's name; borrowed until
 * the next. */
struct bytes outbound_hosts_remote(const struct outbound_hosts *hosts);
/* Why there was none to try; empty when there was one. */
struct bytes outbound_hosts_failure(const struct outbound_hosts *hosts);
/* The same as an enhanced status (RFC 3463): "4.7.5" a false answer by DNSSEC, "4.4.3" none from
 * the DNS, "4.4.4" no address, or none that may be used. */
const char *outbound_hosts_status(const struct outbound_hosts *hosts);
size_t outbound_hosts_tried(const struct outbound_hosts *hosts);
/* Nothing answers at the one being tried (outbound_hosts_failed follows), or something does. */
void outbound_hosts_missed(struct outbound_hosts *hosts);
void outbound_hosts_reached(struct outbound_hosts *hosts);
/* The one being tried cannot be used, or is of use: remembered. */
void outbound_hosts_failed(struct outbound_hosts *hosts);
void outbound_hosts_worked(struct outbound_hosts *hosts);
/* The name of the current one, or its address; empty: a Unix socket. Borrowed until the next. */
struct bytes outbound_hosts_name(const struct outbound_hosts *hosts);
/* Is the current one this host itself? */
bool outbound_hosts_is_here(const struct outbound_hosts *hosts);
/* The handshake of the current one failed; did it of late? */
void outbound_hosts_tls_failed(struct outbound_hosts *hosts);
bool outbound_hosts_is_clear(const struct outbound_hosts *hosts);
/* Is there another than this one in the lane that is not known to be down? */
bool outbound_hosts_has_other(const struct outbound_hosts *hosts);

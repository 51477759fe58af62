/* Who listens on a port of this host: read in the kernel's tables of sockets, and in /proc for the
 * process (whose it is, root alone sees). */
#pragma once

#include "base/buf.h"
#include "base/ip.h"

/* The inode of the socket that listens on the port at that address or at all addresses, in the text
 * of /proc/net/tcp or /proc/net/tcp6; 0: there is none. Pure. */
uint64_t port_holder_inode(struct bytes table, const struct ip *ip, uint16_t port);

/* Appends "master (process 612)", or "another program" where it cannot be seen. False: nobody
 * listens there. */
bool port_holder_find(const struct ip *ip, uint16_t port, struct buf *out);

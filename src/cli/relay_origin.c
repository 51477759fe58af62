#include "cli/relay_origin.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

enum { OWN_LIMIT = 64 };

#define NEAR_IPV4 "198.18.255.1"
#define FAR_IPV4 "198.18.255.2"
#define NEAR_IPV6 "2001:2:0:ffff::1"
#define NEAR_IPV4_LINK "198.18.255.1/30"
#define NEAR_IPV6_LINK "2001:2:0:ffff::1/126"
#define FAR_IPV6 "2001:2:0:ffff::2"
#define FAR_IPV4_LINK "198.18.255.2/30"
#define FAR_IPV6_LINK "2001:2:0:ffff::2/126"

/* --- The namespace ---------------------------------------------------------------------------- */

struct origin_space {
    int home_fd, space_fd;
    char link[IF_NAMESIZE]; /* this host's end */
};

static bool run_ip(const char *const *words, struct error *err)
{
    pid_t pid;
    int status = 0;
    int os = posix_spawnp(&pid, "ip", NULL, NULL, (char *const *)(uintptr_t)words, environ);
    if (os != 0)
        return error_set(err, os, "start ip (package iproute2)");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 || error_set(err, 0, "ip %s %s %s failed", words[1], words[2], words[3]);
}

/* Runs `ip` with some words, without a shell. */
#define IP(err, ...) run_ip((const char *const[]){"ip", __VA_ARGS__, NULL}, err)

/* Gives the namespace of a child that lives as long as the other end of its pipe. */
static bool make_space(struct origin_space *space, pid_t *pid, int *leash, struct error *err)
{
    int ends[2], ready[2];
    char path[64], byte = 0;
    if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0)
        return error_set(err, errno, "pipe");
    *pid = fork();
    if (*pid == 0) {
        close(ends[1]);
        close(ready[0]);
        byte = unshare(CLONE_NEWNET) == 0;
        if (write(ready[1], &byte, 1) == 1)
            (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
    close(ends[0]);
    close(ready[1]);
    bool is_made = *pid > 0 && read(ready[0], &byte, 1) == 1 && byte;
    close(ready[0]);
    *leash = ends[1];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)*pid);
    space->space_fd = is_made ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    return space->space_fd >= 0 ||
           error_set(err, is_made ? errno : EPERM, "make a network namespace (root may)");
}

static bool link_space(struct origin_space *space, pid_t pid, struct error *err)
{
    char far[IF_NAMESIZE], number[16];
    snprintf(space->link, sizeof space->link, "praudit%d", (int)(getpid() % 100000));
    snprintf(far, sizeof far, "prfar%d", (int)(getpid() % 100000));
    snprintf(number, sizeof number, "%d", (int)pid);
    if (!IP(err, "link", "add", space->link, "type", "veth", "peer", "name", far) ||
        !IP(err, "link", "set", far, "netns", number) ||
        !IP(err, "addr", "add", NEAR_IPV4_LINK, "dev", space->link) ||
        !IP(err, "-6", "addr", "add", NEAR_IPV6_LINK, "dev", space->link, "nodad") ||
        !IP(err, "link", "set", space->link, "up") || !origin_space_enter(space, err))
        return false;
    bool is_good = IP(err, "addr", "add", FAR_IPV4_LINK, "dev", far) &&
                   IP(err, "-6", "addr", "add", FAR_IPV6_LINK, "dev", far, "nodad") &&
                   IP(err, "link", "set", far, "up") &&
                   IP(err, "route", "add", "default", "via", NEAR_IPV4) &&
                   IP(err, "-6", "route", "add", "default", "via", NEAR_IPV6);
    origin_space_leave(space);
    return is_good;
}

struct origin_space *origin_space_open(struct error *err)
{
    struct origin_space *space = NEW(struct origin_space);
    pid_t pid = -1;
    int leash = -1;
    space->home_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    space->space_fd = -1;
    bool is_good = space->home_fd >= 0 || error_set(err, errno, "find this network's namespace");
    is_good = is_good && make_space(space, &pid, &leash, err) && link_space(space, pid, err);
    /* The descriptor keeps the namespace from now on. */
    if (leash >= 0)
        close(leash);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    if (is_good)
        return space;
    origin_space_close(space);
    return NULL;
}

void origin_space_close(struct origin_space *space)
{
    if (!space)
        return;
    struct error err;
    /* The pair goes with the namespace, a moment later; like this, at once. */
    if (space->link[0])
        (void)!IP(&err, "link", "delete", space->link);
    if (space->space_fd >= 0)
        close(space->space_fd);
    if (space->home_fd >= 0)
        close(space->home_fd);
    free(space);
}

bool origin_space_enter(struct origin_space *space, struct error *err)
{
    return setns(space->space_fd, CLONE_NEWNET) == 0 ||
           error_set(err, errno, "enter the network namespace");
}

void origin_space_leave(struct origin_space *space)
{
    ASSERT(setns(space->home_fd, CLONE_NEWNET) == 0);
}

/* --- The search ------------------------------------------------------------------------------- */

static struct ip ip_of(const char *text)
{
    struct ip ip;
    bool is_good = ip_scan(bytes_of(text), &ip);
    ASSERT(is_good);
    return ip;
}

static bool is_any(const struct ip *ip)
{
    struct ip v4 = ip_of("0.0.0.0"), v6 = ip_of("::");
    return memcmp(ip, &v4, sizeof v4) == 0 || memcmp(ip, &v6, sizeof v6) == 0;
}

/* Those of this host's interfaces that are up, of the same family; not loopback, not link-local. */
static size_t find_own(bool is_ipv4, struct ip out[OWN_LIMIT])
{
    struct ifaddrs *all;
    size_t count = 0;
    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *one = all; one && count < OWN_LIMIT; one = one->ifa_next) {
        const void *address = one->ifa_addr;
        if (!address || !(one->ifa_flags & IFF_UP) || one->ifa_flags & IFF_LOOPBACK)
            continue;
        const struct sockaddr_in *v4 = address;
        const struct sockaddr_in6 *v6 = address;
        if (is_ipv4 && one->ifa_addr->sa_family == AF_INET)
            out[count++] = ip_from_ipv4((const uint8_t *)&v4->sin_addr);
        else if (!is_ipv4 && one->ifa_addr->sa_family == AF_INET6 &&
                 !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            out[count++] = ip_from_ipv6(v6->sin6_addr.s6_addr);
    }
    freeifaddrs(all);
    return count;
}

/* By a network that is meant: one that takes in the whole world is not, and is put to the test. */
static bool is_meant(const struct networks *networks, const struct ip *ip)
{
    struct ip network;
    unsigned bits;
    for (size_t place = 0; networks_next(networks, &place, &network, &bits);)
        if (!network_is_world(&network, bits) && ip_matches(ip, &network, bits))
            return true;
    return false;
}

static bool is_trusted(const struct config *config, const struct config_listener *listener,
                       const struct ip *ip)
{
    return is_meant(config->relay_networks, ip) ||
           (listener->role == ROLE_SUBMISSION && ip_is_loopback(ip)) ||
           /* A proxy has to say for whom it speaks. */
           (listener->proxies && networks_have(listener->proxies, ip)) ||
           (listener->xclients && is_meant(listener->xclients, ip));
}

static bool try_loopback(const struct config *config, const struct config_listener *listener,
                         bool is_ipv4, struct origin *out)
{
    static const char *const ipv4[] = {"127.0.0.2", "127.0.0.3", "127.1.2.3", "127.255.0.9"};
    static const char *const ipv6[] = {"::1"};
    size_t count = is_ipv4 ? COUNT(ipv4) : COUNT(ipv6);
    for (size_t i = 0; i < count; i++) {
        out->from = ip_of(is_ipv4 ? ipv4[i] : ipv6[i]);
        if (!is_trusted(config, listener, &out->from))
            return true;
    }
    return false;
}

static void use_space(struct origin_space *space, bool is_ipv4, bool is_wild, struct origin *out)
{
    out->space = space;
    out->from = ip_of(is_ipv4 ? FAR_IPV4 : FAR_IPV6);
    if (is_wild)
        out->to = ip_of(is_ipv4 ? NEAR_IPV4 : NEAR_IPV6);
}

/* An address of this host, from which it reaches itself. */
static enum origin_result try_own(const struct config *config,
                                  const struct config_listener *listener, bool is_ipv4,
                                  bool is_wild, struct origin *out)
{
    struct ip own[OWN_LIMIT];
    size_t count = find_own(is_ipv4, own);
    for (size_t i = 0; i < count; i++) {
        if (is_trusted(config, listener, &own[i]))
            continue;
        out->from = own[i];
        if (is_wild)
            out->to = own[i];
        return ORIGIN_FOUND;
    }
    if (!is_wild)
        return count ? ORIGIN_TRUSTED : ORIGIN_NONE;
    out->to = ip_of(is_ipv4 ? "127.0.0.1" : "::1");
    if (try_loopback(config, listener, is_ipv4, out))
        return ORIGIN_FOUND;
    return ORIGIN_TRUSTED;
}

enum origin_result origin_find(const struct config *config, const struct config_listener *listener,
                               struct origin_space *space, const struct ip *from,
                               struct origin *out)
{
    *out = (struct origin){.space = NULL};
    if (listener->is_local)
        return ORIGIN_OWN_ALONE;
    if (!ip_scan(bytes_of(listener->host), &out->to))
        return ORIGIN_NONE;
    bool is_ipv4 = ip_is_ipv4(&out->to), is_wild = is_any(&out->to);
    if (from) {
        if (ip_is_ipv4(from) != is_ipv4)
            return ORIGIN_NONE;
        out->from = *from;
        if (is_wild)
            out->to = ip_is_loopback(from) ? ip_of(is_ipv4 ? "127.0.0.1" : "::1") : *from;
        return ORIGIN_FOUND;
    }
    if (ip_is_loopback(&out->to))
        return try_loopback(config, listener, is_ipv4, out) ? ORIGIN_FOUND : ORIGIN_OWN_ALONE;
    if (space) {
        use_space(space, is_ipv4, is_wild, out);
        return is_trusted(config, listener, &out->from) ? ORIGIN_TRUSTED : ORIGIN_FOUND;
    }
    return try_own(config, listener, is_ipv4, is_wild, out);
}

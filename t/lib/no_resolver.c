
/*
 * A resolver that is dead: preloaded into nginx, it never answers for names
 * that end in ".invalid".
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>


typedef int (*getaddrinfo_pt)(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);


int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    size_t          len;
    getaddrinfo_pt  next;

    len = node ? strlen(node) : 0;

    while (len > 8 && strcmp(node + len - 8, ".invalid") == 0) {
        sleep(60);
    }

    next = (getaddrinfo_pt) dlsym(RTLD_NEXT, "getaddrinfo");

    return next(node, service, hints, res);
}

/* Preloaded by bench/cost.py: what starts itself again by way of /proc/self/exe is started by way
 * of the program that $EXEC_SHIM names, which may be one that measures it. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int execv(const char *path, char *const arguments[])
{
    int (*real)(const char *, char *const[]) = dlsym(RTLD_NEXT, "execv");
    const char *instead = getenv("EXEC_SHIM");
    return real(instead && strcmp(path, "/proc/self/exe") == 0 ? instead : path, arguments);
}

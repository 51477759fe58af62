#include "cli/gmime.h"

#include <dlfcn.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define GMIME_ROW(name) {#name, offsetof(struct gmime, name)},
    GMIME_FUNCTIONS(GMIME_ROW)
#undef GMIME_ROW
};

bool gmime_load(struct gmime *out, struct error *err)
{
    void *library = dlopen("libgmime-3.0.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(err, 0,
                         "GMime is needed to compose messages, and is not installed; as "
                         "root: apt-get install libgmime-3.0-0");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        /* Those of the libraries that it stands on are found by it too. */
        void *function = dlsym(library, functions[i].name);
        if (!function)
            return error_set(err, 0, "the GMime that is installed has no %s", functions[i].name);
        memcpy((char *)out + functions[i].offset, &function, sizeof function);
    }
    out->g_mime_init();
    return true;
}

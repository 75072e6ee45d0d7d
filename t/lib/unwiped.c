
/*
 * Copyright (C) The nginx counters module authors
 *
 * Loaded before anything else: what libcurl frees is looked through for the
 * word that is in UNWIPED_WORD.  A block that holds it is reported in the
 * file UNWIPED_FILE.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


extern void __libc_free(void *p);
extern void *__libc_realloc(void *p, size_t size);


static void look(void *p, void *caller);


void
free(void *p)
{
    look(p, __builtin_return_address(0));
    __libc_free(p);
}


/* what moves leaves its old place as it was */

void *
realloc(void *p, size_t size)
{
    if (p && size > malloc_usable_size(p)) {
        look(p, __builtin_return_address(0));
    }

    return __libc_realloc(p, size);
}


static void
look(void *p, void *caller)
{
    int          fd;
    Dl_info      info;
    const char  *word, *file;

    word = getenv("UNWIPED_WORD");
    file = getenv("UNWIPED_FILE");

    if (p == NULL || word == NULL || file == NULL
        || memmem(p, malloc_usable_size(p), word, strlen(word)) == NULL
        || dladdr(caller, &info) == 0
        || strstr(info.dli_fname, "libcurl") == NULL)
    {
        return;
    }

    fd = open(file, O_WRONLY|O_APPEND|O_CREAT, 0666);

    if (fd != -1) {
        (void) !write(fd, "unwiped\n", 8);
        close(fd);
    }
}

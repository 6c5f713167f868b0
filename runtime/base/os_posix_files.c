/* Files on POSIX systems. */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

static tmb_status fail_path(tmb_status status, const char *path, const char *what)
{
    return fail(status, "%s: %s: %s", path, what, strerror(errno));
}

/* ---- reading ------------------------------------------------------------ */

tmb_status os_map(const char *path, OsMap *out)
{
    *out = (OsMap){0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);   /* a pipe must not block */
    if (file < 0)
        return fail_path(TMB_BAD_INPUT, path, "cannot be opened");
    tmb_status status = TMB_OK;
    struct stat about;
    if (fstat(file, &about) != 0)
        TRY_OR(done, status, fail_path(TMB_IO, path, "cannot be examined"));
    if (S_ISDIR(about.st_mode))
        TRY_OR(done, status, fail(TMB_BAD_INPUT, "%s: is a folder, a file is needed", path));
    if (!S_ISREG(about.st_mode))
        TRY_OR(done, status, fail(TMB_BAD_INPUT, "%s: is not a regular file", path));
    if (about.st_size > 0) {
        void *data = (uint64_t)about.st_size > SIZE_MAX
            ? MAP_FAILED : mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED)
            TRY_OR(done, status, fail_path(TMB_IO, path, "cannot be mapped"));
        out->data = data;
        out->bytes = (uint64_t)about.st_size;
    }
done:
    close(file);
    return status;
}

void os_map_drop(const OsMap *map, uint64_t offset, uint64_t bytes)
{
    long page = sysconf(_SC_PAGESIZE);
    if (!map->data || page <= 0 || offset > map->bytes || bytes > map->bytes - offset)
        return;
    uint64_t size = (uint64_t)page;
    uint64_t begin = (offset + size - 1) / size * size;   /* whole pages inside the range */
    uint64_t end = (offset + bytes) / size * size;
    if (begin < end)
        madvise((void *)(uintptr_t)(map->data + begin), (size_t)(end - begin), MADV_DONTNEED);
}

void os_unmap(OsMap *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, (size_t)map->bytes);
    *map = (OsMap){0};
}

FILE *os_fopen(const char *path, const char *mode)
{
    return fopen(path, mode);
}

/* ---- writing ------------------------------------------------------------ */

struct OsReplace {
    int file;
    char *path, *partial;
};

/* Makes a rename or a new name in the path's folder survive a power cut. Some file
 * systems cannot fsync folders; nothing can be done about those. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? mem_string(".")
        : mem_string_n(path, slash == path ? 1 : (size_t)(slash - path));
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        fsync(file);
        os_crash_point();
        close(file);
    }
    free(folder);
}

static tmb_status write_all(int file, const char *path, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(file, at, bytes < (1u << 30) ? bytes : (1u << 30));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_path(TMB_IO, path, "cannot be written");
        at += written;
        bytes -= (size_t)written;
        os_crash_point();
    }
    return TMB_OK;
}

/* Opens and locks the partial file. One left behind by a killed process is reused;
 * one that a live process holds is TMB_BUSY. */
static tmb_status open_partial(const char *partial, int *out)
{
    for (int attempt = 0; attempt < 8; attempt++) {
        int file = open(partial, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (file < 0)
            return fail_path(TMB_IO, partial, "cannot be created");
        if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(file);
            return fail(TMB_BUSY, "%s: another process is writing this file", partial);
        }
        /* the former holder may have renamed it between open and flock */
        struct stat opened, named;
        if (fstat(file, &opened) == 0 && stat(partial, &named) == 0 &&
            opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
            if (ftruncate(file, 0) == 0) {
                *out = file;
                return TMB_OK;
            }
            close(file);
            return fail_path(TMB_IO, partial, "cannot be emptied");
        }
        close(file);
    }
    return fail(TMB_BUSY, "%s: other processes keep writing this file", partial);
}

tmb_status os_replace_begin(const char *path, OsReplace **out)
{
    *out = NULL;
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
        return fail(TMB_IO, "%s: exists and is not a regular file", path);
    Text partial = {0};
    text_print(&partial, "%s.partial", path);
    int file = -1;
    tmb_status status = open_partial(partial.data, &file);
    if (status != TMB_OK) {
        text_finish(&partial);
        return status;
    }
    OsReplace *replace = MEM_NEW(OsReplace);
    *replace = (OsReplace){.file = file, .path = mem_string(path), .partial = partial.data};
    *out = replace;
    return TMB_OK;
}

tmb_status os_replace_write(OsReplace *file, const void *data, size_t bytes)
{
    return write_all(file->file, file->path, data, bytes);
}

static void replace_free(OsReplace **file)
{
    close((*file)->file);
    free((*file)->path);
    free((*file)->partial);
    free(*file);
    *file = NULL;
}

tmb_status os_replace_commit(OsReplace **file)
{
    OsReplace *replace = *file;
    tmb_status status = TMB_OK;
    if (fsync(replace->file) != 0)
        TRY_OR(done, status, fail_path(TMB_IO, replace->path, "cannot be flushed to the disk"));
    os_crash_point();
    if (rename(replace->partial, replace->path) != 0)
        TRY_OR(done, status, fail_path(TMB_IO, replace->path, "cannot be put in place"));
    os_crash_point();
    sync_folder(replace->path);
    replace_free(file);
    return TMB_OK;
done:
    os_replace_abort(file);
    return status;
}

void os_replace_abort(OsReplace **file)
{
    if (!*file)
        return;
    unlink((*file)->partial);
    replace_free(file);
}

tmb_status os_append(const char *path, const void *data, size_t bytes)
{
    bool is_new = !os_exists(path);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return fail_path(TMB_IO, path, "cannot be opened for appending");
    tmb_status status = write_all(file, path, data, bytes);
    if (status == TMB_OK && fsync(file) != 0)
        status = fail_path(TMB_IO, path, "cannot be flushed to the disk");
    os_crash_point();
    close(file);
    if (is_new && status == TMB_OK)
        sync_folder(path);
    return status;
}

tmb_status os_truncate(const char *path, uint64_t bytes)
{
    if (truncate(path, (off_t)bytes) != 0)
        return fail_path(TMB_IO, path, "cannot be shortened");
    os_crash_point();
    return TMB_OK;
}

/* ---- names -------------------------------------------------------------- */

bool os_exists(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0;
}

bool os_is_directory(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

uint64_t os_file_bytes(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
}

uint64_t os_free_disk(const char *folder)
{
    struct statvfs about;
    if (statvfs(folder, &about) != 0 || !about.f_blocks)     /* some network disks do not tell */
        return UINT64_MAX;
    return (uint64_t)about.f_bavail * about.f_frsize;
}

tmb_status os_make_directories(const char *path)
{
    char *part = mem_string(path);
    tmb_status status = TMB_OK;
    for (char *at = part; *at && status == TMB_OK;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char held = *at;
        *at = '\0';
        if (*part && mkdir(part, 0777) != 0) {
            int reason = errno;      /* looking whether it is there changes errno */
            if (!os_is_directory(part))
                status = fail(TMB_IO, "%s: the folder cannot be created: %s", part,
                              strerror(reason == EEXIST ? ENOTDIR : reason));
        }
        *at = held;
    }
    free(part);
    return status;
}

tmb_status os_remove(const char *path)
{
    if (remove(path) != 0 && errno != ENOENT)
        return fail_path(TMB_IO, path, "cannot be removed");
    return TMB_OK;
}

tmb_status os_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        return fail(TMB_IO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
    os_crash_point();
    sync_folder(to);
    return TMB_OK;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

tmb_status os_list(const char *path, char ***names, size_t *count)
{
    *names = NULL;
    *count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return fail_path(TMB_BAD_INPUT, path, "the folder cannot be read");
    size_t capacity = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            *names = mem_grow(*names, capacity, sizeof **names);
        }
        (*names)[(*count)++] = mem_string(entry->d_name);
    }
    closedir(folder);
    if (*count)
        qsort(*names, *count, sizeof **names, by_name);
    return TMB_OK;
}

/* ---- locks and folders -------------------------------------------------- */

struct OsLock {
    int file;
};

tmb_status os_lock(const char *path, OsLock **out)
{
    *out = NULL;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return fail_path(TMB_IO, path, "the lock file cannot be opened");
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        tmb_status status = errno == EWOULDBLOCK
            ? fail(TMB_BUSY, "%s: another process is using this folder", path)
            : fail_path(TMB_IO, path, "cannot be locked");
        close(file);
        return status;
    }
    *out = MEM_NEW(OsLock);
    (*out)->file = file;
    return TMB_OK;
}

void os_unlock(OsLock **lock)
{
    if (!*lock)
        return;
    close((*lock)->file);   /* the file stays: removing it would race with the next holder */
    free(*lock);
    *lock = NULL;
}

char *os_cache_directory(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path;
    if (cache && cache[0] == '/')
        path = os_join(cache, "timbre");
    else if (home && home[0] == '/')
        path = os_join(home, ".cache/timbre");
    else
        return NULL;
    if (os_make_directories(path) != TMB_OK) {
        free(path);
        return NULL;
    }
    return path;
}

/* Files on Windows. */
#include "base/os.h"

#include <windows.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os_win32.h"

/* ---- text --------------------------------------------------------------- */

wchar_t *win32_wide(const char *text)
{
    int letters = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    wchar_t *wide = mem_new((size_t)(letters > 0 ? letters : 1), sizeof *wide);
    if (letters > 0)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, letters);
    return wide;
}

char *win32_utf8(const wchar_t *text)
{
    int bytes = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *narrow = mem_new((size_t)(bytes > 0 ? bytes : 1), 1);
    if (bytes > 0)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, bytes, NULL, NULL);
    return narrow;
}

wchar_t *win32_path(const char *path)
{
    enum { LONG = 240, PREFIX = 4 };    /* 260 less room for a suffix */
    wchar_t *wide = win32_wide(path);
    DWORD letters = GetFullPathNameW(wide, 0, NULL, NULL);
    if (letters < LONG || wcsncmp(wide, L"\\\\", 2) == 0)
        return wide;
    wchar_t *full = mem_new(letters + PREFIX, sizeof *full);
    wcscpy(full, L"\\\\?\\");
    GetFullPathNameW(wide, letters, full + PREFIX, NULL);
    free(wide);
    return full;
}

tmb_status win32_fail(tmb_status status, const char *path, const char *what)
{
    DWORD code = GetLastError();
    wchar_t reason[256] = L"";
    DWORD letters = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                   code, 0, reason, 255, NULL);
    while (letters > 0 && (reason[letters - 1] <= L' ' || reason[letters - 1] == L'.'))
        reason[--letters] = L'\0';
    char *narrow = win32_utf8(reason);
    fail_record(status, "%s: %s: %s (Windows error %lu)", path, what, narrow, (unsigned long)code);
    free(narrow);
    return status;
}

static DWORD attributes(const char *path)
{
    wchar_t *wide = win32_path(path);
    DWORD bits = GetFileAttributesW(wide);
    free(wide);
    return bits;
}

/* CreateFileW of a UTF-8 path. */
static HANDLE open_file(const char *path, DWORD access, DWORD share, DWORD how)
{
    wchar_t *wide = win32_path(path);
    HANDLE file = CreateFileW(wide, access, share, NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD code = GetLastError();
    free(wide);
    SetLastError(code);
    return file;
}

/* ---- reading ------------------------------------------------------------ */

tmb_status os_map(const char *path, OsMap *out)
{
    *out = (OsMap){0};
    if (os_is_directory(path))
        return fail(TMB_BAD_INPUT, "%s: is a folder, a file is needed", path);
    HANDLE file = open_file(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                            OPEN_EXISTING);
    if (file == INVALID_HANDLE_VALUE)
        return win32_fail(TMB_BAD_INPUT, path, "cannot be opened");
    tmb_status status = TMB_OK;
    LARGE_INTEGER bytes;
    if (GetFileType(file) != FILE_TYPE_DISK)
        TRY_OR(done, status, fail(TMB_BAD_INPUT, "%s: is not a regular file", path));
    if (!GetFileSizeEx(file, &bytes))
        TRY_OR(done, status, win32_fail(TMB_IO, path, "cannot be examined"));
    if (bytes.QuadPart > 0) {
        HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
        if (!mapping)
            TRY_OR(done, status, win32_fail(TMB_IO, path, "cannot be mapped"));
        out->data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
        if (!out->data) {
            status = win32_fail(TMB_IO, path, "cannot be mapped");
            CloseHandle(mapping);
            goto done;
        }
        out->handle = mapping;
        out->bytes = (uint64_t)bytes.QuadPart;
    }
done:
    CloseHandle(file);
    return status;
}

void os_map_drop(const OsMap *map, uint64_t offset, uint64_t bytes)
{
    if (!map->data || offset > map->bytes || bytes > map->bytes - offset || bytes == 0)
        return;
    /* unlocking pages that are not locked takes them out of the working set; it reports an error */
    VirtualUnlock((void *)(uintptr_t)(map->data + offset), (SIZE_T)bytes);
}

void os_unmap(OsMap *map)
{
    if (map->data)
        UnmapViewOfFile(map->data);
    if (map->handle)
        CloseHandle(map->handle);
    *map = (OsMap){0};
}

FILE *os_fopen(const char *path, const char *mode)
{
    /* always binary: the same bytes on every system */
    Text binary = {0};
    text_print(&binary, "%s%s", mode, strchr(mode, 'b') ? "" : "b");
    wchar_t *wide = win32_path(path), *wide_mode = win32_wide(binary.data);
    FILE *file = _wfopen(wide, wide_mode);
    free(wide);
    free(wide_mode);
    text_finish(&binary);
    return file;
}

/* ---- writing ------------------------------------------------------------ */

struct OsReplace {
    HANDLE file;
    char *path, *partial;
};

static tmb_status write_all(HANDLE file, const char *path, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        DWORD part = bytes < (1u << 30) ? (DWORD)bytes : 1u << 30, written = 0;
        if (!WriteFile(file, at, part, &written, NULL))
            return win32_fail(TMB_IO, path, "cannot be written");
        at += written;
        bytes -= written;
        os_crash_point();
    }
    return TMB_OK;
}

tmb_status os_replace_begin(const char *path, OsReplace **out)
{
    *out = NULL;
    if (os_is_directory(path))
        return fail(TMB_IO, "%s: exists and is not a regular file", path);
    Text partial = {0};
    text_print(&partial, "%s.partial", path);
    /* opened without sharing, so one process writes at a time */
    HANDLE file = open_file(partial.data, GENERIC_WRITE, 0, CREATE_ALWAYS);
    if (file == INVALID_HANDLE_VALUE) {
        tmb_status status = GetLastError() == ERROR_SHARING_VIOLATION
            ? fail(TMB_BUSY, "%s: another process is writing this file", partial.data)
            : win32_fail(TMB_IO, partial.data, "cannot be created");
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

/* Virus scanners and indexers hold fresh files for a moment; a rename then fails. */
static bool move_file(const char *from, const char *to)
{
    wchar_t *wide_from = win32_path(from), *wide_to = win32_path(to);
    bool moved = false;
    for (int attempt = 0; !moved && attempt < 20; attempt++) {
        if (attempt)
            Sleep(50);
        moved = MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
        DWORD code = GetLastError();
        if (!moved && code != ERROR_SHARING_VIOLATION && code != ERROR_ACCESS_DENIED)
            break;
    }
    DWORD code = GetLastError();
    free(wide_from);
    free(wide_to);
    SetLastError(code);
    return moved;
}

static void replace_free(OsReplace **file)
{
    if ((*file)->file != INVALID_HANDLE_VALUE)
        CloseHandle((*file)->file);
    free((*file)->path);
    free((*file)->partial);
    free(*file);
    *file = NULL;
}

tmb_status os_replace_commit(OsReplace **file)
{
    OsReplace *replace = *file;
    tmb_status status = TMB_OK;
    if (!FlushFileBuffers(replace->file))
        TRY_OR(done, status, win32_fail(TMB_IO, replace->path, "cannot be flushed to the disk"));
    os_crash_point();
    CloseHandle(replace->file);     /* an open file cannot be renamed */
    replace->file = INVALID_HANDLE_VALUE;
    if (!move_file(replace->partial, replace->path))
        TRY_OR(done, status, win32_fail(TMB_IO, replace->path, "cannot be put in place"));
    os_crash_point();
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
    if ((*file)->file != INVALID_HANDLE_VALUE)
        CloseHandle((*file)->file);
    (*file)->file = INVALID_HANDLE_VALUE;
    wchar_t *partial = win32_path((*file)->partial);
    DeleteFileW(partial);
    free(partial);
    replace_free(file);
}

tmb_status os_append(const char *path, const void *data, size_t bytes)
{
    HANDLE file = open_file(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_ALWAYS);
    if (file == INVALID_HANDLE_VALUE)
        return win32_fail(TMB_IO, path, "cannot be opened for appending");
    tmb_status status = write_all(file, path, data, bytes);
    if (status == TMB_OK && !FlushFileBuffers(file))
        status = win32_fail(TMB_IO, path, "cannot be flushed to the disk");
    os_crash_point();
    CloseHandle(file);
    return status;
}

tmb_status os_truncate(const char *path, uint64_t bytes)
{
    HANDLE file = open_file(path, GENERIC_WRITE, FILE_SHARE_READ, OPEN_EXISTING);
    if (file == INVALID_HANDLE_VALUE)
        return win32_fail(TMB_IO, path, "cannot be shortened");
    LARGE_INTEGER end = {.QuadPart = (LONGLONG)bytes};
    tmb_status status = TMB_OK;
    if (!SetFilePointerEx(file, end, NULL, FILE_BEGIN) || !SetEndOfFile(file))
        status = win32_fail(TMB_IO, path, "cannot be shortened");
    CloseHandle(file);
    os_crash_point();
    return status;
}

/* ---- names -------------------------------------------------------------- */

bool os_exists(const char *path)
{
    return attributes(path) != INVALID_FILE_ATTRIBUTES;
}

bool os_is_directory(const char *path)
{
    DWORD bits = attributes(path);
    return bits != INVALID_FILE_ATTRIBUTES && bits & FILE_ATTRIBUTE_DIRECTORY;
}

uint64_t os_file_bytes(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA about;
    wchar_t *wide = win32_path(path);
    bool known = GetFileAttributesExW(wide, GetFileExInfoStandard, &about);
    free(wide);
    if (!known || about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
        return 0;
    return (uint64_t)about.nFileSizeHigh << 32 | about.nFileSizeLow;
}

uint64_t os_free_disk(const char *folder)
{
    ULARGE_INTEGER available;
    wchar_t *wide = win32_path(folder);
    bool known = GetDiskFreeSpaceExW(wide, &available, NULL, NULL);
    free(wide);
    return known ? available.QuadPart : UINT64_MAX;
}

tmb_status os_make_directories(const char *path)
{
    char *part = mem_string(path);
    tmb_status status = TMB_OK;
    for (char *at = part; *at && status == TMB_OK;) {
        at += strspn(at, "/\\");
        at += strcspn(at, "/\\");
        char held = *at;
        *at = '\0';
        bool is_drive = at - part == 2 && part[1] == ':';
        if (*part && !is_drive && !os_is_directory(part)) {
            wchar_t *wide = win32_path(part);
            if (!CreateDirectoryW(wide, NULL) && !os_is_directory(part))
                status = win32_fail(TMB_IO, part, "the folder cannot be created");
            free(wide);
        }
        *at = held;
    }
    free(part);
    return status;
}

tmb_status os_remove(const char *path)
{
    wchar_t *wide = win32_path(path);
    bool removed = os_is_directory(path) ? RemoveDirectoryW(wide) : DeleteFileW(wide);
    DWORD code = GetLastError();
    free(wide);
    if (removed || code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
        return TMB_OK;
    SetLastError(code);
    return win32_fail(TMB_IO, path, "cannot be removed");
}

tmb_status os_rename(const char *from, const char *to)
{
    if (!move_file(from, to))
        return win32_fail(TMB_IO, from, "cannot be renamed");
    os_crash_point();
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
    char *pattern = os_join(path, "*");
    wchar_t *wide = win32_path(pattern);
    WIN32_FIND_DATAW entry;
    HANDLE folder = FindFirstFileW(wide, &entry);
    DWORD code = GetLastError();
    free(wide);
    free(pattern);
    if (folder == INVALID_HANDLE_VALUE) {
        SetLastError(code);
        return win32_fail(TMB_BAD_INPUT, path, "the folder cannot be read");
    }
    size_t capacity = 0;
    do {
        if (wcscmp(entry.cFileName, L".") == 0 || wcscmp(entry.cFileName, L"..") == 0)
            continue;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            *names = mem_grow(*names, capacity, sizeof **names);
        }
        (*names)[(*count)++] = win32_utf8(entry.cFileName);
    } while (FindNextFileW(folder, &entry));
    FindClose(folder);
    if (*count)
        qsort(*names, *count, sizeof **names, by_name);
    return TMB_OK;
}

/* ---- locks and folders -------------------------------------------------- */

struct OsLock {
    HANDLE file;
};

tmb_status os_lock(const char *path, OsLock **out)
{
    *out = NULL;
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                            OPEN_ALWAYS);
    if (file == INVALID_HANDLE_VALUE)
        return win32_fail(TMB_IO, path, "the lock file cannot be opened");
    OVERLAPPED first_byte = {0};
    if (!LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &first_byte)) {
        DWORD code = GetLastError();
        tmb_status status = code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING
            ? fail(TMB_BUSY, "%s: another process is using this folder", path)
            : win32_fail(TMB_IO, path, "cannot be locked");
        CloseHandle(file);
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
    CloseHandle((*lock)->file);
    free(*lock);
    *lock = NULL;
}

char *os_cache_directory(void)
{
    const wchar_t *wide = _wgetenv(L"LOCALAPPDATA");
    if (!wide || !*wide)
        return NULL;
    char *base = win32_utf8(wide), *path = os_join(base, "timbre");
    free(base);
    if (os_make_directories(path) != TMB_OK) {
        free(path);
        return NULL;
    }
    return path;
}

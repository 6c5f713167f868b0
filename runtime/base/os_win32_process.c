/* Clocks, memory, terminals, Ctrl-C and child processes on Windows. */
#include "base/os.h"

#define PSAPI_VERSION 2     /* GetProcessMemoryInfo from kernel32 */
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <psapi.h>
#include <shellapi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/os_watch.h"
#include "base/os_win32.h"

double os_seconds(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (double)ticks.QuadPart / (double)per_second.QuadPart;
}

void os_sleep(double seconds)
{
    Sleep((DWORD)(seconds * 1000));
}

int64_t os_unix_time(void)
{
    return (int64_t)_time64(NULL);
}

uint64_t os_peak_rss(void)
{
    PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
    return GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)
        ? counters.PeakWorkingSetSize : 0;
}

uint64_t os_free_memory(void)
{
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    return GlobalMemoryStatusEx(&memory) ? memory.ullAvailPhys : 0;
}

unsigned os_cpu_count(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwNumberOfProcessors > 0 ? info.dwNumberOfProcessors : 1;
}

unsigned os_process_id(void)
{
    return GetCurrentProcessId();
}

bool os_is_terminal(FILE *stream)
{
    DWORD mode;
    return GetConsoleMode((HANDLE)_get_osfhandle(_fileno(stream)), &mode) != 0;
}

unsigned os_terminal_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (GetConsoleScreenBufferInfo(GetStdHandle(STD_ERROR_HANDLE), &info) &&
        info.srWindow.Right > info.srWindow.Left)
        return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
    return 80;
}

void os_set_environment(const char *name, const char *value)
{
    _putenv_s(name, value ? value : "");    /* empty removes it */
}

/* ---- Ctrl-C ------------------------------------------------------------- */

static volatile LONG interrupted;   /* the handler runs on a thread of its own */

static BOOL WINAPI on_interrupt(DWORD event)
{
    if (InterlockedExchange(&interrupted, 1))
        TerminateProcess(GetCurrentProcess(), 130);
    if (event == CTRL_CLOSE_EVENT)
        Sleep(4500);    /* Windows ends the process when this returns, or after 5 s */
    return TRUE;
}

void os_interrupt_install(void)
{
    SetConsoleCtrlHandler(on_interrupt, TRUE);
}

void os_interrupt(void)
{
    InterlockedExchange(&interrupted, 1);
}

void os_interrupt_clear(void)
{
    InterlockedExchange(&interrupted, 0);
}

void os_interrupt_reading(bool on)
{
    (void)on;    /* a read of the console ends with Ctrl-C in any case */
}

bool os_input_waiting(void)
{
    return false;    /* a console counts key releases as input, so this cannot be told */
}

void os_ignore_closed_pipe(void)
{
    /* writing to one is an error here anyway */
}

bool os_interrupted(void)
{
    return interrupted != 0;
}

/* ---- this program ------------------------------------------------------- */

void os_arguments(int *argc, char ***argv)
{
    FILE *const streams[] = {stdin, stdout, stderr};
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        _setmode(_fileno(streams[i]), _O_BINARY);   /* no carriage returns in results */
    SetConsoleOutputCP(CP_UTF8);
    SetConsoleCP(CP_UTF8);
    HANDLE console = GetStdHandle(STD_ERROR_HANDLE);
    DWORD mode;
    if (GetConsoleMode(console, &mode))
        SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    int count = 0;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    if (!wide)
        return;
    char **narrow = MEM_NEW_ARRAY(char *, (size_t)count + 1);   /* kept as long as the process */
    for (int i = 0; i < count; i++)
        narrow[i] = win32_utf8(wide[i]);
    LocalFree(wide);
    *argc = count;
    *argv = narrow;
}

char *os_executable(void)
{
    wchar_t wide[4096];
    DWORD letters = GetModuleFileNameW(NULL, wide, COUNT_OF(wide));
    if (letters == 0 || letters == COUNT_OF(wide))
        return NULL;
    char *path = win32_utf8(wide);
    for (char *at = path; *at; at++)
        if (*at == '\\')
            *at = '/';
    return path;
}

/* ---- child processes ---------------------------------------------------- */

/* Quotes one argument the way the C run-time of the child takes command lines apart:
 * backslashes are literal unless a quote follows them. */
static void quote(Text *line, const char *argument)
{
    if (line->bytes)
        text_append(line, " ", 1);
    if (*argument && !strpbrk(argument, " \t\n\v\"")) {
        text_append(line, argument, strlen(argument));
        return;
    }
    text_append(line, "\"", 1);
    for (const char *at = argument;; at++) {
        size_t slashes = strspn(at, "\\");
        at += slashes;
        bool doubled = !*at || *at == '"';
        for (size_t i = 0; i < slashes * (doubled ? 2 : 1); i++)
            text_append(line, "\\", 1);
        if (!*at)
            break;
        if (*at == '"')
            text_append(line, "\\", 1);
        text_append(line, at, 1);
    }
    text_append(line, "\"", 1);
}

/* Starts the child with its standard output into `output`. */
static tmb_status start(const char *const argv[], HANDLE output, PROCESS_INFORMATION *child)
{
    Text line = {0};
    for (size_t i = 0; argv[i]; i++)
        quote(&line, argv[i]);
    wchar_t *wide = win32_wide(line.data);
    text_finish(&line);
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof inherit, .bInheritHandle = TRUE};
    HANDLE nothing = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
                                 OPEN_EXISTING, 0, NULL);
    STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = nothing, .hStdOutput = output,
                            .hStdError = GetStdHandle(STD_ERROR_HANDLE)};
    BOOL started = CreateProcessW(NULL, wide, NULL, NULL, TRUE, 0, NULL, NULL, &startup, child);
    tmb_status status = started ? TMB_OK : win32_fail(TMB_FAILED, argv[0], "cannot start");
    CloseHandle(nothing);
    free(wide);
    return status;
}

static void drain(HANDLE pipe, Text *output)
{
    char block[4096];
    DWORD ready = 0, got = 0;
    while (PeekNamedPipe(pipe, NULL, 0, NULL, &ready, NULL) && ready > 0 &&
           ReadFile(pipe, block, sizeof block, &got, NULL) && got > 0)
        text_append(output, block, got);
}

static int follow(HANDLE process, HANDLE pipe, double seconds, double silence, Text *output)
{
    OsWatch watch = os_watch_begin(seconds, silence);
    int reason = 0;
    while (!reason && WaitForSingleObject(process, 10) == WAIT_TIMEOUT) {
        drain(pipe, output);
        reason = os_watch_over(&watch, output->bytes);
    }
    if (reason) {
        TerminateProcess(process, (UINT)reason);
        WaitForSingleObject(process, INFINITE);
    }
    drain(pipe, output);
    if (reason)
        return reason;
    DWORD code = 1;
    GetExitCodeProcess(process, &code);
    /* exceptions (access violation and the like) look like the signal they would be elsewhere */
    return code >= 0x80000000u ? 128 + 11 : (int)code;
}

tmb_status os_run_watched(const char *const argv[], double seconds, double silence, char **output,
                          int *exit_code)
{
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof inherit, .bInheritHandle = TRUE};
    HANDLE from, to;
    *exit_code = -1;
    if (output)
        *output = NULL;
    if (!CreatePipe(&from, &to, &inherit, 0))
        return win32_fail(TMB_FAILED, argv[0], "cannot start");
    SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0);
    PROCESS_INFORMATION child;
    tmb_status status = start(argv, to, &child);
    CloseHandle(to);
    if (status != TMB_OK) {
        CloseHandle(from);
        return status;
    }
    Text text = {0};
    text_append(&text, "", 0);
    *exit_code = follow(child.hProcess, from, seconds, silence, &text);
    CloseHandle(from);
    CloseHandle(child.hProcess);
    CloseHandle(child.hThread);
    if (output)
        *output = text.data;
    else
        text_finish(&text);
    return TMB_OK;
}

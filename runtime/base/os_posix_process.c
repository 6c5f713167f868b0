/* Clocks, memory, terminals, signals and child processes on POSIX systems. */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os_watch.h"

extern char **environ;

double os_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void os_sleep(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

int64_t os_unix_time(void)
{
    return (int64_t)time(NULL);
}

/* The number after `key` in a file of "key: number" lines; false when missing. */
static bool read_number(const char *path, const char *key, uint64_t *out)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    char line[256];
    bool found = false;
    size_t bytes = strlen(key);
    while (!found && fgets(line, sizeof line, file))
        if (strncmp(line, key, bytes) == 0 && line[bytes + strspn(line + bytes, " \t")] >= '0' &&
            line[bytes + strspn(line + bytes, " \t")] <= '9') {
            *out = strtoull(line + bytes, NULL, 10);
            found = true;
        }
    fclose(file);
    return found;
}

uint64_t os_peak_rss(void)
{
    uint64_t kibibytes;   /* ru_maxrss would include the parent's peak before exec */
    if (read_number("/proc/self/status", "VmHWM:", &kibibytes))
        return kibibytes * 1024;
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t os_free_memory(void)
{
    uint64_t kibibytes, available = 0, limit, used;
    if (read_number("/proc/meminfo", "MemAvailable:", &kibibytes))
        available = kibibytes * 1024;
    else {
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        available = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / 2 : 0;
    }
    /* a container may be allowed less than the machine has */
    if (read_number("/sys/fs/cgroup/memory.max", "", &limit) &&
        read_number("/sys/fs/cgroup/memory.current", "", &used)) {
        uint64_t left = limit > used ? limit - used : 0, cached;
        if (read_number("/sys/fs/cgroup/memory.stat", "inactive_file ", &cached))
            left += cached;   /* page cache makes room when asked */
        if (left < available)
            available = left;
    }
    return available;
}

unsigned os_cpu_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

unsigned os_process_id(void)
{
    return (unsigned)getpid();
}

bool os_is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

unsigned os_terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    long count = columns ? strtol(columns, NULL, 10) : 0;
    return count > 0 && count < 10000 ? (unsigned)count : 80;
}

void os_set_environment(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* ---- Ctrl-C ------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;   /* a signal handler can reach nothing else */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (interrupted)
        _exit(130);
    interrupted = 1;
}

void os_interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)   /* not under nohup */
        sigaction(SIGHUP, &action, NULL);
}

void os_interrupt_clear(void)
{
    interrupted = 0;
}

void os_interrupt_reading(bool on)
{
    struct sigaction action;
    if (sigaction(SIGINT, NULL, &action) != 0 || action.sa_handler != on_interrupt)
        return;
    action.sa_flags = on ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    sigaction(SIGINT, &action, NULL);
}

bool os_input_waiting(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    /* a terminal hands pasted lines over one by one, the next a moment after the last */
    return poll(&input, 1, 20) == 1 && (input.revents & POLLIN);
}

void os_ignore_closed_pipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

void os_interrupt(void)
{
    interrupted = 1;
}

bool os_interrupted(void)
{
    return interrupted != 0;
}

void os_arguments(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
}

char *os_executable(void)
{
    for (size_t capacity = 256; capacity <= 1u << 16; capacity *= 2) {
        char *path = mem_new(capacity, 1);
        ssize_t bytes = readlink("/proc/self/exe", path, capacity - 1);
        if (bytes >= 0 && (size_t)bytes < capacity - 1)
            return path;
        free(path);
        if (bytes < 0)
            return NULL;
    }
    return NULL;
}

/* ---- child processes ---------------------------------------------------- */

static int child_exit_code(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

/* Reads what is there now, waiting at most `milliseconds`; false at the end. */
static bool drain(int pipe, int milliseconds, Text *output)
{
    struct pollfd waiting = {.fd = pipe, .events = POLLIN};
    if (poll(&waiting, 1, milliseconds) <= 0)
        return true;
    char block[4096];
    ssize_t got = read(pipe, block, sizeof block);
    if (got > 0)
        text_append(output, block, (size_t)got);
    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Follows the child to its end. Its own children may keep the pipe open, so the end is
 * told by waitpid, not by the pipe. */
static int follow(pid_t child, int pipe, double seconds, double silence, Text *output)
{
    OsWatch watch = os_watch_begin(seconds, silence);
    int wait_status = 0, reason = 0;
    bool open = true;
    for (;;) {
        if (open)
            open = drain(pipe, 20, output);
        else
            poll(NULL, 0, 5);
        if (waitpid(child, &wait_status, WNOHANG) == child)
            break;
        if ((reason = os_watch_over(&watch, output->bytes)) != 0) {
            kill(child, SIGKILL);
            waitpid(child, &wait_status, 0);
            break;
        }
    }
    for (size_t before = (size_t)-1; open && output->bytes != before;) {
        before = output->bytes;
        open = drain(pipe, 0, output);
    }
    return reason ? reason : child_exit_code(wait_status);
}

static int spawn(const char *const argv[], int output, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int reason = posix_spawnp(child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
                              environ);
    posix_spawn_file_actions_destroy(&actions);
    return reason;
}

tmb_status os_run_watched(const char *const argv[], double seconds, double silence, char **output,
                          int *exit_code)
{
    int ends[2];
    *exit_code = -1;
    if (output)
        *output = NULL;
    if (pipe(ends) != 0)
        return fail(TMB_FAILED, "%s: cannot start: %s", argv[0], strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t child;
    int reason = spawn(argv, ends[1], &child);
    close(ends[1]);
    if (reason) {
        close(ends[0]);
        return fail(TMB_FAILED, "%s: cannot start: %s", argv[0], strerror(reason));
    }
    Text text = {0};
    text_append(&text, "", 0);
    *exit_code = follow(child, ends[0], seconds, silence, &text);
    close(ends[0]);
    if (output)
        *output = text.data;
    else
        text_finish(&text);
    return TMB_OK;
}

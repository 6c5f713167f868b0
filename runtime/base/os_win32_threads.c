/* Threads and locks on Windows. */
#include "base/os.h"

#include <windows.h>

#include <stdlib.h>

#include "base/mem.h"

struct OsMutex {
    CRITICAL_SECTION handle;
};

OsMutex *os_mutex_create(void)
{
    OsMutex *mutex = MEM_NEW(OsMutex);
    InitializeCriticalSection(&mutex->handle);
    return mutex;
}

void os_mutex_destroy(OsMutex **mutex)
{
    if (*mutex)
        DeleteCriticalSection(&(*mutex)->handle);
    free(*mutex);
    *mutex = NULL;
}

void os_mutex_lock(OsMutex *mutex)
{
    EnterCriticalSection(&mutex->handle);
}

void os_mutex_unlock(OsMutex *mutex)
{
    LeaveCriticalSection(&mutex->handle);
}

typedef struct Thread {
    HANDLE handle;               /* NULL: none could be had */
    void (*work)(void *context, unsigned index);
    void *context;
    unsigned index;
} Thread;

static DWORD WINAPI run(void *argument)
{
    const Thread *thread = argument;
    thread->work(thread->context, thread->index);
    return 0;
}

void os_together(unsigned count, void (*work)(void *context, unsigned index), void *context)
{
    Thread *threads = MEM_NEW_ARRAY(Thread, count);
    for (unsigned i = 1; i < count; i++) {
        threads[i] = (Thread){.work = work, .context = context, .index = i};
        threads[i].handle = CreateThread(NULL, 0, run, &threads[i], 0, NULL);
    }
    if (count)
        work(context, 0);
    for (unsigned i = 1; i < count; i++)
        if (threads[i].handle) {
            WaitForSingleObject(threads[i].handle, INFINITE);
            CloseHandle(threads[i].handle);
        } else {
            run(&threads[i]);
        }
    free(threads);
}

/* Threads and locks on POSIX systems. */
#include "base/os.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct OsMutex {
    pthread_mutex_t handle;
};

OsMutex *os_mutex_create(void)
{
    OsMutex *mutex = MEM_NEW(OsMutex);
    pthread_mutex_init(&mutex->handle, NULL);
    return mutex;
}

void os_mutex_destroy(OsMutex **mutex)
{
    if (*mutex)
        pthread_mutex_destroy(&(*mutex)->handle);
    free(*mutex);
    *mutex = NULL;
}

void os_mutex_lock(OsMutex *mutex)
{
    pthread_mutex_lock(&mutex->handle);
}

void os_mutex_unlock(OsMutex *mutex)
{
    pthread_mutex_unlock(&mutex->handle);
}

typedef struct Thread {
    pthread_t handle;
    bool started;
    void (*work)(void *context, unsigned index);
    void *context;
    unsigned index;
} Thread;

static void *run(void *argument)
{
    const Thread *thread = argument;
    thread->work(thread->context, thread->index);
    return NULL;
}

void os_together(unsigned count, void (*work)(void *context, unsigned index), void *context)
{
    Thread *threads = MEM_NEW_ARRAY(Thread, count);
    for (unsigned i = 1; i < count; i++) {
        threads[i] = (Thread){.work = work, .context = context, .index = i};
        threads[i].started = pthread_create(&threads[i].handle, NULL, run, &threads[i]) == 0;
    }
    if (count)
        work(context, 0);
    for (unsigned i = 1; i < count; i++)
        if (threads[i].started)
            pthread_join(threads[i].handle, NULL);
        else
            run(&threads[i]);
    free(threads);
}

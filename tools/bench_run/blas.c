#include "blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

enum { RUNS = 25, ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };   /* of cblas.h */

typedef void (*Sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);
typedef char *(*Config)(void);

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static float *numbers(size_t count)
{
    float *values = MEM_NEW_ARRAY(float, count);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((double)(i * 2654435761u % 2048) / 1024 - 1);
    return values;
}

static double median(Sgemm sgemm, int m, int n, int k)
{
    float *a = numbers((size_t)m * (size_t)k), *b = numbers((size_t)n * (size_t)k);
    float *c = numbers((size_t)m * (size_t)n);
    double seconds[RUNS];
    for (int run = -2; run < RUNS; run++) {   /* two to warm up */
        double begin = os_seconds();
        sgemm(ROW_MAJOR, PLAIN, TRANSPOSED, m, n, k, 1, a, k, b, k, 0, c, n);
        if (run >= 0)
            seconds[run] = os_seconds() - begin;
    }
    qsort(seconds, RUNS, sizeof *seconds, ascending);
    free(a);
    free(b);
    free(c);
    return seconds[RUNS / 2];
}

double blas_seconds(unsigned m, unsigned n, unsigned k, char *name, size_t capacity)
{
    static const char *const files[] = {"libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"};
    void *library = NULL;
    Sgemm sgemm = NULL;
    Config config = NULL;
    snprintf(name, capacity, "OpenBLAS");
    for (size_t i = 0; i < COUNT_OF(files) && !library; i++)
        library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 0;
    /* POSIX's own way around C, which knows no cast from data to functions */
    *(void **)&sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&config = dlsym(library, "openblas_get_config");
    if (config)
        snprintf(name, capacity, "%.60s", config());
    name[strcspn(name, "\r\n")] = '\0';
    double seconds = sgemm ? median(sgemm, (int)m, (int)n, (int)k) : 0;
    /* stays loaded: its threads would run into code that is gone */
    return seconds;
}

#pragma once
#include <oneapi/dnnl/dnnl.h>

// OpenMP is oneDNN's thread pool. Our own loops run on the same threads: a second pool would fight
// with them for the cores. Declared here because Swift's clang has no omp.h.
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);
int omp_get_thread_num(void);
int omp_get_num_threads(void);

// What gcc compiles `#pragma omp parallel` to (libgomp ABI).
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);

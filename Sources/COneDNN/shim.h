#pragma once
#include <oneapi/dnnl/dnnl.h>

// OpenMP is oneDNN's thread pool; its two calls are declared here because Swift's clang has no omp.h.
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

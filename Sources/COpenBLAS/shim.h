#pragma once
#include <stdint.h>

// Debian's libopenblas carries LAPACK under its Fortran names only; declaring the few routines we
// call avoids a second library. All matrices are column-major, as Fortran has them.
void spotrf_(const char *uplo, const int32_t *n, float *a, const int32_t *lda, int32_t *info);
void dpotrf_(const char *uplo, const int32_t *n, double *a, const int32_t *lda, int32_t *info);
void strtri_(const char *uplo, const char *diag, const int32_t *n, float *a, const int32_t *lda,
             int32_t *info);
void dtrtri_(const char *uplo, const char *diag, const int32_t *n, double *a, const int32_t *lda,
             int32_t *info);

void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);
char *openblas_get_config(void);

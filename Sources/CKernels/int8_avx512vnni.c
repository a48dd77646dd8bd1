#define LEVEL avx512vnni
#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")))
#define DOT(sum, codes, inputs) _mm256_dpbusd_epi32(sum, codes, inputs)
#include "int8_kernel.h"

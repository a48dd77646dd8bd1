#define LEVEL avxvnni
#define TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define DOT(sum, codes, inputs) _mm256_dpbusd_avx_epi32(sum, codes, inputs)
#include "int8_kernel.h"

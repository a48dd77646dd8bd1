#define LEVEL avx2
#define TARGET __attribute__((target("avx2,fma,f16c")))
#include "int8_kernel.h"

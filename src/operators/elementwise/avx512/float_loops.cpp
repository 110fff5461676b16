#define HEARTH_FLOAT_LOOPS kFloatLoopsAvx512
#include "operators/elementwise/float_functions.h"

#define HEARTH_FLOAT_LOOPS kFloatLoopsAvx2
#include "operators/elementwise/float_functions.h"

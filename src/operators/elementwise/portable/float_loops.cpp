#define HEARTH_FLOAT_LOOPS kFloatLoopsPortable
#include "operators/elementwise/float_functions.h"

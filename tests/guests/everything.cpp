// Imports every function of the contract, used or not, as a JavaScript guest does.
#include <hearth/inferlet.hpp>

namespace {

using Function = void (*)();
// volatile: the linker keeps what is read here
const volatile Function kAll[] = {
#define FUNCTION(name) reinterpret_cast<Function>(name),
#include "../../sdk/cpp/generated/functions.inc"
#undef FUNCTION
};

}  // namespace

hearth::Result<std::string> run(hearth::Arguments&) {
  size_t count = 0;
  for (const volatile Function& function : kAll) count += function != nullptr;
  return std::to_string(count);
}

HEARTH_INFERLET(run)

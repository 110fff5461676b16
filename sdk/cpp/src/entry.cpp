#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "hearth/inferlet.hpp"

// The bindings ask for an object file with the types of the world; here `pie build` adds them, with the name of the
// guest.
extern "C" void __component_type_object_force_link_hearth_guest() {}

namespace hearth::entry {

struct Outcome {
  uint8_t is_error;
  uint8_t* text;  // owned
  size_t size;
};

namespace {

Outcome* outcome(const Result<std::string>& result, bool is_error) {
  std::fflush(nullptr);  // what printf still holds belongs before the result
  const std::string& text = result ? *result : result.error();
  auto* bytes = static_cast<uint8_t*>(std::malloc(text.size() + 1));
  std::memcpy(bytes, text.data(), text.size());
  return new Outcome{is_error, bytes, text.size()};
}

}  // namespace

Outcome* run(uint8_t* input, size_t size, Result<std::string> (*function)(Arguments&)) {
  hearth_guest_string_t raw{input, size};
  auto arguments = Arguments::parse(binding::take(raw));
  if (!arguments) return outcome(fail(arguments.error()), true);
  const auto result = function(*arguments);
  return outcome(result, !result && !arguments->help_wanted());  // the help text was asked for: it is the result
}

Outcome* run(uint8_t* input, size_t size, Result<std::string> (*function)(std::string_view)) {
  hearth_guest_string_t raw{input, size};
  const std::string text = binding::take(raw);
  const auto result = function(text);
  return outcome(result, !result);
}

void release(Outcome* outcome) {
  std::free(outcome->text);
  delete outcome;
}

}  // namespace hearth::entry

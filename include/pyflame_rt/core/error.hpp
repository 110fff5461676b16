// The one exception of this interface. C++17.
#pragma once

#include <stdexcept>
#include <string>

namespace pyflame_rt {

enum class ErrorCode {
  InvalidArgument,  // a name, type, shape or value that does not fit; a model that breaks its format
  NotFound,         // no such file or input
  Unsupported,      // well formed, but nothing here serves it: an operator, a device, a provider
  Limit,            // memory_limit_mb, a deadline or another named limit
  Io,               // the operating system said no
  Cancelled,        // the run was cancelled by its caller
  Internal,         // our own fault; please report it
};

// what() reads `[where] what; got X, need Y`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace pyflame_rt

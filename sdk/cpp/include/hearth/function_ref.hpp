// A callable that is only used during the call it is given to: no copy, no allocation.
#pragma once

#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hearth {

template <class Signature>
class FunctionRef;

template <class R, class... Arguments>
class FunctionRef<R(Arguments...)> {
 public:
  FunctionRef() = default;  // calls nothing; for void results only
  template <class F>
    requires(std::is_invocable_r_v<R, F&, Arguments...> && !std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& f)  // NOLINT: implicit, so that a lambda or a function can be given
      : object_((void*)std::addressof(f)), call_([](void* object, Arguments... arguments) -> R {
          return (*reinterpret_cast<std::add_pointer_t<F>>(object))(std::forward<Arguments>(arguments)...);
        }) {}

  R operator()(Arguments... arguments) const {
    if constexpr (std::is_void_v<R>) {
      if (call_) call_(object_, std::forward<Arguments>(arguments)...);
    } else {
      return call_(object_, std::forward<Arguments>(arguments)...);
    }
  }

 private:
  void* object_ = nullptr;
  R (*call_)(void*, Arguments...) = nullptr;
};

// Receives text as it comes, in whole characters; never empty.
using TextSink = FunctionRef<void(std::string_view)>;

}  // namespace hearth

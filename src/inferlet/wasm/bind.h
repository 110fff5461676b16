// Host functions as plain C++ functions: `R f(Guest&, A…)` with the types of value.h. The signature that components are
// checked against comes from the C++ types, so it cannot differ from the bytes.
//
// A function whose WIT type has no error returns Trapping<R> where the guest can misuse it; a Trap ends the guest with
// its text. A function that must wait on the host's side returns Later<R>; the guest's fiber waits, no thread does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "inferlet/wasm/value.h"

namespace hearth::inferlet {

struct Trap {
  std::string text;
};
template <class T>
using Trapping = std::expected<T, Trap>;

inline std::unexpected<Trap> trap(Error error) {
  return std::unexpected(Trap{std::move(error.message)});
}

template <class T>
struct Later {
  Event ready;
  std::function<T()> finish;  // called on the guest's fiber when `ready` is set
};

// A guest keeps a buffer of at most this much between calls; whole vocabularies are asked for once.
inline constexpr size_t kKeptAnswer = 256 << 10;

// What every guest needs for its calls; the host's Guest derives from it.
struct BoundGuest {
  Resources resources;
  std::string answer;                         // bytes of the last result
  std::function<void(std::string&)> pending;  // rest of a call that waits
};

// Collects the declarations of one linker. Errors are bugs of ours: they stop the process with the text.
class Binder {
 public:
  explicit Binder(hearth_wasm_engine* engine) : engine_(engine) {}
  // Interfaces whose names begin so are declared under this version as well; before the first of them.
  void also_as(const char* prefix, const char* version) { prefix_ = prefix, version_ = version; }
  void resource(const char* interface, const char* name, uint32_t type);
  void function(const char* interface, const std::string& name, const std::string& signature, hearth_wasm_call call,
                void* function, bool is_async);

 private:
  template <class Declare>
  void under_each_name(const char* interface, const std::string& what, Declare declare);
  hearth_wasm_engine* engine_;
  std::string prefix_, version_;
};

namespace bind_detail {

template <class A>
struct Parameter {  // values
  using Stored = std::remove_cvref_t<A>;
  static std::string text() { return Value<Stored>::text(); }
  static Stored read(WireReader& in, Resources&) { return Value<Stored>::read(in); }
};
template <class A>
  requires std::is_base_of_v<Resource, std::remove_cvref_t<A>>
struct Parameter<A> {  // R&: a borrowed handle
  using R = std::remove_cvref_t<A>;
  using Stored = R&;
  static std::string text() { return std::string("borrow<") + R::kName + ">"; }
  static R& read(WireReader& in, Resources& resources) { return resources.get<R>(in.number<uint32_t>()); }
};

template <class R>
struct Returned {
  static constexpr bool kAsync = false;
  static std::string text() { return std::is_void_v<R> ? "" : " -> " + type_text<R>(); }
  template <class F>
  static uint32_t run(BoundGuest& guest, F&& call) {
    WireWriter out(guest.answer);
    if constexpr (std::is_void_v<R>) {
      call();
    } else {
      Value<R>::write(out, call());
    }
    return HEARTH_WASM_DONE;
  }
};
template <class T>
struct Returned<std::expected<T, Trap>> {
  static constexpr bool kAsync = false;
  static std::string text() { return Returned<T>::text(); }
  template <class F>
  static uint32_t run(BoundGuest& guest, F&& call) {
    Trapping<T> result = call();
    if (!result) {
      guest.answer = std::move(result).error().text;
      return HEARTH_WASM_TRAPPED;
    }
    if constexpr (!std::is_void_v<T>) {
      WireWriter out(guest.answer);
      Value<T>::write(out, *result);
    }
    return HEARTH_WASM_DONE;
  }
};
template <class T>
struct Returned<Later<T>> {
  static constexpr bool kAsync = true;
  static std::string text() { return Returned<T>::text(); }
  template <class F>
  static uint32_t run(BoundGuest& guest, F&& call) {
    Later<T> later = call();
    guest.pending = [finish = std::move(later.finish)](std::string& answer) {
      WireWriter out(answer);
      Value<T>::write(out, finish());
    };
    WireWriter out(guest.answer);
    Value<Event>::write(out, later.ready);
    return HEARTH_WASM_WAIT;
  }
};

// wasmtime calls this on the guest's fiber. Nothing may unwind past it.
template <class G, class R, class... A>
uint32_t call(void* function, void* guest_pointer, const uint8_t* arguments, size_t size,
              hearth_wasm_bytes* result) noexcept {
  auto* guest = static_cast<G*>(static_cast<BoundGuest*>(guest_pointer));
  if (guest->answer.capacity() > kKeptAnswer) guest->answer = std::string();
  guest->answer.clear();
  uint32_t status = HEARTH_WASM_TRAPPED;
  try {
    if (arguments == nullptr && guest->pending) {
      auto pending = std::exchange(guest->pending, nullptr);
      pending(guest->answer);
      status = HEARTH_WASM_DONE;
    } else {
      WireReader in({reinterpret_cast<const char*>(arguments), size});
      std::tuple<typename Parameter<A>::Stored...> values{Parameter<A>::read(in, guest->resources)...};
      status = Returned<R>::run(*guest, [&]() -> R {
        return std::apply(
            [&](auto&&... value) {
              return reinterpret_cast<R (*)(G&, A...)>(function)(*guest, static_cast<A&&>(value)...);
            },
            values);
      });
    }
  } catch (const std::exception& e) {
    guest->answer = std::string("[host] ") + e.what();
    status = HEARTH_WASM_TRAPPED;
  }
  *result = {reinterpret_cast<const uint8_t*>(guest->answer.data()), guest->answer.size()};
  return status;
}

}  // namespace bind_detail

// The functions of one WIT interface.
template <class G>
class Interface {
 public:
  Interface(Binder& binder, const char* name) : binder_(binder), name_(name) {}

  template <class R>
  Interface& resource() {
    binder_.resource(name_, R::kName, static_cast<uint32_t>(R::kType));
    return *this;
  }
  template <class R, class... A>
  Interface& function(const std::string& name, R (*f)(G&, A...)) {
    std::string parameters;
    ((parameters += (parameters.empty() ? "" : ", ") + bind_detail::Parameter<A>::text()), ...);
    binder_.function(name_, name, "func(" + parameters + ")" + bind_detail::Returned<R>::text(),
                     &bind_detail::call<G, R, A...>, reinterpret_cast<void*>(f), bind_detail::Returned<R>::kAsync);
    return *this;
  }
  template <class Self, class R, class... A>
  Interface& method(const std::string& name, R (*f)(G&, Self&, A...)) {
    return function(std::string("[method]") + Self::kName + "." + name, f);
  }
  template <class Self, class R, class... A>
  Interface& static_method(const std::string& name, R (*f)(G&, A...)) {
    return function(std::string("[static]") + Self::kName + "." + name, f);
  }
  template <class Self, class... A>
  Interface& constructor(Trapping<Own<Self>> (*f)(G&, A...)) {
    return function(std::string("[constructor]") + Self::kName, f);
  }

 private:
  Binder& binder_;
  const char* name_;
};

}  // namespace hearth::inferlet

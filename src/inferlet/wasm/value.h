// C++ types as WIT types: their names in signatures and their bytes on the wire (rust/include/hearth_wasm.h).
//
//   bool, uint32_t, int32_t, uint64_t, float, double   themselves        std::string(_view)        string
//   std::vector<T>       list<T>                                         Blob                      list<u8>
//   std::optional<T>     option<T>                                       std::tuple<…>             tuple<…>
//   Result<T>            result<T, string>                               std::expected<T, E>       result<T, E>
//   Variant<Case<…>…>    variant{…}                                      Record<Field<…>…>         record{…}
//   Own<R>               own<r>            Event  own<pollable>          R& (parameters)           borrow<r>
#pragma once

#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inferlet/wasm/event.h"
#include "inferlet/wasm/resources.h"

namespace hearth::inferlet {

struct Blob {
  std::string bytes;
};

template <size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&from)[N]) {  // NOLINT: a literal is what it is made from
    for (size_t i = 0; i < N; ++i) text[i] = from[i];
  }
};

template <Name kName, class T = void>
struct Case {
  using Payload = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  static constexpr std::string_view kText{kName.text};
};
// `value.index()` is the case.
template <class... Cases>
struct Variant {
  std::variant<typename Cases::Payload...> value;

  template <size_t kCase, class... A>
  static Variant make(A&&... payload) {
    return Variant{std::variant<typename Cases::Payload...>(std::in_place_index<kCase>, std::forward<A>(payload)...)};
  }
};

template <Name kName, class T>
struct Field {
  using Type = T;
  static constexpr std::string_view kText{kName.text};
};
template <class... Fields>
struct Record {
  std::tuple<typename Fields::Type...> value;
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}
  std::string_view take(size_t size) {
    CHECK(size <= bytes_.size());  // the Rust side writes what it reads from wasmtime's types
    std::string_view head = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return head;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  std::string_view bytes_;
};

class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}
  template <class T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void bytes(std::string_view text) { out_.append(text); }

 private:
  std::string& out_;
};

template <class T>
struct Value;

template <class T>
std::string type_text() {
  if constexpr (std::is_void_v<T>) {
    return "_";
  } else {
    return Value<T>::text();
  }
}

template <class T, Name kName>
struct NumberValue {
  static std::string text() { return kName.text; }
  static T read(WireReader& in) { return in.number<T>(); }
  static void write(WireWriter& out, T value) { out.number(value); }
};
template <>
struct Value<uint8_t> : NumberValue<uint8_t, "u8"> {};
template <>
struct Value<uint32_t> : NumberValue<uint32_t, "u32"> {};
template <>
struct Value<int32_t> : NumberValue<int32_t, "s32"> {};
template <>
struct Value<uint64_t> : NumberValue<uint64_t, "u64"> {};
template <>
struct Value<float> : NumberValue<float, "f32"> {};
template <>
struct Value<double> : NumberValue<double, "f64"> {};
template <>
struct Value<bool> {
  static std::string text() { return "bool"; }
  static bool read(WireReader& in) { return in.number<uint8_t>() != 0; }
  static void write(WireWriter& out, bool value) { out.number<uint8_t>(value); }
};

template <>
struct Value<std::string_view> {  // as a parameter it holds for the call
  static std::string text() { return "string"; }
  static std::string_view read(WireReader& in) { return in.take(in.number<uint32_t>()); }
  static void write(WireWriter& out, std::string_view value) {
    out.number(static_cast<uint32_t>(value.size()));
    out.bytes(value);
  }
};
template <>
struct Value<std::string> {
  static std::string text() { return "string"; }
  static std::string read(WireReader& in) { return std::string(Value<std::string_view>::read(in)); }
  static void write(WireWriter& out, const std::string& value) { Value<std::string_view>::write(out, value); }
};
template <>
struct Value<Error> {  // as the error of a result
  static std::string text() { return "string"; }
  static void write(WireWriter& out, const Error& value) { Value<std::string_view>::write(out, value.message); }
};
template <>
struct Value<Blob> {
  static std::string text() { return "list<u8>"; }
  static Blob read(WireReader& in) { return {Value<std::string>::read(in)}; }
  static void write(WireWriter& out, const Blob& value) { Value<std::string_view>::write(out, value.bytes); }
};

template <class T>
struct Value<std::vector<T>> {
  static constexpr bool kPlain = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;
  static std::string text() { return "list<" + Value<T>::text() + ">"; }
  static std::vector<T> read(WireReader& in) {
    size_t count = in.number<uint32_t>();
    std::vector<T> values;
    if constexpr (kPlain) {
      std::string_view bytes = in.take(count * sizeof(T));
      values.resize(count);
      if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    } else {
      for (size_t i = 0; i < count; ++i) values.push_back(Value<T>::read(in));
    }
    return values;
  }
  static void write(WireWriter& out, const std::vector<T>& values) {
    out.number(static_cast<uint32_t>(values.size()));
    if constexpr (kPlain) {
      out.bytes({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
    } else {
      for (const T& value : values) Value<T>::write(out, value);
    }
  }
};

template <class T>
struct Value<std::optional<T>> {
  static std::string text() { return "option<" + Value<T>::text() + ">"; }
  static std::optional<T> read(WireReader& in) {
    if (!Value<bool>::read(in)) return std::nullopt;
    return Value<T>::read(in);
  }
  static void write(WireWriter& out, const std::optional<T>& value) {
    Value<bool>::write(out, value.has_value());
    if (value) Value<T>::write(out, *value);
  }
};

template <class T, class E>
struct Value<std::expected<T, E>> {
  static std::string text() { return "result<" + type_text<T>() + ", " + Value<E>::text() + ">"; }
  static void write(WireWriter& out, const std::expected<T, E>& value) {
    out.number<uint8_t>(value ? 0 : 1);
    if (!value) {
      Value<E>::write(out, value.error());
    } else if constexpr (!std::is_void_v<T>) {
      Value<T>::write(out, *value);
    }
  }
};

template <class... T>
struct Value<std::tuple<T...>> {
  static std::string text() {
    std::string all;
    ((all += (all.empty() ? "" : ", ") + Value<T>::text()), ...);
    return "tuple<" + all + ">";
  }
  static std::tuple<T...> read(WireReader& in) { return std::tuple<T...>{Value<T>::read(in)...}; }
  static void write(WireWriter& out, const std::tuple<T...>& value) {
    std::apply([&](const T&... each) { (Value<T>::write(out, each), ...); }, value);
  }
};

template <class... Fields>
struct Value<Record<Fields...>> {
  using Tuple = Value<std::tuple<typename Fields::Type...>>;
  static std::string text() {
    std::string all;
    ((all += (all.empty() ? "" : ", ") + std::string(Fields::kText) + ": " + Value<typename Fields::Type>::text()),
     ...);
    return "record{" + all + "}";
  }
  static Record<Fields...> read(WireReader& in) { return {Tuple::read(in)}; }
  static void write(WireWriter& out, const Record<Fields...>& value) { Tuple::write(out, value.value); }
};

template <class... Cases>
struct Value<Variant<Cases...>> {
  template <class C>
  static std::string case_text() {
    std::string name(C::kText);
    if constexpr (std::is_same_v<typename C::Payload, std::monostate>) {
      return name;
    } else {
      return name + "(" + Value<typename C::Payload>::text() + ")";
    }
  }
  static std::string text() {
    std::string all;
    ((all += (all.empty() ? "" : ", ") + case_text<Cases>()), ...);
    return "variant{" + all + "}";
  }
  static Variant<Cases...> read(WireReader& in) { return read_case<0>(in.number<uint32_t>(), in); }
  static void write(WireWriter& out, const Variant<Cases...>& value) {
    out.number(static_cast<uint32_t>(value.value.index()));
    std::visit(
        [&](const auto& payload) {
          using T = std::remove_cvref_t<decltype(payload)>;
          if constexpr (!std::is_same_v<T, std::monostate>) Value<T>::write(out, payload);
        },
        value.value);
  }

 private:
  template <size_t kIndex>
  static Variant<Cases...> read_case(uint32_t index, WireReader& in) {
    if constexpr (kIndex < sizeof...(Cases)) {
      if (index != kIndex) return read_case<kIndex + 1>(index, in);
      using Payload = std::variant_alternative_t<kIndex, decltype(Variant<Cases...>::value)>;
      if constexpr (std::is_same_v<Payload, std::monostate>) {
        return Variant<Cases...>::template make<kIndex>();
      } else {
        return Variant<Cases...>::template make<kIndex>(Value<Payload>::read(in));
      }
    }
    CHECK(false && "a variant case beyond its type");
  }
};

template <class R>
struct Value<Own<R>> {
  static std::string text() { return std::string("own<") + R::kName + ">"; }
  static void write(WireWriter& out, Own<R> value) {
    out.number(static_cast<uint32_t>(R::kType));
    out.number(value.rep);
  }
};
template <>
struct Value<Event> {
  static std::string text() { return "own<pollable>"; }
  static void write(WireWriter& out, const Event& value) {
    out.number(static_cast<uint64_t>(reinterpret_cast<uintptr_t>(value.new_reference())));
  }
};

}  // namespace hearth::inferlet

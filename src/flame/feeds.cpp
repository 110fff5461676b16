#include "flame/feeds.h"

#include <charconv>
#include <cmath>
#include <map>
#include <random>

#include "base/file.h"
#include "flame/npy.h"
#include "import/onnx/read_onnx.h"
#include "tensor/element.h"

namespace hearth::flame {

namespace {

using Port = runtime::Session::Port;

Result<std::pair<std::string, std::string>> split(const std::string& word, std::string_view option) {
  const size_t at = word.rfind('=');
  if (at == std::string::npos || at == 0) return fail(ErrorKind::Usage, "[{}] got '{}', need NAME=VALUE", option, word);
  return std::pair(word.substr(0, at), word.substr(at + 1));
}

Result<> check_name(const runtime::Session& session, const std::string& name, std::string_view option) {
  std::string names;
  for (const auto* ports : {&session.inputs(), &session.overridable()})
    for (const Port& port : *ports) {
      if (port.name == name) return {};
      if (ports == &session.inputs()) names += (names.empty() ? "" : ", ") + port.name;
    }
  return fail(ErrorKind::Usage, "[{}] no input is called '{}'; the inputs are: {}", option, name, names);
}

Result<Dims> sizes_of(const std::string& text) {
  Dims dims;
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    int64_t size = 0;
    const auto [next, code] = std::from_chars(at, end, size);
    if (code != std::errc() || size < 0 || !Dims::fits(dims.size() + 1))
      return fail(ErrorKind::Usage, "[--shape] got '{}', need sizes such as 1,3,224,224", text);
    dims.push_back(size);
    at = next < end && (*next == ',' || *next == 'x') ? next + 1 : next;
    if (at == next && next < end)
      return fail(ErrorKind::Usage, "[--shape] got '{}', need sizes such as 1,3,224,224", text);
  }
  return dims;
}

Result<Value> read_value(const std::string& path) {
  if (path.ends_with(".npy")) {
    ASSIGN_OR_RETURN(Tensor tensor, read_npy(path));
    return Value(std::move(tensor));
  }
  if (path.ends_with(".pb")) {
    ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
    return import::read_onnx_tensor(std::as_bytes(std::span(bytes)));
  }
  return fail(ErrorKind::Usage, "[--input] got '{}', need a .npy or .pb file, `random` or `zeros`", path);
}

void fill_random(Tensor& tensor, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  const int64_t n = tensor.size();
  const bool served = with_type(TypeList<float, double, Half, BFloat16>{}, tensor.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < n; ++i) tensor.mutable_data<T>()[i] = T(static_cast<float>(normal(random)));
  });
  if (served) return;
  const int64_t width = info(tensor.dtype()).block_bytes;  // integers and bools: 0 or 1 in the lowest byte
  for (int64_t i = 0; i < n; ++i)
    static_cast<uint8_t*>(tensor.mutable_raw())[i * width] = static_cast<uint8_t>(random() & 1);
}

Result<Value> generate(const Port& port, const Dims* sizes, const FeedWords& words, bool zeros,
                       std::mt19937_64& random) {
  if (port.type.kind == graph::TypeKind::Optional) return Value();
  if (port.type.kind != graph::TypeKind::Tensor || !port.type.dtype)
    return fail(ErrorKind::Usage, "[input '{}'] is {}: give it by --input {}=FILE.pb", port.name,
                graph::to_string(port.type), port.name);
  Dims dims;
  if (sizes != nullptr) {
    dims = *sizes;
  } else {
    if (!port.type.shape)
      return fail(ErrorKind::Usage, "[input '{}'] has no shape in the model: give it by --shape {}=…", port.name,
                  port.name);
    for (const auto& dimension : *port.type.shape) {
      if (!Dims::fits(dims.size() + 1))
        return fail(ErrorKind::Limit, "[input '{}'] rank; need at most {}", port.name, HEARTH_MAX_RANK);
      dims.push_back(dimension.known() ? dimension.size : words.open_size);
    }
  }
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(*port.type.dtype, dims));
  if (*port.type.dtype == DType::String) return Value(std::move(tensor));
  std::memset(tensor.mutable_raw(), 0, tensor.bytes());
  if (!zeros) fill_random(tensor, random);
  return Value(std::move(tensor));
}

}  // namespace

Result<std::vector<runtime::Feed>> make_feeds(const runtime::Session& session, const FeedWords& words) {
  std::map<std::string, std::string> given;
  std::map<std::string, Dims> sizes;
  for (const std::string& word : words.inputs) {
    ASSIGN_OR_RETURN(auto pair, split(word, "--input"));
    TRY(check_name(session, pair.first, "--input"));
    given.insert(std::move(pair));
  }
  for (const std::string& word : words.shapes) {
    ASSIGN_OR_RETURN(const auto pair, split(word, "--shape"));
    TRY(check_name(session, pair.first, "--shape"));
    ASSIGN_OR_RETURN(sizes[pair.first], sizes_of(pair.second));
  }
  std::mt19937_64 random(words.seed);
  std::vector<runtime::Feed> feeds;
  for (const auto* ports : {&session.inputs(), &session.overridable()})
    for (const Port& port : *ports) {
      const auto at = given.find(port.name);
      if (at == given.end() && ports == &session.overridable()) continue;
      const bool generated = at == given.end() || at->second == "random" || at->second == "zeros";
      const auto size = sizes.find(port.name);
      auto value = generated ? generate(port, size != sizes.end() ? &size->second : nullptr, words,
                                        at != given.end() && at->second == "zeros", random)
                             : read_value(at->second);
      if (!value) return std::unexpected(std::move(value).error());
      if (!value->empty()) feeds.push_back({port.name, std::move(*value)});
    }
  return feeds;
}

}  // namespace hearth::flame

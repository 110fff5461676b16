// ONNX protobufs put together by hand: what the reader is held against knows nothing of the reader.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::import::testing {

using Writer = protozero::pbf_writer;

template <class Fill>
std::string message(Fill&& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Numbers of TensorProto.DataType.
enum Element : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8e4m3fn = 17,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4e2m1 = 23,
  kFloat8e8m0 = 24,
  kUint2 = 25,
  kInt2 = 26,
};

template <class Fill>
std::string tensor(std::string_view name, int32_t type, std::initializer_list<int64_t> dims, Fill&& fill) {
  return message([&](Writer& w) {
    w.add_packed_int64(1, dims.begin(), dims.end());
    w.add_int32(2, type);
    fill(w);
    w.add_string(8, name.data(), name.size());
  });
}

template <class T>
std::string raw_tensor(std::string_view name, int32_t type, std::initializer_list<int64_t> dims,
                       std::initializer_list<T> values) {
  return tensor(name, type, dims, [&](Writer& w) {
    w.add_bytes(9, reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T));
  });
}

inline std::string floats(std::string_view name, std::initializer_list<int64_t> dims,
                          std::initializer_list<float> values) {
  return raw_tensor<float>(name, kFloat, dims, values);
}

inline std::string entry(std::string_view key, std::string_view value) {
  return message([&](Writer& w) {
    w.add_string(1, key.data(), key.size());
    w.add_string(2, value.data(), value.size());
  });
}

// A size is a number, or a symbol when it is not one; "" is an unknown size.
inline std::string tensor_type(int32_t element, const std::vector<std::string>& sizes) {
  return message([&](Writer& type) {
    type.add_message(1, message([&](Writer& tensor) {
                       tensor.add_int32(1, element);
                       tensor.add_message(2, message([&](Writer& shape) {
                                            for (const std::string& size : sizes)
                                              shape.add_message(
                                                  1, message([&](Writer& dim) {
                                                    if (size.empty()) return;
                                                    if (size.find_first_not_of("-0123456789") == std::string::npos)
                                                      dim.add_int64(1, std::stoll(size));
                                                    else
                                                      dim.add_string(2, size);
                                                  }));
                                          }));
                     }));
  });
}

inline std::string value_info(std::string_view name, std::string_view type = {}) {
  return message([&](Writer& w) {
    w.add_string(1, name.data(), name.size());
    if (!type.empty()) w.add_message(2, type.data(), type.size());
  });
}

struct NodeParts {
  std::string op_type;
  std::vector<std::string> inputs, outputs;
  std::string name, domain, overload;
  std::vector<std::string> attributes;  // AttributeProtos
};
inline std::string node(const NodeParts& parts) {
  return message([&](Writer& w) {
    for (const auto& input : parts.inputs) w.add_string(1, input);
    for (const auto& output : parts.outputs) w.add_string(2, output);
    if (!parts.name.empty()) w.add_string(3, parts.name);
    w.add_string(4, parts.op_type);
    for (const auto& attribute : parts.attributes) w.add_message(5, attribute);
    if (!parts.domain.empty()) w.add_string(7, parts.domain);
    if (!parts.overload.empty()) w.add_string(8, parts.overload);
  });
}

// AttributeProto with a type and whatever else is filled in.
template <class Fill>
std::string attribute(std::string_view name, int32_t type, Fill&& fill) {
  return message([&](Writer& w) {
    w.add_string(1, name.data(), name.size());
    fill(w);
    if (type != 0) w.add_int32(20, type);
  });
}
inline std::string graph_attribute(std::string_view name, const std::string& graph) {
  return attribute(name, 5, [&](Writer& w) { w.add_message(6, graph); });
}

struct GraphParts {
  std::vector<std::string> nodes;
  std::vector<std::string> inputs, outputs;  // ValueInfoProtos
  std::vector<std::string> initializers, sparse_initializers, value_infos;
  std::string name = "g";
};
inline std::string graph(const GraphParts& parts) {
  return message([&](Writer& w) {
    for (const auto& node : parts.nodes) w.add_message(1, node);
    w.add_string(2, parts.name);
    for (const auto& initializer : parts.initializers) w.add_message(5, initializer);
    for (const auto& input : parts.inputs) w.add_message(11, input);
    for (const auto& output : parts.outputs) w.add_message(12, output);
    for (const auto& info : parts.value_infos) w.add_message(13, info);
    for (const auto& initializer : parts.sparse_initializers) w.add_message(15, initializer);
  });
}

inline std::string opset(std::string_view domain, int64_t version) {
  return message([&](Writer& w) {
    if (!domain.empty()) w.add_string(1, domain.data(), domain.size());
    w.add_int64(2, version);
  });
}

inline std::string model(const std::string& graph, const std::vector<std::string>& functions = {},
                         int64_t ir_version = 10) {
  return message([&](Writer& w) {
    w.add_int64(1, ir_version);
    w.add_string(2, std::string("by hand"));
    w.add_message(7, graph);
    w.add_message(8, opset("", 21));
    for (const auto& function : functions) w.add_message(25, function);
  });
}

}  // namespace hearth::import::testing

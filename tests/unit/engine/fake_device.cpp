#include "fake_device.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace hearth::engine {
namespace {

using ops::Op;

struct FakeDevice final : ops::Device {
  std::string_view name() const override { return "fake"; }
  std::string_view isa() const override { return "scalar"; }
  int threads() const override { return 1; }
  std::string_view packing_id() const override { return "none"; }
  DType kv_dtype() const override { return DType::F32; }
  Result<ops::Buffer> allocate(size_t bytes, ops::Use) override {
    return ops::Buffer(std::calloc(1, bytes), bytes, [](void* data, size_t) { std::free(data); });
  }
  Result<> upload(void* device, const void* host, size_t bytes) override {
    std::memcpy(device, host, bytes);
    return {};
  }
  Result<> download(void* host, const void* device, size_t bytes) override {
    std::memcpy(host, device, bytes);
    return {};
  }
  bool host_visible() const override { return true; }
  ops::PackedForm packed_form(DType, int64_t, int64_t) const override { return {}; }
  Result<> pack(std::span<const TensorView>, void*) const override {
    return fail(ErrorKind::Unsupported, "[fake] pack");
  }
  Result<> synchronize() override { return {}; }
  std::vector<std::string> explain(Op, const HearthOpCall&) const override { return {}; }
  std::string_view last_kernel() const override { return "fake"; }

  static float* row(const TensorView& t, int64_t i) { return data_of<float>(t) + i * t.strides[0]; }

  Result<> run(Op op, const HearthOpCall& call) override {
    const TensorView &x = call.inputs[0], &y = call.outputs[0];
    const int64_t m = x.dims[0], n = x.dims[1];
    switch (op) {
      case Op::GatherRows:
        for (int64_t i = 0; i < y.dims[0]; ++i) {
          const int32_t id = data_of<int32_t>(call.inputs[1])[i];
          if (id < 0 || id >= m) return fail(ErrorKind::Invalid, "[fake] row {}", id);
          std::copy_n(row(x, id), n, row(y, i));
        }
        return {};
      case Op::MaskLogits:
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            const uint32_t word = data_of<uint32_t>(call.inputs[1])[i * call.inputs[1].strides[0] + j / 32];
            row(y, i)[j] = (word >> (j % 32)) & 1 ? row(x, i)[j] : -INFINITY;
          }
        return {};
      case Op::Softmax: {
        const auto* attributes = static_cast<const ops::SoftmaxAttributes*>(call.attributes);
        for (int64_t i = 0; i < m; ++i)
          softmax(row(x, i), row(y, i), n, attributes != nullptr ? attributes->temperature : 1);
        return {};
      }
      case Op::LogSoftmax:
        for (int64_t i = 0; i < m; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < n; ++j) sum += std::exp(static_cast<double>(row(x, i)[j]));
          for (int64_t j = 0; j < n; ++j) row(y, i)[j] = static_cast<float>(row(x, i)[j] - std::log(sum));
        }
        return {};
      case Op::Entropy:
        for (int64_t i = 0; i < m; ++i) {
          std::vector<float> p(static_cast<size_t>(n));
          softmax(row(x, i), p.data(), n, 1);
          double sum = 0;
          for (const float value : p) sum -= value > 0 ? value * std::log(value) : 0;
          data_of<float>(y)[i] = static_cast<float>(sum);
        }
        return {};
      case Op::TopK:
        for (int64_t i = 0; i < m; ++i) {
          const auto order = sorted(row(x, i), n);
          for (int64_t j = 0; j < y.dims[1]; ++j) {
            row(y, i)[j] = row(x, i)[order[static_cast<size_t>(j)]];
            data_of<int32_t>(call.outputs[1])[i * call.outputs[1].strides[0] + j] = order[static_cast<size_t>(j)];
          }
        }
        return {};
      case Op::Sample:
        for (int64_t i = 0; i < m; ++i) data_of<int32_t>(y)[i] = sample(call, i, n);
        return {};
      case Op::CopyPages: {
        const size_t bytes = static_cast<size_t>(y.strides[0]) * sizeof(float);
        for (int64_t i = 0; i < m; ++i)
          std::memmove(row(y, data_of<int32_t>(call.inputs[1])[i]), row(y, data_of<int32_t>(x)[i]), bytes);
        return {};
      }
      default:
        return fail(ErrorKind::Unsupported, "[fake] op {}", static_cast<int>(op));
    }
  }

  static std::vector<int32_t> sorted(const float* x, int64_t n) {
    std::vector<int32_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return x[a] > x[b]; });
    return order;
  }
  static void softmax(const float* x, float* y, int64_t n, float temperature) {
    const float top = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t j = 0; j < n; ++j) {
      y[j] = temperature > 0 ? std::exp((x[j] - top) / temperature) : 0;
      sum += y[j];
    }
    if (temperature <= 0) y[std::max_element(x, x + n) - x] = 1, sum = 1;
    for (int64_t j = 0; j < n; ++j) y[j] = static_cast<float>(y[j] / sum);
  }
  static int32_t sample(const HearthOpCall& call, int64_t i, int64_t n) {
    const float* x = row(call.inputs[0], i);
    const auto parameter = [&](int which) { return data_of<float>(call.inputs[which])[i]; };
    const auto order = sorted(x, n);
    if (!(x[order[0]] > -INFINITY)) return -1;
    if (parameter(1) <= 0) return order[0];
    std::vector<float> p(static_cast<size_t>(n));
    softmax(x, p.data(), n, parameter(1));
    const int32_t top_k = data_of<int32_t>(call.inputs[2])[i];
    size_t keep = top_k > 0 ? std::min<size_t>(static_cast<size_t>(top_k), order.size()) : order.size();
    const auto at = [&](size_t k) { return p[static_cast<size_t>(order[k])]; };
    while (keep > 1 && (at(keep - 1) < parameter(4) * at(0) || at(keep - 1) == 0)) --keep;
    double mass = 0;
    for (size_t k = 0; k < keep; ++k) mass += at(k);
    double sum = 0;
    for (size_t k = 0; k < keep && parameter(3) < 1; ++k)
      if ((sum += at(k)) >= parameter(3) * mass) keep = k + 1, mass = sum;
    sum = 0;
    for (size_t k = 0; k + 1 < keep; ++k)
      if ((sum += at(k)) > parameter(5) * mass) return order[k];
    return order[keep - 1];
  }
};

}  // namespace

std::unique_ptr<ops::Device> fake_device() {
  return std::make_unique<FakeDevice>();
}

}  // namespace hearth::engine

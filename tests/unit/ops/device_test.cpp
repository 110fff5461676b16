// Devices over host memory: allocation, the order of kernels, what errors say.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ops/backend.h"

namespace hearth::ops {
namespace {

HearthOpCall add_call(float* x, float* z, float* y, int64_t n) {
  HearthOpCall call{};
  call.inputs[0] = view(x, DType::F32, {1, n});
  call.inputs[1] = view(z, DType::F32, {1, n});
  call.outputs[0] = view(y, DType::F32, {1, n});
  return call;
}

// A backend whose first kernel takes one row of four, whose second fails.
int write_seven(void*, const HearthOpCall* call) {
  data_of<float>(call->outputs[0])[0] = 7;
  return HEARTH_OK;
}
int fail_invalid(void*, const HearthOpCall*) {
  return HEARTH_INVALID;
}
const char* only_four(const HearthOpCall& call) {
  return call.inputs[0].dims[1] == 4 ? nullptr : "not four columns";
}
const char* only_five(const HearthOpCall& call) {
  return call.inputs[0].dims[1] == 5 ? nullptr : "not five columns";
}
constexpr KernelEntry kEntries[] = {{Op::Add, "fake.add4", only_four, write_seven},
                                    {Op::Add, "fake.add5", only_five, fail_invalid}};

class FakeDevice final : public HostDevice {
 public:
  FakeDevice() : HostDevice("fake", kEntries, nullptr) {}
  std::string_view isa() const override { return "none"; }
  int threads() const override { return 1; }
  std::string_view packing_id() const override { return "fake"; }
  DType kv_dtype() const override { return DType::F32; }
  PackedForm packed_form(DType, int64_t, int64_t) const override { return {}; }
  Result<> pack(std::span<const TensorView>, void*) const override { return {}; }
};

TEST(HostDevice, FirstKernelThatServesWins) {
  FakeDevice device;
  float x[5] = {1, 2, 3, 4, 5}, z[5] = {1, 1, 1, 1, 1}, y[5] = {};
  ASSERT_TRUE(device.run(Op::Add, add_call(x, z, y, 4)));
  EXPECT_EQ(device.last_kernel(), "fake.add4");
  EXPECT_EQ(y[0], 7);
  ASSERT_TRUE(device.run(Op::Add, add_call(x, z, y, 3)));  // both refuse: ref
  EXPECT_EQ(device.last_kernel(), "ref.add");
  EXPECT_EQ(y[2], 4);
  EXPECT_EQ(
      device.explain(Op::Add, add_call(x, z, y, 3)),
      (std::vector<std::string>{"fake.add4: not four columns", "fake.add5: not five columns", "ref.add: serves"}));
}

TEST(HostDevice, ErrorsNameTheKernel) {
  FakeDevice device;
  float x[5] = {}, z[5] = {}, y[5] = {};
  const auto result = device.run(Op::Add, add_call(x, z, y, 5));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(result.error().message, "[fake.add5] a value of its inputs is out of range");
}

TEST(HostDevice, InvalidCallsReachNoKernel) {
  FakeDevice device;
  float x[5] = {}, y[5] = {};
  HearthOpCall call = add_call(x, x, y, 4);
  call.outputs[0].dims[1] = 3;
  ASSERT_FALSE(device.run(Op::Add, call));
  EXPECT_EQ(device.last_kernel(), "");
}

TEST(HostDevice, PackedWeightsWithoutAKernelAreUnsupported) {
  FakeDevice device;
  float x[4] = {}, y[4] = {};
  HearthOpCall call{};
  call.inputs[0] = view(x, DType::F32, {1, 4});
  call.inputs[1] = view(x, DType::F32, {1, 4});
  call.inputs[1].layout = static_cast<int32_t>(Layout::CpuPanel8);
  call.outputs[0] = view(y, DType::F32, {1, 1});
  const auto result = device.run(Op::Matmul, call);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::Unsupported);
}

TEST(HostDevice, MemoryIsZeroedAndAligned) {
  FakeDevice device;
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{1} << 20, (size_t{3} << 20) + 5}) {
    const auto buffer = device.allocate(bytes);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % (bytes > size_t{1} << 20 ? 4096 : 64), 0u) << bytes;
    const auto* begin = static_cast<const char*>(buffer->data());
    EXPECT_EQ(std::count(begin, begin + bytes, 0), static_cast<ptrdiff_t>(bytes));
  }
}

TEST(HostDevice, HopelessAllocationIsALimit) {
  FakeDevice device;
  const auto buffer = device.allocate(size_t{1} << 60);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().kind, ErrorKind::Limit);
}

TEST(OpenDevice, NamesWhatIsMissing) {
  const auto cuda = open_device("cuda:0");
  ASSERT_FALSE(cuda);
  EXPECT_EQ(cuda.error().kind, ErrorKind::Unsupported);
  EXPECT_NE(cuda.error().message.find("no CUDA kernels"), std::string::npos);
  const auto tpu = open_device("tpu");
  ASSERT_FALSE(tpu);
  EXPECT_EQ(tpu.error().message, "[device] got \"tpu\", need cpu or ref");
}

TEST(RefDevice, PacksByCopyingStackedSources) {
  const auto device = open_device("ref");
  ASSERT_TRUE(device);
  const float a[2] = {1, 2}, b[4] = {3, 4, 5, 6};
  const TensorView sources[] = {view(a, DType::F32, {1, 2}), view(b, DType::F32, {2, 2})};
  const PackedForm form = (*device)->packed_form(DType::F32, 3, 2);
  EXPECT_EQ(form.bytes, 24u);
  EXPECT_EQ(form.layout, Layout::Plain);
  float packed[6] = {};
  ASSERT_TRUE((*device)->pack(sources, packed));
  const float want[6] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(std::memcmp(packed, want, sizeof want), 0);
}

}  // namespace
}  // namespace hearth::ops

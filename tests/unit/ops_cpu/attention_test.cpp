#include <cmath>
#include <cstring>
#include <numeric>

#include "weights.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kHeads = 6, kGroups = 2, kDim = 64, kPage = 16;

// A cache with one sequence of `length` keys whose pages lie where `page_table` says.
struct Cache {
  Cache(DType type, int64_t length, std::vector<int32_t> table, uint32_t seed) : dtype(type), pages(std::move(table)) {
    const int32_t last = *std::max_element(pages.begin(), pages.end());
    count = last + 1;
    const size_t bytes = static_cast<size_t>(bytes_of(type, count * kGroups * kPage * kDim));
    keys.assign(bytes, 0xff);  // what nobody wrote is NaN
    values.assign(bytes, 0xff);
    for (auto* target : {&keys, &values}) {
      const std::vector<float> all = random_floats(static_cast<size_t>(length * kGroups * kDim), seed++);
      for (int64_t key = 0; key < length; ++key)
        for (int64_t g = 0; g < kGroups; ++g) {
          const int64_t at = ((pages[static_cast<size_t>(key / kPage)] * kGroups + g) * kPage + key % kPage) * kDim;
          quantise_row(type, &all[static_cast<size_t>((key * kGroups + g) * kDim)], target->data() + bytes_of(type, at),
                       kDim);
        }
    }
  }
  DType dtype;
  std::vector<int32_t> pages;
  int64_t count = 0;
  std::vector<uint8_t> keys, values;
};

struct Options {
  int32_t window = 0;
  float softcap = 0;
};

// Rows [first, first + n) of the sequence, as one call.
std::vector<float> attend(Device& device, const Cache& cache, const std::vector<float>& q, int64_t first, int64_t n,
                          Options o = {}) {
  std::vector<float> y(static_cast<size_t>(n * kHeads * kDim), 7.0f);
  const int32_t indptr[] = {0, static_cast<int32_t>(n)}, page_indptr[] = {0, static_cast<int32_t>(cache.pages.size())};
  const int32_t length[] = {static_cast<int32_t>(first + n)};
  PagedAttentionAttributes attributes;
  attributes.scale = 0.125f;
  attributes.window = o.window;
  attributes.softcap = o.softcap;
  HearthOpCall call{};
  call.attributes = &attributes;
  call.inputs[0] = view(&q[static_cast<size_t>(first * kHeads * kDim)], DType::F32, {n, kHeads, kDim});
  call.inputs[1] = view(cache.keys.data(), cache.dtype, {cache.count, kGroups, kPage, kDim});
  call.inputs[2] = view(cache.values.data(), cache.dtype, {cache.count, kGroups, kPage, kDim});
  call.inputs[3] = view(indptr, DType::I32, {2});
  call.inputs[4] = view(cache.pages.data(), DType::I32, {static_cast<int64_t>(cache.pages.size())});
  call.inputs[5] = view(page_indptr, DType::I32, {2});
  call.inputs[6] = view(length, DType::I32, {1});
  call.outputs[0] = view(y.data(), DType::F32, {n, kHeads, kDim});
  run(device, Op::PagedAttention, call);
  return y;
}

std::vector<int32_t> straight(int64_t length) {
  std::vector<int32_t> pages(static_cast<size_t>((length + kPage - 1) / kPage));
  std::iota(pages.begin(), pages.end(), 0);
  return pages;
}

TEST(CpuAttention, ChunkedWholeAndOneByOneAgreeToTheBit) {
  constexpr int64_t kLength = 203;
  for (Isa isa : sets_of_this_machine())
    for (const Options& o : {Options{}, Options{.window = 37, .softcap = 5.0f}}) {
      auto device = open(isa, 2), single = open(isa, 1);
      const Cache cache(DType::F16, kLength, straight(kLength), 3);
      const std::vector<float> q = random_floats(kLength * kHeads * kDim, 5);
      const std::vector<float> whole = attend(*device, cache, q, 0, kLength, o);
      EXPECT_EQ(device->last_kernel(), kernel_name(isa, "paged_attention"));
      for (float v : whole) ASSERT_TRUE(std::isfinite(v)) << "a key that nobody wrote was used";
      ASSERT_EQ(whole, attend(*single, cache, q, 0, kLength, o));
      for (int64_t step : {1, 7, 64, 100})
        for (int64_t at = 0; at < kLength; at += step) {
          const int64_t n = std::min(step, kLength - at);
          const std::vector<float> part = attend(*device, cache, q, at, n, o);
          ASSERT_EQ(std::memcmp(part.data(), &whole[static_cast<size_t>(at * kHeads * kDim)], part.size() * 4), 0)
              << to_string(isa) << " rows " << at << " + " << n << " window " << o.window;
        }
    }
}

TEST(CpuAttention, PagesMayLieAnywhere) {
  constexpr int64_t kLength = 150;
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    std::vector<int32_t> scattered = straight(kLength);
    std::reverse(scattered.begin(), scattered.end());
    for (int32_t& p : scattered) p = p * 3 + 1;
    for (DType type : {DType::F16, DType::F32, DType::BF16}) {
      const Cache near(type, kLength, straight(kLength), 3), far(type, kLength, scattered, 3);
      const std::vector<float> q = random_floats(kLength * kHeads * kDim, 5);
      ASSERT_EQ(attend(*device, near, q, 100, 50), attend(*device, far, q, 100, 50)) << to_string(type);
    }
  }
}

TEST(CpuAttention, RefusesPagesAndLengthsThatDoNotExist) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    Cache cache(DType::F16, 40, straight(40), 3);
    const std::vector<float> q = random_floats(40 * kHeads * kDim, 5);
    cache.pages[1] = 99;
    std::vector<float> y(40 * kHeads * kDim);
    const int32_t indptr[] = {0, 40}, page_indptr[] = {0, 3};
    int32_t length[] = {40};
    HearthOpCall call{};
    call.inputs[0] = view(q.data(), DType::F32, {40, kHeads, kDim});
    call.inputs[1] = view(cache.keys.data(), DType::F16, {3, kGroups, kPage, kDim});
    call.inputs[2] = view(cache.values.data(), DType::F16, {3, kGroups, kPage, kDim});
    call.inputs[3] = view(indptr, DType::I32, {2});
    call.inputs[4] = view(cache.pages.data(), DType::I32, {3});
    call.inputs[5] = view(page_indptr, DType::I32, {2});
    call.inputs[6] = view(length, DType::I32, {1});
    call.outputs[0] = view(y.data(), DType::F32, {40, kHeads, kDim});
    EXPECT_EQ(device->run(Op::PagedAttention, call).error().kind, ErrorKind::Invalid) << "a page outside the cache";
    cache.pages[1] = 1;
    EXPECT_TRUE(device->run(Op::PagedAttention, call).has_value());
    length[0] = 49;
    EXPECT_EQ(device->run(Op::PagedAttention, call).error().kind, ErrorKind::Invalid) << "more keys than pages";
    length[0] = 39;
    EXPECT_EQ(device->run(Op::PagedAttention, call).error().kind, ErrorKind::Invalid) << "fewer keys than rows";
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

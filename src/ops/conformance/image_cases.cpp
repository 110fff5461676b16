#include <limits>

#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void build_pool2d(CaseBuilder& b) {
  const int64_t batch = b.size("batch_size"), h = b.size("height", 1), w = b.size("width", 1),
                c = b.size("channels", 1);
  const auto windows = [&](int64_t size, const char* kernel, const char* dilation, const char* stride,
                           const char* before, const char* after) {
    const int64_t rest = size + b.size(before) + b.size(after) - (b.size(kernel, 1) - 1) * b.size(dilation, 1) - 1;
    const int64_t step = b.size(stride, 1), more = b.size("more_windows");
    if (rest < 0) b.refuse("kernel; it is larger than the padded image");
    return b.failed() ? 0 : rest / step + 1 + more;
  };
  const int64_t u = windows(h, "kernel_height", "dilation_height", "stride_height", "pad_top", "pad_bottom");
  const int64_t v = windows(w, "kernel_width", "dilation_width", "stride_width", "pad_left", "pad_right");
  if (b.failed()) return;
  std::vector<float> x = b.normal_values({batch, h, w, c}, 1.0);
  if (b.failed()) return;
  if (b.flag("specials") && x.size() > 4) {
    x[x.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    x[x.size() / 3] = kInfinity;
    x[x.size() / 4] = -kInfinity;
  }
  b.values("x", DType::F32, {batch, h, w, c}, x);
  b.output("y", DType::F32, {batch, u, v, c});
}

void build_layer_norm(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("hidden_size");
  std::vector<float> x = b.normal_values({m, n}, 2.0);
  for (float& v : x) v += static_cast<float>(b.number("mean"));
  b.values("x", DType::F32, {m, n}, x);
  b.normal("w", DType::F32, {n});
  b.optional("bias", DType::F32, {n});
  b.output("y", DType::F32, {m, n});
}

void build_column_means(CaseBuilder& b) {
  const int64_t batch = b.size("batch_size"), m = b.size("rows"), n = b.size("columns");
  b.normal("x", DType::F32, {batch, m, n});
  b.output("y", DType::F32, {batch, n});
}

void build_transpose2d(CaseBuilder& b) {
  const int64_t batch = b.size("batch_size"), m = b.size("rows"), n = b.size("columns");
  b.normal("x", DType::F32, {batch, m, n});
  b.output("y", DType::F32, {batch, n, m});
}

struct Window {
  double height, width, channels, kernel_height, kernel_width, stride_height = 1, stride_width = 1;
  double top = 0, left = 0, bottom = 0, right = 0;
};
std::vector<Parameter> window(std::string_view kind, const Window& w, std::vector<Parameter> more = {}) {
  std::vector<Parameter> all = {{"kind", static_cast<double>(choice_number(kPoolings, kind))},
                                {"height", w.height},
                                {"width", w.width},
                                {"channels", w.channels},
                                {"kernel_height", w.kernel_height},
                                {"kernel_width", w.kernel_width},
                                {"stride_height", w.stride_height},
                                {"stride_width", w.stride_width},
                                {"pad_top", w.top},
                                {"pad_left", w.left},
                                {"pad_bottom", w.bottom},
                                {"pad_right", w.right}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<NamedCase> pool_cases() {
  const std::string_view max = "max", average = "average", with_pads = "average_with_pads";
  const Window two = {9, 13, 3, 2, 2, 2, 2}, three = {7, 8, 33, 3, 3, 1, 1, 1, 1, 1, 1},
               three_strided = {15, 14, 19, 3, 3, 2, 2}, five = {20, 20, 70, 5, 5, 1, 1, 2, 2, 2, 2},
               line = {1, 40, 21, 1, 4, 1, 3, 0, 1, 0, 2}, uneven = {6, 9, 16, 4, 3, 2, 2, 3, 1, 3, 1},
               dilated = {12, 11, 65, 3, 2, 1, 2, 1, 0, 2, 1}, whole = {7, 7, 130, 7, 7},
               wide = {4, 3, 8, 5, 5, 1, 1, 2, 2, 2, 2}, outside = {2, 3, 5, 2, 2, 1, 1, 4, 4, 4, 4};
  const std::vector<Parameter> ceil = {{"more_windows", 1}, {"batch_size", 2}}, batch = {{"batch_size", 2}},
                               dilation = {{"dilation_height", 2}, {"dilation_width", 3}, {"batch_size", 2}};
  return {{"single", window(max, {1, 1, 1, 1, 1})},
          {"empty", window(max, two, {{"batch_size", 0}})},
          {"max_two", window(max, two, ceil)},
          {"max_three", window(max, three, batch)},
          {"max_three_strided", window(max, three_strided, {{"more_windows", 1}})},
          {"max_three_large", window(max, {112, 112, 64, 3, 3, 2, 2, 1, 1, 1, 1})},
          {"max_five", window(max, five)},
          {"max_line", window(max, line)},
          {"max_dilated", window(max, dilated, dilation)},
          {"max_uneven", window(max, uneven)},
          {"max_wide", window(max, wide)},
          {"max_whole_image", window(max, whole)},
          {"max_outside", window(max, outside)},
          {"average_two", window(average, two, ceil)},
          {"average_three", window(average, three, batch)},
          {"average_line", window(average, line)},
          {"average_dilated", window(average, dilated, dilation)},
          {"average_wide", window(average, wide)},
          {"average_outside", window(average, outside)},
          {"average_whole_image", window(average, whole, {{"specials", 0}})},
          {"average_with_pads", window(with_pads, three, batch)},
          {"average_with_pads_two", window(with_pads, two, ceil)},
          {"average_with_pads_dilated", window(with_pads, dilated, dilation)},
          {"average_with_pads_uneven", window(with_pads, uneven)},
          {"average_with_pads_outside", window(with_pads, outside)},
          {"strided", window(max, three, {{"row_padding", 4}, {"batch_size", 2}})},
          {"production", window(max, {56, 56, 64, 3, 3, 2, 2, 1, 1, 1, 1}, {{"specials", 0}})}};
}

std::vector<Parameter> planes(double batch, double rows, double columns) {
  return {{"batch_size", batch}, {"rows", rows}, {"columns", columns}};
}

}  // namespace

void add_image_cases(std::vector<OpCases>& all) {
  all.push_back({Op::Pool2d,
                 0,
                 {{"batch_size", 1},
                  {"height", 7},
                  {"width", 7},
                  {"channels", 8},
                  {"more_windows", 0},  // that begin in reach and end beyond the padding
                  {"specials", 1},      // a NaN and infinities among the numbers
                  {"kind", 0},
                  {"kernel_height", 1},
                  {"kernel_width", 1},
                  {"stride_height", 1},
                  {"stride_width", 1},
                  {"dilation_height", 1},
                  {"dilation_width", 1},
                  {"pad_top", 0},
                  {"pad_left", 0},
                  {"pad_bottom", 0},
                  {"pad_right", 0}},
                 pool_cases(),
                 build_pool2d});
  const auto rows = [](double m, double n, double mean = 0) {
    return std::vector<Parameter>{{"batch_size", m}, {"hidden_size", n}, {"mean", mean}};
  };
  all.push_back({Op::LayerNorm,
                 0,
                 {{"batch_size", 3}, {"hidden_size", 64}, {"mean", 0}, {"bias", 1}, {"eps", 1e-5}},
                 {{"single", rows(1, 1)},
                  {"empty", rows(0, 64)},
                  {"no_columns", rows(3, 0)},
                  {"odd", rows(4, 5)},
                  {"ragged", rows(6, 77)},
                  {"far_mean", rows(2, 3001, 100)},
                  {"without_bias", {{"bias", 0}, {"batch_size", 70}, {"hidden_size", 768}}},
                  {"large_eps", {{"eps", 1}}},
                  {"strided", {{"row_padding", 5}}},
                  {"production", rows(128, 768)}},
                 build_layer_norm});
  all.push_back({Op::ColumnMeans,
                 0,
                 {{"batch_size", 2}, {"rows", 49}, {"columns", 64}},
                 {{"single", planes(1, 1, 1)},
                  {"empty", planes(0, 3, 5)},
                  {"no_rows", planes(2, 0, 5)},
                  {"no_columns", planes(2, 5, 0)},
                  {"odd", planes(3, 7, 33)},
                  {"ragged", planes(2, 49, 259)},
                  {"many_rows", planes(1, 20000, 19)},
                  {"strided", {{"row_padding", 11}}},
                  {"production", planes(1, 49, 2048)}},
                 build_column_means});
  all.push_back({Op::Transpose2d,
                 0,
                 {{"batch_size", 2}, {"rows", 37}, {"columns", 29}},
                 {{"single", planes(1, 1, 1)},
                  {"empty", planes(0, 3, 5)},
                  {"no_rows", planes(2, 0, 5)},
                  {"one_row", planes(1, 1, 9)},
                  {"one_column", planes(2, 9, 1)},
                  {"two_rows", planes(2, 2, 31)},
                  {"three_rows", planes(1, 3, 50176)},
                  {"three_columns", planes(2, 5000, 3)},
                  {"four_rows", planes(3, 4, 17)},
                  {"four_columns", planes(2, 33, 4)},
                  {"five_by_five", planes(1, 5, 5)},
                  {"whole_vectors", planes(2, 16, 16)},
                  {"ragged", planes(3, 37, 129)},
                  {"tiles", planes(2, 300, 21)},
                  {"wide", planes(1, 64, 3136)},
                  {"tall", planes(1, 3136, 64)},
                  {"strided", {{"row_padding", 6}}},
                  {"production", planes(1, 256, 784)}},
                 build_transpose2d});
}

}  // namespace hearth::ops::conformance

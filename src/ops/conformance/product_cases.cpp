#include <cmath>
#include <limits>

#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

constexpr double activation(std::string_view word) {
  return choice_number(kActivations, word);
}
constexpr double kDirect = choice_number(kConvAlgorithms, "direct");
constexpr double kWinograd = choice_number(kConvAlgorithms, "winograd");
constexpr double kDepthwise = choice_number(kConvAlgorithms, "depthwise");

// Weights that make sums of `terms` products of size 1.
double weight_deviation(int64_t terms) {
  return 1.0 / std::sqrt(static_cast<double>(std::max<int64_t>(terms, 1)));
}

void build_dense_matmul(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), k = b.size("input_size"), n = b.size("output_size");
  b.normal("x", DType::F32, {m, k});
  b.normal("w", DType::F32, {k, n}, weight_deviation(k));
  b.optional("bias", DType::F32, {n});
  b.optional("residual", DType::F32, {m, n});
  b.output("y", DType::F32, {m, n});
}

void build_conv2d(CaseBuilder& b) {
  const int64_t batch = b.size("batch_size"), h = b.size("height", 1), w = b.size("width", 1),
                c = b.size("channels", 1), o = b.size("out_channels"), p = b.size("kernel_height", 1),
                q = b.size("kernel_width", 1), groups = b.size("groups", 1);
  const auto reach = [&](int64_t size, int64_t kernel, const char* dilation, const char* stride, const char* before,
                         const char* after) {
    const int64_t rest = size + b.size(before) + b.size(after) - (kernel - 1) * b.size(dilation, 1) - 1;
    const int64_t step = b.size(stride, 1);
    if (rest < 0) b.refuse("kernel; it is larger than the padded image");
    return b.failed() ? 0 : rest / step + 1;
  };
  const int64_t u = reach(h, p, "dilation_height", "stride_height", "pad_top", "pad_bottom");
  const int64_t v = reach(w, q, "dilation_width", "stride_width", "pad_left", "pad_right");
  if (b.failed()) return;
  if (c % groups != 0 || o % groups != 0) return b.refuse("groups; need a divisor of channels and out_channels");
  b.normal("x", DType::F32, {batch, h, w, c});
  b.normal("w", DType::F32, {o, c / groups, p, q}, weight_deviation(c / groups * p * q));
  b.optional("bias", DType::F32, {o});
  b.optional("residual", DType::F32, {batch, u, v, o});
  b.output("y", DType::F32, {batch, u, v, o});
}

constexpr float kHidden = -std::numeric_limits<float>::infinity();
enum Mask { kNoMask, kKeys, kFull, kRowsOnly, kHiddenRow };

// About a third of the keys hidden, whatever the row; with kHiddenRow all keys of one row of every head as well.
void add_mask(CaseBuilder& b, int64_t mask, std::vector<int64_t> dims) {
  if (mask == kNoMask) return b.absent("mask");
  if (mask == kKeys) dims[1] = dims[2] = 1;
  if (mask == kRowsOnly) dims[0] = dims[1] = dims[3] = 1;
  const int64_t keys = dims[3], rows = dims[2];
  std::vector<float> values = b.normal_values({dims[0], dims[1], dims[2], dims[3]}, 1.0);
  for (size_t i = 0; i < values.size() && mask != kRowsOnly; ++i) {
    const int64_t row = static_cast<int64_t>(i) / keys % rows;
    if (i % 3 == 0 || (mask == kHiddenRow && row == rows / 2)) values[i] = kHidden;
  }
  b.values("mask", DType::F32, std::move(dims), values);
}

void build_dense_attention(CaseBuilder& b) {
  const int64_t batch = b.size("batch_size"), r = b.size("query_len"), n = b.size("kv_len");
  const int64_t h = b.size("num_heads", 1), g = b.size("num_kv_heads", 1), d = b.size("head_dim", 1),
                e = b.size("value_dim", 1), mask = b.size("mask");
  if (b.failed()) return;
  if (h % g != 0) return b.refuse("num_heads; need a multiple of num_kv_heads");
  if (mask > kHiddenRow) return b.refuse(fmt::format("mask; got {}, need 0 to {}", mask, int{kHiddenRow}));
  if (!b.fits({batch, h, r, n})) return;
  b.normal("q", DType::F32, {batch, r, h, d}, b.number("deviation"));
  b.normal("k", DType::F32, {batch, n, g, d});
  b.normal("v", DType::F32, {batch, n, g, e});
  add_mask(b, mask, {batch, h, r, n});
  b.output("y", DType::F32, {batch, r, h, e});
  if (b.number("scale") == 0) b.attribute("scale", 1.0 / std::sqrt(static_cast<double>(d)));
}

// ---- the shapes of convolutions

struct Square {
  double size, channels, out, kernel, stride = 1, pad = 0, dilation = 1, groups = 1;
};
std::vector<Parameter> square(const Square& s, std::vector<Parameter> more = {}) {
  std::vector<Parameter> all = {{"channels", s.channels}, {"out_channels", s.out}, {"groups", s.groups}};
  for (const char* name : {"height", "width"}) all.push_back({name, s.size});
  for (const char* name : {"kernel_height", "kernel_width"}) all.push_back({name, s.kernel});
  for (const char* name : {"stride_height", "stride_width"}) all.push_back({name, s.stride});
  for (const char* name : {"dilation_height", "dilation_width"}) all.push_back({name, s.dilation});
  for (const char* name : {"pad_top", "pad_left", "pad_bottom", "pad_right"}) all.push_back({name, s.pad});
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

struct Shape {
  double height, width, channels, out, kernel_height, kernel_width;
  double top = 0, left = 0, bottom = 0, right = 0;
  double stride_height = 1, stride_width = 1, dilation_height = 1, dilation_width = 1;
};
std::vector<Parameter> shape(const Shape& s, std::vector<Parameter> more = {}) {
  std::vector<Parameter> all = {{"height", s.height},
                                {"width", s.width},
                                {"channels", s.channels},
                                {"out_channels", s.out},
                                {"kernel_height", s.kernel_height},
                                {"kernel_width", s.kernel_width},
                                {"pad_top", s.top},
                                {"pad_left", s.left},
                                {"pad_bottom", s.bottom},
                                {"pad_right", s.right},
                                {"stride_height", s.stride_height},
                                {"stride_width", s.stride_width},
                                {"dilation_height", s.dilation_height},
                                {"dilation_width", s.dilation_width}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
std::vector<Parameter> winograd(const Shape& s, std::vector<Parameter> more = {}) {
  more.push_back({"algorithm", kWinograd});
  return shape(s, std::move(more));
}
std::vector<Parameter> depthwise(const Shape& s, std::vector<Parameter> more = {}) {
  more.push_back({"algorithm", kDepthwise});
  more.push_back({"groups", s.channels});
  return shape(s, std::move(more));
}

std::vector<NamedCase> conv_cases() {
  const std::vector<Parameter> epilogue = {{"residual", 1}, {"activation", activation("relu")}};
  return {{"single", square({1, 1, 1, 1})},
          {"empty", square({9, 8, 8, 3, 1, 1}, {{"batch_size", 0}})},
          {"three_by_three", square({13, 5, 35, 3, 1, 1}, {{"algorithm", kDirect}})},
          {"without_pads", square({13, 5, 35, 3})},
          {"two_by_two", square({9, 16, 8, 2, 1, 0}, {{"batch_size", 2}})},
          {"two_by_two_strided", square({13, 5, 35, 2, 3, 1})},
          {"five_by_five", square({13, 5, 35, 5, 1, 2})},
          {"five_by_five_strided", square({9, 16, 8, 5, 2, 2}, {{"batch_size", 2}, {"residual", 1}})},
          {"stride_of_two", square({13, 5, 35, 3, 2, 1}, epilogue)},
          {"stride_beyond_the_kernel", square({14, 5, 35, 2, 3, 0})},
          {"one_by_one", square({10, 20, 32, 1}, {{"batch_size", 3}, {"residual", 1}})},
          {"one_by_one_strided", square({12, 18, 40, 1, 2}, {{"batch_size", 2}})},
          {"one_by_one_padded", square({12, 18, 40, 1, 1, 1})},
          {"first_layer", square({37, 3, 64, 7, 2, 3}, epilogue)},
          {"first_layer_small", square({20, 3, 32, 3, 2, 1}, {{"batch_size", 2}})},
          {"one_channel", square({23, 1, 32, 3, 2, 1})},
          {"dilated", square({17, 6, 20, 3, 1, 2, 2})},
          {"dilated_strided", square({19, 4, 33, 3, 2, 3, 3}, {{"batch_size", 2}})},
          {"uneven", shape({11, 23, 7, 19, 2, 4, 1, 0, 0, 3, 3, 1, 1, 2}, {{"batch_size", 2}, {"residual", 1}})},
          {"pads_at_the_ends", shape({9, 8, 5, 6, 3, 2, 0, 0, 2, 0})},
          {"pads_beyond_the_kernel", shape({4, 6, 16, 20, 3, 3, 5, 4, 5, 4}, {{"algorithm", kDirect}})},
          {"one_dimension", shape({1, 301, 40, 12, 1, 9, 0, 4, 0, 4})},
          {"one_dimension_strided", shape({1, 301, 40, 12, 1, 9, 0, 4, 0, 4, 1, 2}, {{"batch_size", 3}})},
          {"groups", square({10, 12, 9, 3, 1, 1, 1, 3}, epilogue)},
          {"groups_strided", square({10, 12, 9, 3, 2, 0, 1, 3}, {{"batch_size", 2}, {"row_padding", 3}})},
          {"groups_dilated", square({9, 8, 80, 3, 1, 1, 2, 2})},
          {"groups_one_by_one", square({6, 64, 64, 1, 1, 0, 1, 4})},
          {"depthwise_multiplier", square({8, 6, 12, 3, 1, 1, 1, 6}, {{"batch_size", 2}})},
          {"several_bands", square({60, 48, 10, 3, 1, 1}, {{"residual", 1}})},
          {"several_images_a_band", square({14, 80, 10, 3, 1, 1}, {{"batch_size", 9}})},
          {"parts_of_a_line", shape({3, 400, 200, 6, 3, 3, 1, 1, 1, 1})},
          {"long_sums", square({7, 300, 64, 3, 1, 1}, {{"algorithm", kDirect}, {"residual", 1}})},
          {"small_images", square({3, 900, 33, 1, 2}, {{"batch_size", 2}})},
          {"one_pixel", square({1, 50, 70, 1}, {{"batch_size", 3}})},
          {"strided", square({12, 18, 40, 3, 1, 1}, {{"row_padding", 7}, {"residual", 1}, {"algorithm", kDirect}})},
          {"strided_one_by_one", square({12, 18, 40, 1}, {{"row_padding", 5}, {"batch_size", 2}})},
          {"without_bias", square({12, 18, 40, 3, 2, 1}, {{"bias", 0}})},
          {"clip", square({17, 8, 45, 3, 1, 1}, {{"activation", activation("clip")}, {"a", -0.5}, {"b", 0.25}})},
          {"silu", square({9, 8, 64, 3, 2, 1}, {{"activation", activation("silu")}})},
          {"rounded_factors", square({15, 16, 36, 3, 1, 1}, {{"factors", 1}, {"batch_size", 2}, {"residual", 1}})},
          {"rounded_factors_odd", square({15, 3, 36, 3, 2, 1}, {{"factors", 1}})},
          {"rounded_factors_one_by_one", square({8, 16, 36, 1}, {{"factors", 1}, {"row_padding", 1}})},
          {"rounded_factors_groups", square({10, 12, 9, 3, 1, 1, 1, 3}, {{"factors", 1}})},
          {"rounded_factors_depthwise", square({10, 12, 12, 3, 1, 1, 1, 12}, {{"factors", 1}})},
          {"rounded_factors_long_sums", square({7, 600, 40, 3, 1, 1}, {{"factors", 1}})},
          {"winograd", winograd({8, 8, 16, 32, 3, 3, 1, 1, 1, 1})},
          {"winograd_ragged", winograd({9, 7, 19, 37, 3, 3, 1, 1, 1, 1}, epilogue)},
          {"winograd_over_images", winograd({13, 22, 33, 70, 3, 3, 1, 1, 1, 1}, {{"batch_size", 2}, {"residual", 1}})},
          {"winograd_one_tile", winograd({6, 6, 64, 8, 3, 3})},
          {"winograd_one_pixel", winograd({3, 3, 5, 3, 3, 3})},
          {"winograd_small_images", winograd({1, 1, 7, 9, 3, 3, 1, 1, 1, 1}, {{"batch_size", 3}})},
          {"winograd_uneven_pads", winograd({5, 11, 24, 40, 3, 3, 2, 0, 0, 2})},
          {"winograd_pads_of_tiles", winograd({4, 5, 3, 17, 3, 3, 3, 7, 6, 5})},
          {"winograd_blocks", winograd({40, 44, 48, 34, 3, 3, 1, 1, 1, 1}, {{"activation", activation("silu")}})},
          {"winograd_few_tiles", winograd({14, 14, 80, 144, 3, 3, 1, 1, 1, 1}, epilogue)},
          {"winograd_strided", winograd({7, 7, 300, 65, 3, 3, 1, 1, 1, 1}, {{"batch_size", 2}, {"row_padding", 3}})},
          {"depthwise", depthwise({14, 14, 48, 48, 3, 3, 1, 1, 1, 1})},
          {"depthwise_odd", depthwise({9, 16, 33, 33, 3, 3, 1, 1, 1, 1}, {{"batch_size", 2}, {"row_padding", 5}})},
          {"depthwise_stride_of_two", depthwise({20, 20, 17, 17, 3, 3, 1, 1, 1, 1, 2, 2}, epilogue)},
          {"depthwise_without_pads", depthwise({21, 19, 40, 40, 3, 3, 0, 0, 0, 0, 2, 2})},
          {"depthwise_few_channels", depthwise({5, 5, 3, 3, 3, 3, 1, 1, 1, 1})},
          {"depthwise_short_rows", depthwise({3, 3, 65, 65, 3, 3, 1, 1, 1, 1}, {{"batch_size", 2}})},
          {"depthwise_small_image", depthwise({2, 1, 16, 16, 3, 3, 1, 1, 1, 1})},
          {"depthwise_five", depthwise({12, 13, 35, 35, 5, 5, 2, 2, 2, 2}, {{"bias", 0}})},
          {"depthwise_five_strided", depthwise({13, 14, 32, 32, 5, 5, 2, 2, 2, 2, 2, 2})},
          {"depthwise_seven", depthwise({10, 11, 18, 18, 7, 7, 3, 3, 3, 3})},
          {"depthwise_whole_image", depthwise({7, 7, 130, 130, 7, 7}, {{"batch_size", 3}})},
          {"depthwise_one_dimension", depthwise({1, 101, 72, 72, 1, 15, 0, 7, 0, 7}, {{"batch_size", 2}})},
          {"depthwise_patches", depthwise({1, 64, 24, 24, 1, 4, 0, 0, 0, 0, 1, 4})},
          {"depthwise_dilated", depthwise({17, 15, 41, 41, 3, 3, 2, 2, 2, 2, 1, 1, 2, 2}, {{"residual", 1}})},
          {"depthwise_dilated_one_way", depthwise({17, 15, 20, 20, 3, 3, 3, 1, 3, 1, 1, 1, 3, 1})},
          {"depthwise_stride_of_three", depthwise({9, 9, 19, 19, 3, 3, 0, 0, 0, 0, 3, 3})},
          {"depthwise_uneven", depthwise({6, 40, 34, 34, 2, 3, 0, 1, 0, 1, 1, 2})},
          {"depthwise_wide_pads", depthwise({4, 6, 16, 16, 3, 3, 5, 4, 5, 4})},
          {"depthwise_as_direct", square({12, 35, 35, 3, 1, 1, 1, 35}, {{"algorithm", kDirect}})},
          {"production", square({28, 64, 64, 3, 1, 1}, epilogue)}};
}

}  // namespace

void add_product_cases(std::vector<OpCases>& all) {
  const Parameter relu = {"activation", activation("relu")}, rounded = {"factors", 1};
  const auto sizes = [](double m, double k, double n, std::vector<Parameter> more = {}) {
    std::vector<Parameter> list = {{"batch_size", m}, {"input_size", k}, {"output_size", n}};
    list.insert(list.end(), more.begin(), more.end());
    return list;
  };
  all.push_back({Op::DenseMatmul,
                 0,
                 {{"batch_size", 5},
                  {"input_size", 37},
                  {"output_size", 48},
                  {"bias", 1},
                  {"residual", 0},
                  {"activation", 0},
                  {"a", 0},
                  {"b", 0},
                  {"factors", 0}},
                 {{"single", sizes(1, 1, 1)},
                  {"empty", sizes(0, 3, 5)},
                  {"no_columns", sizes(5, 3, 0)},
                  {"no_sum", sizes(9, 0, 70, {relu})},
                  {"vector", sizes(1, 2048, 1000)},
                  {"two_rows", sizes(2, 1, 7)},
                  {"three_rows", sizes(3, 511, 17)},
                  {"five_rows", sizes(5, 15, 8)},
                  {"six_rows", sizes(6, 2, 9)},
                  {"seven_rows", sizes(7, 101, 37)},
                  {"thirteen_rows", sizes(13, 33, 65)},
                  {"fourteen_rows", sizes(14, 768, 40)},
                  {"fifteen_rows", sizes(15, 769, 100)},
                  {"twenty_nine_rows", sizes(29, 37, 32)},
                  {"forty_nine_rows", sizes(49, 37, 16)},
                  {"tall", sizes(700, 48, 96)},
                  {"blocks", sizes(260, 900, 72, {{"residual", 1}})},
                  {"wide", sizes(4, 300, 2000, {{"residual", 1}})},
                  {"long_sums", sizes(30, 1537, 70)},
                  {"without_bias", sizes(9, 50, 77, {{"bias", 0}})},
                  {"residual", sizes(33, 20, 40, {{"residual", 1}})},
                  {"residual_relu", sizes(33, 1100, 75, {{"residual", 1}, relu})},
                  {"clip", sizes(12, 20, 64, {{"activation", activation("clip")}, {"a", -0.5}, {"b", 0.25}})},
                  {"leaky_relu", sizes(12, 20, 64, {{"activation", activation("leaky_relu")}, {"a", 0.1}})},
                  {"gelu", sizes(61, 50, 77, {{"activation", activation("gelu")}})},
                  {"strided", sizes(61, 50, 77, {{"row_padding", 9}, {"residual", 1}})},
                  {"rounded_factors", sizes(14, 33, 83, {rounded})},
                  {"rounded_factors_vector", sizes(1, 1700, 83, {rounded})},
                  {"rounded_factors_long_sums", sizes(43, 1700, 83, {rounded})},
                  {"rounded_factors_odd", sizes(5, 1, 83, {rounded, {"residual", 1}, relu})},
                  {"rounded_factors_no_sum", sizes(5, 0, 83, {rounded})},
                  {"rounded_factors_strided", sizes(6, 65, 31, {rounded, {"row_padding", 1}})},
                  {"production", sizes(64, 576, 960, {{"activation", activation("gelu")}})}},
                 build_dense_matmul});
  all.push_back({Op::Conv2d,
                 0,
                 {{"batch_size", 1},
                  {"height", 13},
                  {"width", 13},
                  {"channels", 8},
                  {"out_channels", 35},
                  {"kernel_height", 3},
                  {"kernel_width", 3},
                  {"stride_height", 1},
                  {"stride_width", 1},
                  {"dilation_height", 1},
                  {"dilation_width", 1},
                  {"pad_top", 0},
                  {"pad_left", 0},
                  {"pad_bottom", 0},
                  {"pad_right", 0},
                  {"groups", 1},
                  {"algorithm", 0},
                  {"bias", 1},
                  {"residual", 0},
                  {"activation", 0},
                  {"a", 0},
                  {"b", 0},
                  {"factors", 0}},
                 conv_cases(),
                 build_conv2d});
  const auto heads = [](double h, double g, double r, double n, double d, double e, std::vector<Parameter> more = {}) {
    std::vector<Parameter> list = {{"num_heads", h}, {"num_kv_heads", g}, {"query_len", r},
                                   {"kv_len", n},    {"head_dim", d},     {"value_dim", e}};
    list.insert(list.end(), more.begin(), more.end());
    return list;
  };
  all.push_back(
      {Op::DenseAttention,
       0,
       {{"batch_size", 1},
        {"num_heads", 2},
        {"num_kv_heads", 2},
        {"query_len", 5},
        {"kv_len", 5},
        {"head_dim", 16},
        {"value_dim", 16},
        {"mask", kNoMask},  // 1 [b 1 1 n], 2 [b h r n], 3 [1 1 r 1], 4 as 2 with a row that sees nothing
        {"deviation", 1},
        {"scale", 0}},  // 0: 1 / sqrt(head_dim)
       {{"single", heads(1, 1, 1, 1, 1, 1)},
        {"empty", heads(2, 1, 0, 3, 8, 8)},
        {"no_keys", heads(2, 1, 3, 0, 8, 8, {{"batch_size", 2}})},
        {"masked_keys", heads(3, 3, 20, 20, 64, 64, {{"mask", kKeys}, {"batch_size", 2}})},
        {"full_mask", heads(2, 2, 33, 47, 16, 24, {{"mask", kFull}})},
        {"strided_mask", heads(2, 2, 9, 31, 16, 16, {{"mask", kFull}, {"batch_size", 2}, {"row_padding", 3}})},
        {"one_row_many_keys", heads(1, 1, 1, 300, 72, 72)},
        {"shared_keys", heads(8, 2, 5, 29, 33, 31, {{"mask", kFull}})},
        {"one_kv_head", heads(6, 1, 1, 70, 128, 128, {{"mask", kKeys}, {"batch_size", 2}})},
        {"mask_of_rows", heads(1, 1, 401, 17, 12, 7, {{"mask", kRowsOnly}})},
        {"blocks_of_keys", heads(2, 1, 50, 700, 40, 40, {{"mask", kKeys}})},
        {"wide_heads", heads(2, 2, 7, 300, 256, 200, {{"mask", kFull}})},
        {"one_key", heads(4, 4, 9, 1, 8, 8, {{"batch_size", 3}})},
        {"hidden_row", heads(2, 2, 6, 600, 16, 16, {{"mask", kHiddenRow}})},
        {"large_scores", heads(2, 2, 12, 40, 16, 16, {{"deviation", 40}})},
        {"strided", heads(4, 4, 18, 18, 32, 32, {{"row_padding", 256}, {"batch_size", 2}})},
        {"production", heads(12, 12, 128, 128, 64, 64, {{"mask", kKeys}})}},
       build_dense_attention});
}

}  // namespace hearth::ops::conformance

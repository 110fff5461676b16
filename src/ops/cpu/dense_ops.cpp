#include "ops/cpu/dense_ops.h"

#include <algorithm>

#include "ops/cpu/dense.h"
#include "ops/cpu/stream.h"

namespace hearth::ops::cpu {
namespace {

// Rows up to here are summed in float32; longer ones, vocabularies say, are those of the kernel that sums in f64.
constexpr int64_t kShortRow = 4096;
// Numbers of the input that one window spans. The direct convolution copies whole lines of windows, so a dilation far
// beyond the image would cost memory that no call is worth.
constexpr double kMaxWindowNumbers = 0x1p32;

template <class Attributes>
const Attributes& attributes_of(const HearthOpCall& call) {
  static constexpr Attributes kDefault{};
  return call.attributes != nullptr ? *static_cast<const Attributes*>(call.attributes) : kDefault;
}

const float* floats(const HearthTensor& t) {
  return data_of<const float>(t);
}
bool nothing_to_do(const HearthOpCall* call) {
  return element_count(call->outputs[0]) == 0;
}
void* area(CpuStream& stream, ScratchSlot slot, size_t bytes) {
  return scratch(stream, slot, std::max<size_t>(bytes, 1));
}

// From one pixel of [batch, height, width, channels] to the next when all follow each other evenly, else -1.
int64_t pixel_stride(const HearthTensor& t) {
  int64_t stride = -1, pixels = 1;
  for (int i = 2; i >= 0; --i) {
    if (t.dims[i] == 1) continue;
    if (stride < 0) stride = t.strides[i];
    if (t.strides[i] != stride * pixels) return -1;
    pixels *= t.dims[i];
  }
  return stride < 0 ? t.dims[3] : stride;
}

const char* refuses_strides(const HearthOpCall& call) {
  return is_contiguous(call.inputs[0]) && is_contiguous(call.outputs[0]) ? nullptr : "rows that are strided";
}

// What follows a sum: the residual, then the activation. Rows of the residual are `row_stride` apart.
class Epilogue {
 public:
  template <class Attributes>
  Epilogue(const Attributes& a, const HearthTensor& residual, int64_t row_stride, int64_t rows)
      : residual_{floats(residual), Spread::Full, row_stride, std::max<int64_t>(rows, 1)} {
    if (residual.data != nullptr) steps_[count_++] = {.op = Pointwise::Add, .operand = 0};
    if (a.activation != 0) steps_[count_++] = {.op = step_of_activation(a.activation), .a = a.a, .b = a.b};
  }
  PointwiseProgram program() const { return {{steps_, count_}, {&residual_, 1}}; }

 private:
  Operand residual_;
  PointwiseStep steps_[2];
  size_t count_ = 0;
};

ConvShape conv_shape(const HearthOpCall& call) {
  const auto& a = attributes_of<Conv2dAttributes>(call);
  const HearthTensor &x = call.inputs[0], &w = call.inputs[1], &y = call.outputs[0];
  return {.batch = x.dims[0],
          .height = x.dims[1],
          .width = x.dims[2],
          .channels = x.dims[3],
          .out_height = y.dims[1],
          .out_width = y.dims[2],
          .out_channels = y.dims[3],
          .kernel_height = w.dims[2],
          .kernel_width = w.dims[3],
          .stride_height = a.stride_height,
          .stride_width = a.stride_width,
          .dilation_height = a.dilation_height,
          .dilation_width = a.dilation_width,
          .pad_top = a.pad_top,
          .pad_left = a.pad_left,
          .groups = a.groups};
}

// With rounded factors the direct one is the only one whose products are of them.
ConvAlgorithm algorithm_of(const Conv2dAttributes& a, const ConvShape& shape, const DenseKernels& kernels) {
  if (a.algorithm != 0) return static_cast<ConvAlgorithm>(a.algorithm - 1);
  const auto factors = static_cast<Factors>(a.factors);
  return factors == Factors::F32 ? kernels.choose_conv(shape, factors) : ConvAlgorithm::Direct;
}

bool serves(ConvAlgorithm algorithm, const ConvShape& s, Factors factors) {
  switch (algorithm) {
    case ConvAlgorithm::Direct:
      return true;
    case ConvAlgorithm::Winograd:
      return factors == Factors::F32 && s.kernel_height == 3 && s.kernel_width == 3 && s.stride_height == 1 &&
             s.stride_width == 1 && s.dilation_height == 1 && s.dilation_width == 1 && s.groups == 1;
    case ConvAlgorithm::Depthwise:
      return factors == Factors::F32 && s.groups == s.channels && s.groups == s.out_channels;
  }
  return false;
}

static_assert(static_cast<int>(ConvAlgorithm::Direct) + 1 == choice_number(kConvAlgorithms, "direct") &&
              static_cast<int>(ConvAlgorithm::Winograd) + 1 == choice_number(kConvAlgorithms, "winograd") &&
              static_cast<int>(ConvAlgorithm::Depthwise) + 1 == choice_number(kConvAlgorithms, "depthwise"));
static_assert(static_cast<int>(Factors::F32) == choice_number(kFactorTypes, "f32") &&
              static_cast<int>(Factors::BF16) == choice_number(kFactorTypes, "bf16"));

}  // namespace

// ---- products

const char* refuses_dense_matmul(const HearthOpCall&) {
  return nullptr;
}

template <Isa isa>
int launch_dense_matmul(void* stream_, const HearthOpCall* call) {
  if (nothing_to_do(call)) return HEARTH_OK;
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const DenseKernels& kernels = dense_kernels(isa);
  const auto& a = attributes_of<DenseMatmulAttributes>(*call);
  const HearthTensor &x = call->inputs[0], &w = call->inputs[1], &residual = call->inputs[3], &y = call->outputs[0];
  const int64_t m = x.dims[0], k = x.dims[1], n = w.dims[1];
  const auto factors = static_cast<Factors>(a.factors);
  void* packed = area(stream, kScratchWeights, kernels.packed_matrix_bytes(k, n, factors));
  if (packed == nullptr) return HEARTH_NO_MEMORY;
  kernels.pack_matrix(floats(w), w.strides[0], 1, k, n, nullptr, factors, packed);
  const Epilogue epilogue(a, residual, residual.strides[0], m);
  const MatmulJob job{.m = m,
                      .n = n,
                      .k = k,
                      .a = floats(x),
                      .lda = x.strides[0],
                      .b = packed,
                      .factors = factors,
                      .bias = floats(call->inputs[2]),
                      .c = data_of<float>(y),
                      .ldc = y.strides[0],
                      .program = epilogue.program()};
  void* work = area(stream, kScratchDense, kernels.matmul_scratch(job, thread_count(stream)));
  if (work == nullptr) return HEARTH_NO_MEMORY;
  kernels.matmul(job, work, stream.pool);
  return HEARTH_OK;
}

const char* refuses_conv2d(const HearthOpCall& call) {
  const auto& a = attributes_of<Conv2dAttributes>(call);
  const HearthTensor &x = call.inputs[0], &residual = call.inputs[3];
  const ConvShape s = conv_shape(call);
  if (a.algorithm != 0 && !serves(static_cast<ConvAlgorithm>(a.algorithm - 1), s, static_cast<Factors>(a.factors)))
    return "the algorithm does not serve this shape or these factors";
  if (pixel_stride(x) < 0 || pixel_stride(call.outputs[0]) < 0 ||
      (residual.data != nullptr && pixel_stride(residual) < 0))
    return "pixels that are not evenly apart";
  if (element_count(x) == 0 && element_count(call.outputs[0]) > 0) return "images without pixels";
  const auto span = [](int64_t kernel, int64_t dilation) { return static_cast<double>((kernel - 1) * dilation + 1); };
  if (span(s.kernel_height, s.dilation_height) * span(s.kernel_width, s.dilation_width) *
          static_cast<double>(s.channels) >
      kMaxWindowNumbers)
    return "a window that spans more than 2^32 numbers";
  return nullptr;
}

template <Isa isa>
int launch_conv2d(void* stream_, const HearthOpCall* call) {
  if (nothing_to_do(call)) return HEARTH_OK;
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const DenseKernels& kernels = dense_kernels(isa);
  const auto& a = attributes_of<Conv2dAttributes>(*call);
  const HearthTensor &x = call->inputs[0], &residual = call->inputs[3], &y = call->outputs[0];
  const ConvShape shape = conv_shape(*call);
  const auto factors = static_cast<Factors>(a.factors);
  const ConvAlgorithm algorithm = algorithm_of(a, shape, kernels);
  void* packed = area(stream, kScratchWeights, kernels.packed_conv_bytes(shape, algorithm, factors));
  if (packed == nullptr) return HEARTH_NO_MEMORY;
  kernels.pack_conv(floats(call->inputs[1]), shape, nullptr, algorithm, factors, packed);
  const Epilogue epilogue(a, residual, residual.data != nullptr ? pixel_stride(residual) : 0,
                          shape.batch * shape.out_height * shape.out_width);
  const ConvJob job{.shape = shape,
                    .algorithm = algorithm,
                    .factors = factors,
                    .x = floats(x),
                    .x_stride = pixel_stride(x),
                    .w = packed,
                    .bias = floats(call->inputs[2]),
                    .y = data_of<float>(y),
                    .y_stride = pixel_stride(y),
                    .program = epilogue.program()};
  void* work = area(stream, kScratchDense, kernels.conv_scratch(job, thread_count(stream)));
  if (work == nullptr) return HEARTH_NO_MEMORY;
  kernels.conv(job, work, stream.pool);
  return HEARTH_OK;
}

const char* refuses_dense_attention(const HearthOpCall& call) {
  return call.inputs[0].dims[3] == 0 ? "heads without numbers" : nullptr;
}

template <Isa isa>
int launch_dense_attention(void* stream_, const HearthOpCall* call) {
  if (nothing_to_do(call)) return HEARTH_OK;
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const DenseKernels& kernels = dense_kernels(isa);
  const HearthTensor &q = call->inputs[0], &k = call->inputs[1], &v = call->inputs[2], &mask = call->inputs[3];
  const HearthTensor& y = call->outputs[0];
  const auto rows_first = [](const HearthTensor& t) {
    return AttentionStrides{.batch = t.strides[0], .head = t.strides[2], .row = t.strides[1]};
  };
  const auto broadcast = [&](int i) { return mask.dims[i] == 1 ? 0 : mask.strides[i]; };
  AttentionJob job{.batch = q.dims[0],
                   .heads = q.dims[2],
                   .kv_heads = k.dims[2],
                   .queries = q.dims[1],
                   .keys = k.dims[1],
                   .head_size = q.dims[3],
                   .value_size = v.dims[3],
                   .scale = attributes_of<DenseAttentionAttributes>(*call).scale,
                   .q = floats(q),
                   .k = floats(k),
                   .v = floats(v),
                   .q_strides = rows_first(q),
                   .k_strides = rows_first(k),
                   .v_strides = rows_first(v),
                   .mask = floats(mask),
                   .mask_strides = {},
                   .out = data_of<float>(y),
                   .out_strides = rows_first(y)};
  if (mask.data != nullptr) {
    job.mask_strides = {.batch = broadcast(0), .head = broadcast(1), .row = broadcast(2)};
    job.mask_column = mask.dims[3] == 1 ? 0 : 1;
  }
  void* work = area(stream, kScratchDense, kernels.attention_scratch(job, thread_count(stream)));
  if (work == nullptr) return HEARTH_NO_MEMORY;
  kernels.attention(job, work, stream.pool);
  return HEARTH_OK;
}

// ---- rows and pixels

const char* refuses_pool2d(const HearthOpCall& call) {
  return refuses_strides(call);
}

template <Isa isa>
int launch_pool2d(void* stream, const HearthOpCall* call) {
  if (nothing_to_do(call)) return HEARTH_OK;
  const auto& a = attributes_of<Pool2dAttributes>(*call);
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  const PoolJob job{.shape = {.batch = x.dims[0],
                              .height = x.dims[1],
                              .width = x.dims[2],
                              .channels = x.dims[3],
                              .out_height = y.dims[1],
                              .out_width = y.dims[2],
                              .kernel_height = a.kernel_height,
                              .kernel_width = a.kernel_width,
                              .stride_height = a.stride_height,
                              .stride_width = a.stride_width,
                              .dilation_height = a.dilation_height,
                              .dilation_width = a.dilation_width,
                              .pad_top = a.pad_top,
                              .pad_left = a.pad_left},
                    .x = floats(x),
                    .y = data_of<float>(y),
                    .average = a.kind != choice_number(kPoolings, "max"),
                    .count_include_pad = a.kind == choice_number(kPoolings, "average_with_pads"),
                    .pad_bottom = a.pad_bottom,
                    .pad_right = a.pad_right};
  dense_kernels(isa).pool(job, static_cast<CpuStream*>(stream)->pool);
  return HEARTH_OK;
}

const char* refuses_pointwise(const HearthOpCall&) {
  return nullptr;
}

template <Isa isa>
int launch_pointwise(void* stream, const HearthOpCall* call) {
  if (nothing_to_do(call)) return HEARTH_OK;
  const auto& a = attributes_of<PointwiseAttributes>(*call);
  const HearthTensor &x = call->inputs[0], &o = call->inputs[1], &y = call->outputs[0];
  PointwiseStep step{.op = static_cast<Pointwise>(a.step), .a = a.a, .b = a.b};
  Operand operand;
  if (o.data != nullptr) {
    step.operand = 0;
    const bool one_row = o.dims[0] == 1, one_column = o.dims[1] == 1;
    operand = {
        .data = floats(o),
        .spread = one_column ? (one_row ? Spread::Number : Spread::Row) : (one_row ? Spread::Column : Spread::Full),
        .row_stride = o.strides[0],
        .period = o.dims[0]};
  }
  dense_kernels(isa).pointwise(floats(x), x.strides[0], data_of<float>(y), y.strides[0], x.dims[0], x.dims[1],
                               {{&step, 1}, {&operand, 1}}, static_cast<CpuStream*>(stream)->pool);
  return HEARTH_OK;
}

const char* refuses_dense_softmax(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  if (dtype_of(x) != DType::F32) return "rows that are not f32";
  if (!is_contiguous(x) || !is_contiguous(y)) return "rows that are strided";
  if (attributes_of<SoftmaxAttributes>(call).temperature != 1) return "a temperature";
  return x.dims[1] > kShortRow ? "long rows" : nullptr;
}

template <Isa isa>
int launch_dense_softmax(void* stream, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  dense_kernels(isa).softmax(floats(x), data_of<float>(y), x.dims[0], x.dims[1], static_cast<CpuStream*>(stream)->pool);
  return HEARTH_OK;
}

const char* refuses_layer_norm(const HearthOpCall& call) {
  return refuses_strides(call);
}

template <Isa isa>
int launch_layer_norm(void* stream, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  dense_kernels(isa).layer_norm(floats(x), floats(call->inputs[1]), floats(call->inputs[2]),
                                attributes_of<LayerNormAttributes>(*call).eps, data_of<float>(y), x.dims[0], x.dims[1],
                                static_cast<CpuStream*>(stream)->pool);
  return HEARTH_OK;
}

const char* refuses_column_means(const HearthOpCall& call) {
  return refuses_strides(call);
}

template <Isa isa>
int launch_column_means(void* stream, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  dense_kernels(isa).column_means(floats(x), data_of<float>(y), x.dims[0], x.dims[1], x.dims[2],
                                  static_cast<CpuStream*>(stream)->pool);
  return HEARTH_OK;
}

const char* refuses_transpose2d(const HearthOpCall& call) {
  return refuses_strides(call);
}

template <Isa isa>
int launch_transpose2d(void* stream, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  dense_kernels(isa).transpose(floats(x), data_of<float>(y), x.dims[0], x.dims[1], x.dims[2],
                               static_cast<CpuStream*>(stream)->pool);
  return HEARTH_OK;
}

#define HEARTH_CPU_DENSE_OP(Name, name)                                  \
  template int launch_##name<Isa::Portable>(void*, const HearthOpCall*); \
  template int launch_##name<Isa::Avx2>(void*, const HearthOpCall*);     \
  template int launch_##name<Isa::Avx512>(void*, const HearthOpCall*);
HEARTH_CPU_DENSE_OPS(HEARTH_CPU_DENSE_OP)
#undef HEARTH_CPU_DENSE_OP

}  // namespace hearth::ops::cpu

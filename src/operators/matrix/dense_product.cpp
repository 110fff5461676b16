#include "operators/matrix/dense_product.h"

#include <algorithm>
#include <array>

#include "operators/pack_weight.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::operators {

namespace {

using ops::cpu::ConvShape;
using ops::cpu::dense_kernels;
using ops::cpu::Factors;

int threads_of(Call& call) {
  return call.pool() != nullptr ? call.pool()->threads() : 1;
}

Result<Scratch<std::byte>> room_for(Call& call, size_t bytes) {
  return Scratch<std::byte>::make(call, {static_cast<int64_t>(bytes)});
}

}  // namespace

Result<Tensor> pack_matrix(const float* b, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n,
                           TensorMemory& memory) {
  const auto& kernels = dense_kernels();
  const size_t bytes = kernels.packed_matrix_bytes(k, n, Factors::F32);
  ASSIGN_OR_RETURN(Tensor panels, Tensor::allocate(DType::U8, {static_cast<int64_t>(bytes)}, memory));
  kernels.pack_matrix(b, row_stride, column_stride, k, n, nullptr, Factors::F32, panels.mutable_raw());
  return panels;
}

Result<std::unique_ptr<Prepared>> pack_right_factor(const Tensor& tensor, bool transposed, int64_t k, int64_t n) {
  if (tensor.dtype() != DType::F32 || k == 0 || n == 0) return nullptr;
  StridedFloats b = StridedFloats::of(tensor);
  constexpr int64_t kSwapped[] = {1, 0};
  const auto turned = [&] { return !transposed || b.permute(1, std::array{n, k}, kSwapped); };
  if (!turned()) {  // its elements can always be seen so
    ASSIGN_OR_RETURN(const Tensor written, tensor.clone());
    b = StridedFloats::of(written);
    CHECK(turned());
  }
  auto packed = std::make_unique<PackedMatrix>();
  packed->k = k;
  packed->n = n;
  ASSIGN_OR_RETURN(packed->panels, WeightPacking::matrix(std::move(b), k, n, Factors::F32).pack());
  packed->bytes = packed->panels.bytes();
  packed->replaces = 1u << 1;
  return packed;
}

Result<> run_matmul_job(Call& call, const ops::cpu::MatmulJob& job) {
  const auto& kernels = dense_kernels();
  const size_t bytes = kernels.matmul_scratch(job, threads_of(call));
  Scratch<std::byte> scratch;
  if (bytes > 0) {
    ASSIGN_OR_RETURN(scratch, room_for(call, bytes));
  }
  kernels.matmul(job, scratch.data(), call.pool());
  return {};
}

Result<> multiply_stack(Call& call, const MatrixStack& stack, const std::function<const float*(int64_t)>& a,
                        const std::function<const float*(int64_t)>& b) {
  const auto& kernels = dense_kernels();
  ops::cpu::MatmulJob job{.m = stack.m, .n = stack.n, .k = stack.k, .lda = stack.k, .ldc = stack.n};
  const int64_t threads = threads_of(call);
  // Whole products are divided among the threads when there are enough of them, else each product is.
  const int64_t runs = stack.count >= 2 * threads ? threads : 1;
  const size_t packed_bytes = (kernels.packed_matrix_bytes(stack.k, stack.n, Factors::F32) + 63) / 64 * 64;
  const size_t bytes =
      packed_bytes + (kernels.matmul_scratch(job, runs > 1 ? 1 : static_cast<int>(threads)) + 63) / 64 * 64;
  ASSIGN_OR_RETURN(const auto room, room_for(call, bytes * static_cast<size_t>(runs)));
  ops::cpu::ThreadPool* const pool = runs > 1 ? nullptr : call.pool();
  const auto run = [&](int64_t part) {
    std::byte* const panels = room.data() + bytes * static_cast<size_t>(part);
    ops::cpu::MatmulJob one = job;
    one.b = panels;
    const float* packed = nullptr;
    for (int64_t i = stack.count * part / runs; i < stack.count * (part + 1) / runs; ++i) {
      const float* right = b(i);
      if (right != packed) kernels.pack_matrix(right, stack.n, 1, stack.k, stack.n, nullptr, Factors::F32, panels);
      packed = right;
      one.a = a(i);
      one.c = stack.c + i * stack.m * stack.n;
      kernels.matmul(one, panels + packed_bytes, pool);
    }
  };
  if (runs == 1) {
    run(0);
    return {};
  }
  call.parallel(runs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) run(part);
  });
  return {};
}

Result<std::unique_ptr<Prepared>> pack_conv_weight(const graph::Node& node, const Tensor& weight) {
  const int64_t groups = node.int_or("group", 1);
  if (weight.dtype() != DType::F32 || weight.rank() < 3 || weight.rank() > 4 || weight.size() == 0 || groups < 1 ||
      weight.dim(0) % groups != 0)
    return nullptr;
  if (weight.size() / (weight.dim(0) * weight.dim(1)) > kMostDenseTaps) return nullptr;
  // Numbers that run refuses: nothing is chosen by them.
  const auto ints = [&](std::string_view name, int axis, int64_t otherwise) {
    const auto given = node.ints(name);
    return static_cast<int>(given.size()) > axis ? std::max<int64_t>(given[static_cast<size_t>(axis)], 1) : otherwise;
  };
  const bool flat = weight.rank() == 3;
  int64_t channels = 0;
  if (__builtin_mul_overflow(weight.dim(1), groups, &channels)) return nullptr;
  const ConvShape shape{.batch = 0,
                        .height = 0,
                        .width = 0,
                        .channels = channels,
                        .out_height = 0,
                        .out_width = 0,
                        .out_channels = weight.dim(0),
                        .kernel_height = flat ? 1 : weight.dim(2),
                        .kernel_width = weight.dims().back(),
                        .stride_height = flat ? 1 : ints("strides", 0, 1),
                        .stride_width = ints("strides", flat ? 0 : 1, 1),
                        .dilation_height = flat ? 1 : ints("dilations", 0, 1),
                        .dilation_width = ints("dilations", flat ? 0 : 1, 1),
                        .groups = groups};
  const auto& kernels = dense_kernels();
  auto packed = std::make_unique<PackedConv>();
  packed->dims = weight.dims();
  packed->groups = groups;
  packed->algorithm = kernels.choose_conv(shape, Factors::F32);
  ASSIGN_OR_RETURN(packed->panels,
                   WeightPacking::conv(StridedFloats::of(weight), shape, packed->algorithm, Factors::F32).pack());
  packed->bytes = packed->panels.bytes();
  packed->replaces = 1u << 1;
  return packed;
}

bool dense_shape(const Window& window, int64_t n, int64_t channels, ConvShape& shape) {
  if (window.axes < 1 || window.axes > 2 || window.taps() > kMostDenseTaps || n == 0 || channels == 0 ||
      window.in_size() == 0)
    return false;
  const WindowAxis& w = window.last();
  shape = ConvShape{.batch = n,
                    .height = 1,
                    .width = w.in,
                    .channels = channels,
                    .out_height = 1,
                    .out_width = w.out,
                    .out_channels = channels,
                    .kernel_height = 1,
                    .kernel_width = w.kernel,
                    .stride_height = 1,
                    .stride_width = w.stride,
                    .dilation_height = 1,
                    .dilation_width = w.dilation,
                    .pad_top = 0,
                    .pad_left = w.pad_begin};
  if (window.axes == 2) {
    const WindowAxis& h = window.axis[0];
    shape.height = h.in;
    shape.out_height = h.out;
    shape.kernel_height = h.kernel;
    shape.stride_height = h.stride;
    shape.dilation_height = h.dilation;
    shape.pad_top = h.pad_begin;
  }
  return true;
}

Result<const float*> channels_last(Call& call, const float* x, int64_t n, int64_t channels, int64_t positions,
                                   Scratch<float>& room) {
  if (channels == 1 || positions == 1) return x;
  ASSIGN_OR_RETURN(room, Scratch<float>::make(call, {n, channels, positions}));
  dense_kernels().transpose(x, room.data(), n, channels, positions, call.pool());
  return room.data();
}

Result<> convolve_channels_first(Call& call, const ConvShape& shape, const float* x, const PackedConv* packed,
                                 const float* weight, const float* bias, float* y) {
  const auto& kernels = dense_kernels();
  ops::cpu::ConvJob job;
  job.shape = shape;
  Scratch<std::byte> panels;
  if (packed != nullptr) {
    job.algorithm = packed->algorithm;
    job.w = packed->panels.raw();
  } else {
    job.algorithm = kernels.choose_conv(shape, Factors::F32);
    ASSIGN_OR_RETURN(panels, room_for(call, kernels.packed_conv_bytes(shape, job.algorithm, Factors::F32)));
    kernels.pack_conv(weight, shape, nullptr, job.algorithm, Factors::F32, panels.data());
    job.w = panels.data();
  }
  Scratch<float> in, out;
  ASSIGN_OR_RETURN(job.x, channels_last(call, x, shape.batch, shape.channels, shape.height * shape.width, in));
  job.x_stride = shape.channels;
  job.bias = bias;
  const int64_t positions = shape.out_height * shape.out_width;
  const bool same = shape.out_channels == 1 || positions == 1;
  if (!same) {
    ASSIGN_OR_RETURN(out, Scratch<float>::make(call, {shape.batch, positions, shape.out_channels}));
  }
  job.y = same ? y : out.data();
  job.y_stride = shape.out_channels;
  const size_t bytes = kernels.conv_scratch(job, threads_of(call));
  Scratch<std::byte> scratch;
  if (bytes > 0) {
    ASSIGN_OR_RETURN(scratch, room_for(call, bytes));
  }
  kernels.conv(job, scratch.data(), call.pool());
  if (!same) kernels.transpose(out.data(), y, shape.batch, positions, shape.out_channels, call.pool());
  return {};
}

}  // namespace hearth::operators

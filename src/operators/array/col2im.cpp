#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

constexpr int kMaxAxes = HEARTH_MAX_RANK - 2;

struct Axis {
  int64_t image, block, stride, dilation, pad, blocks;  // blocks: how many places the block takes along this axis
};

using SummedTypes = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                             uint32_t, uint64_t, bool, std::complex<float>, std::complex<double>>;

Result<std::vector<int64_t>> read_attribute(const Call& call, std::string_view name, size_t count, int64_t otherwise,
                                            int64_t least) {
  const auto given = call.node().ints(name);
  std::vector<int64_t> values(given.begin(), given.end());
  if (!call.node().has(name)) values.assign(count, otherwise);
  if (values.size() != count) return call.invalid("attribute {}; got {} numbers, need {}", name, values.size(), count);
  for (const int64_t value : values)
    if (value < least || value > kMaxTensorElements)
      return call.invalid("attribute {}; got {}, need {} to {}", name, value, least, kMaxTensorElements);
  return values;
}

Result<std::vector<Axis>> read_axes(const Call& call) {
  ASSIGN_OR_RETURN(const auto image, int_list(call, 1));
  ASSIGN_OR_RETURN(const auto block, int_list(call, 2));
  const size_t count = image.size();
  if (count < 1 || count > kMaxAxes || block.size() != count)
    return call.invalid("image_shape and block_shape; got {} and {} sizes, need as many of each, 1 to {}", count,
                        block.size(), kMaxAxes);
  ASSIGN_OR_RETURN(const auto strides, read_attribute(call, "strides", count, 1, 1));
  ASSIGN_OR_RETURN(const auto dilations, read_attribute(call, "dilations", count, 1, 1));
  ASSIGN_OR_RETURN(const auto pads, read_attribute(call, "pads", 2 * count, 0, 0));
  std::vector<Axis> axes;
  for (size_t i = 0; i < count; ++i) {
    if (image[i] < 1 || block[i] < 1 || image[i] > kMaxTensorElements || block[i] > kMaxTensorElements)
      return call.invalid("size of image or block; got {} and {}, need 1 to {}", image[i], block[i],
                          kMaxTensorElements);
    // Each factor is below 2^41: only the product may be too large.
    ASSIGN_OR_RETURN(const int64_t reach, multiply_sizes(call, dilations[i], block[i] - 1));
    const int64_t room = image[i] + pads[i] + pads[count + i] - 1 - reach;
    if (room < 0)
      return call.invalid("block; got {} positions along axis {}, need at most {}", reach + 1, i, room + reach + 1);
    axes.push_back({image[i], block[i], strides[i], dilations[i], pads[i], room / strides[i] + 1});
  }
  return axes;
}

Result<int64_t> product(const Call& call, std::span<const Axis> axes, int64_t Axis::* size) {
  int64_t all = 1;
  for (const Axis& axis : axes) {
    ASSIGN_OR_RETURN(all, multiply_sizes(call, all, axis.*size));
  }
  return all;
}

// Integers wrap; the sum of booleans is their or.
template <class T>
T sum(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}

// Adds the blocks of one element of the block (at `offset` in it) to the image of one channel.
template <class T, class Sum>
void add_blocks(std::span<const Axis> axes, const int64_t* offset, const T* blocks, Sum* image) {
  const size_t last = axes.size() - 1;
  const Axis& inner = axes[last];
  const int64_t shift = offset[last] * inner.dilation - inner.pad;
  // The first and one past the last block of a row that lie within the image.
  const int64_t begin = shift >= 0 ? 0 : std::min(inner.blocks, (-shift + inner.stride - 1) / inner.stride);
  const int64_t end = shift >= inner.image ? 0 : std::min(inner.blocks, (inner.image - 1 - shift) / inner.stride + 1);
  int64_t at[kMaxAxes] = {};
  for (;;) {
    int64_t row = 0;
    bool inside = true;
    for (size_t i = 0; i < last; ++i) {
      const int64_t position = at[i] * axes[i].stride + offset[i] * axes[i].dilation - axes[i].pad;
      inside &= position >= 0 && position < axes[i].image;
      row = inside ? row * axes[i].image + position : 0;
    }
    if (inside) {
      Sum* to = image + row * inner.image;
      for (int64_t b = begin; b < end; ++b) {
        Sum& target = to[b * inner.stride + shift];
        target = sum(target, static_cast<Sum>(blocks[b]));
      }
    }
    blocks += inner.blocks;
    size_t i = last;
    while (i > 0 && ++at[i - 1] == axes[i - 1].blocks) at[--i] = 0;
    if (i == 0) return;
  }
}

template <class T>
Result<> run_typed(Call& call, const Tensor& input, std::span<const Axis> axes, int64_t images, int64_t block_size,
                   int64_t block_count, int64_t image_size, Tensor& output) {
  using Sum = ComputeType<T>;
  Tensor sums = output;
  if constexpr (!std::is_same_v<T, Sum>) {
    ASSIGN_OR_RETURN(sums, Tensor::allocate(dtype_of_type<Sum>, output.dims(), call.memory()));
  }
  Sum* to = static_cast<Sum*>(sums.mutable_raw());
  std::fill_n(to, sums.size(), Sum{});
  call.parallel(images, 1, [&](int64_t first, int64_t past) {
    for (int64_t image = first; image < past; ++image) {
      int64_t offset[kMaxAxes] = {};
      for (int64_t k = 0; k < block_size; ++k) {
        add_blocks(axes, offset, input.data<T>() + (image * block_size + k) * block_count, to + image * image_size);
        for (size_t i = axes.size(); i > 0 && ++offset[i - 1] == axes[i - 1].block; --i) offset[i - 1] = 0;
      }
    }
  });
  if constexpr (!std::is_same_v<T, Sum>)
    std::transform(to, to + sums.size(), output.mutable_data<T>(), [](Sum sum) { return T(sum); });
  return {};
}

}  // namespace

Result<> run_col2im(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const auto axes, read_axes(call));
  if (input->rank() != 3) return call.invalid("input; got shape {}, need 3 dimensions", to_string(input->dims()));
  ASSIGN_OR_RETURN(const int64_t block_size, product(call, axes, &Axis::block));
  ASSIGN_OR_RETURN(const int64_t block_count, product(call, axes, &Axis::blocks));
  ASSIGN_OR_RETURN(const int64_t image_size, product(call, axes, &Axis::image));
  if (input->dim(1) % block_size != 0)
    return call.invalid("input; got shape {}, need a multiple of {} in dimension 1", to_string(input->dims()),
                        block_size);
  if (input->dim(2) != block_count)
    return call.invalid("input; got shape {}, need {} blocks in dimension 2", to_string(input->dims()), block_count);
  Dims dims = {input->dim(0), input->dim(1) / block_size};
  for (const Axis& axis : axes) dims.push_back(axis.image);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), dims));
  if (output->size() == 0) return {};
  Result<> done;
  if (!with_type(SummedTypes{}, input->dtype(), [&]<class T>() {
        done = run_typed<T>(call, *input, axes, dims[0] * dims[1], block_size, block_count, image_size, *output);
      }))
    return call.invalid("element type; got {}, need numbers", to_string(input->dtype()));
  return done;
}

}  // namespace hearth::operators

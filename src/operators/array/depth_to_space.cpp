#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

struct Blocks {
  const Tensor* input;
  int64_t n, c, h, w, size;
};

Result<Blocks> read_blocks(const Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  if (input->rank() != 4) return call.invalid("input; got shape {}, need 4 dimensions", to_string(input->dims()));
  const int64_t size = call.node().int_or("blocksize", 0);
  // The bound keeps the square of it a number.
  if (size < 1 || size > 1 << 20) return call.invalid("attribute blocksize; got {}, need 1 to {}", size, 1 << 20);
  return Blocks{input, input->dim(0), input->dim(1), input->dim(2), input->dim(3), size};
}

}  // namespace

Result<> run_depth_to_space(Call& call) {
  ASSIGN_OR_RETURN(const Blocks in, read_blocks(call));
  const auto [input, n, c, h, w, b] = in;
  const std::string_view mode = call.node().string_or("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") return call.invalid("attribute mode; got '{}', need DCR or CRD", mode);
  if (c % (b * b) != 0) return call.invalid("channels; got {}, need a multiple of {}", c, b * b);
  const int64_t depth = c / (b * b);
  ASSIGN_OR_RETURN(const int64_t height, multiply_sizes(call, h, b));
  ASSIGN_OR_RETURN(const int64_t width, multiply_sizes(call, w, b));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), {n, depth, height, width}));
  if (output->size() == 0) return {};
  // An input channel is (row, column, depth) in DCR, (depth, row, column) in CRD.
  const int64_t plane = h * w;
  const int64_t by_depth = (mode == "DCR" ? 1 : b * b) * plane, by_row = (mode == "DCR" ? depth * b : b) * plane,
                by_column = (mode == "DCR" ? depth : 1) * plane;
  StridedCopy box;
  box.add(n, depth * height * width, c * plane);
  box.add(depth, height * width, by_depth);
  box.add(h, b * width, w);
  box.add(b, width, by_row);
  box.add(w, b, 1);
  box.add(b, 1, by_column);
  copy_strided(call, input->dtype(), box, output->mutable_raw(), input->raw());
  return {};
}

Result<> run_space_to_depth(Call& call) {
  ASSIGN_OR_RETURN(const Blocks in, read_blocks(call));
  const auto [input, n, c, height, width, b] = in;
  if (height % b != 0 || width % b != 0)
    return call.invalid("height and width; got {} and {}, need multiples of {}", height, width, b);
  const int64_t h = height / b, w = width / b;
  ASSIGN_OR_RETURN(const int64_t channels, multiply_sizes(call, c, b * b));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), {n, channels, h, w}));
  if (output->size() == 0) return {};
  const int64_t plane = h * w;
  StridedCopy box;  // in the order of the output: batch, row and column in the block, channel, height, width
  box.add(n, channels * plane, c * height * width);
  box.add(b, b * c * plane, width);
  box.add(b, c * plane, 1);
  box.add(c, plane, height * width);
  box.add(h, w, b * width);
  box.add(w, 1, b);
  copy_strided(call, input->dtype(), box, output->mutable_raw(), input->raw());
  return {};
}

}  // namespace hearth::operators

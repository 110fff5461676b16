// DFT and STFT.
#include <algorithm>
#include <complex>

#include "operators/axes.h"
#include "operators/matrix/fourier.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

namespace {

struct DftShape {
  int64_t outer = 1, in = 0, inner = 1;  // around the axis
  int64_t parts = 1;                     // of an input element: real, or real and imaginary
  int64_t length = 0, out = 0;           // of the transform, and of what the output has of it
  bool inverse = false, onesided = false;
  int64_t out_parts() const { return inverse && onesided ? 1 : 2; }
};

Result<int64_t> read_axis(const Call& call, int rank) {
  int64_t axis = call.opset() >= 20 ? -2 : call.node().int_or("axis", 1);
  if (call.opset() >= 20 && call.has(2)) {
    ASSIGN_OR_RETURN(axis, one_int(call, 2));
  }
  if (axis < -rank || axis > rank - 2 || axis == -1)
    return call.invalid("axis; got {}, need one in [{}, -2] or [0, {}]", axis, -rank, rank - 2);
  return axis < 0 ? axis + rank : axis;
}

Result<DftShape> read_dft(const Call& call, const Dims& dims, int64_t& axis) {
  if (dims.rank() < 2 || (dims.back() != 1 && dims.back() != 2))
    return call.invalid("input; got {}, need signal dimensions and a last one of 1 or 2", to_string(dims));
  ASSIGN_OR_RETURN(axis, read_axis(call, dims.rank()));
  DftShape shape;
  shape.parts = dims.back();
  shape.inverse = call.node().int_or("inverse", 0) != 0;
  shape.onesided = call.node().int_or("onesided", 0) != 0;
  if (shape.onesided && !shape.inverse && shape.parts != 1)
    return call.invalid("input; got complex elements, need real ones for a one-sided transform");
  if (shape.onesided && shape.inverse && shape.parts != 2)
    return call.invalid("input; got real elements, need complex ones for a one-sided inverse");
  for (size_t i = 0; i + 1 < dims.size(); ++i) {
    if (static_cast<int64_t>(i) < axis) shape.outer *= dims[i];
    if (static_cast<int64_t>(i) > axis) shape.inner *= dims[i];
  }
  shape.in = dims[static_cast<size_t>(axis)];
  shape.length = shape.inverse && shape.onesided ? 2 * (shape.in - 1) : shape.in;
  if (call.has(1)) {
    ASSIGN_OR_RETURN(shape.length, one_int(call, 1));
  }
  if (shape.length < 1 || shape.length > kMaxTensorElements)
    return call.invalid("transform; got a length of {}, need [1, {}]", shape.length, kMaxTensorElements);
  shape.out = shape.onesided && !shape.inverse ? shape.length / 2 + 1 : shape.length;
  return shape;
}

// One line of the input as a transform of `length` sees it: cut or filled with zeros; for a one-sided inverse the
// other half follows from the symmetry of real signals.
template <class C, class R>
void load_line(const DftShape& shape, const C* from, int64_t step, std::complex<R>* line) {
  const bool mirrored = shape.inverse && shape.onesided;
  const int64_t wanted = mirrored ? shape.length / 2 + 1 : shape.length, given = std::min(wanted, shape.in);
  for (int64_t i = 0; i < given; ++i) {
    const C* element = from + i * step;
    line[i] = {static_cast<R>(element[0]), shape.parts == 2 ? static_cast<R>(element[1]) : R{0}};
  }
  std::fill(line + given, line + shape.length, std::complex<R>{});
  if (!mirrored) return;
  line[0] = line[0].real();
  if (shape.length % 2 == 0) line[shape.length / 2] = line[shape.length / 2].real();
  for (int64_t i = 1; i < wanted; ++i) line[shape.length - i] = std::conj(line[i]);
}

template <class C, class R>
void store_line(const DftShape& shape, const std::complex<R>* line, int64_t step, C* to) {
  const R factor = shape.inverse ? 1 / static_cast<R>(shape.length) : R{1};
  for (int64_t i = 0; i < shape.out; ++i) {
    C* element = to + i * step;
    element[0] = static_cast<C>(line[i].real() * factor);
    if (shape.out_parts() == 2) element[1] = static_cast<C>(line[i].imag() * factor);
  }
}

int64_t transform_cost(int64_t length) {
  return static_cast<int64_t>(std::min(static_cast<double>(length) * 64, 1e15));
}

// Elements C, transforms in R.
template <class C, class R>
Result<> transform_lines(Call& call, const DftShape& shape, const C* x, C* y) {
  ASSIGN_OR_RETURN(const auto plan, FourierPlan<R>::make(call, shape.length));
  const int64_t in_step = shape.inner * shape.parts, out_step = shape.inner * shape.out_parts();
  const int64_t room = 2 * (shape.length + plan.work_size());  // a complex number is two reals
  const auto run = [&](int64_t begin, int64_t end, R* scratch) {
    auto* const line = reinterpret_cast<std::complex<R>*>(scratch);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t outer = unit / shape.inner, inner = unit % shape.inner;
      load_line(shape, x + outer * shape.in * in_step + inner * shape.parts, in_step, line);
      plan.transform(line, line + shape.length, shape.inverse);
      store_line(shape, line, out_step, y + outer * shape.out * out_step + inner * shape.out_parts());
    }
  };
  return run_units<R>(call, shape.outer * shape.inner, transform_cost(shape.length), room, run);
}

// Complex float signals are transformed in float, as numpy does; real ones, whose spectra have exact zeros, in double.
template <class C>
Result<> dft(Call& call, const Tensor& input, const DftShape& shape, const Dims& dims) {
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, input.dtype(), dims));
  if (y.size() == 0) return {};
  ASSIGN_OR_RETURN(const auto x, Wide<C>::make(call, input));
  if constexpr (std::is_same_v<C, float>) {
    if (shape.parts == 2 && !shape.onesided && FourierPlan<float>::splits(shape.length)) {
      TRY((transform_lines<C, float>(call, shape, x.data(), y.data())));
      y.finish(call);
      return {};
    }
  }
  TRY((transform_lines<C, double>(call, shape, x.data(), y.data())));
  y.finish(call);
  return {};
}

struct StftShape {
  int64_t batch, samples, parts;
  int64_t frame = 0, step = 0, frames = 0, out = 0;
};

Result<StftShape> read_stft(const Call& call, const Dims& dims) {
  if ((dims.rank() != 3 || (dims[2] != 1 && dims[2] != 2)) && dims.rank() != 2)
    return call.invalid("signal; got {}, need [batch, samples, 1 or 2]", to_string(dims));
  StftShape shape{dims[0], dims[1], dims.rank() == 3 ? dims[2] : 1};
  ASSIGN_OR_RETURN(shape.step, one_int(call, 1));
  if (shape.step < 1) return call.invalid("frame_step; got {}, need at least 1", shape.step);
  int64_t window = -1;
  if (call.has(2)) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(2));
    if (tensor->rank() != 1) return call.invalid("window; got {}, need one dimension", to_string(tensor->dims()));
    window = tensor->size();
  }
  if (call.has(3)) {
    ASSIGN_OR_RETURN(shape.frame, one_int(call, 3));
  } else {
    shape.frame = window >= 0 ? window : shape.samples;
  }
  if (shape.frame < 1 || shape.frame > shape.samples)
    return call.invalid("frame; got a length of {}, need [1, {}], the signal's", shape.frame, shape.samples);
  if (window > shape.frame)
    return call.invalid("window; got a length of {}, need at most the frame's {}", window, shape.frame);
  const bool onesided = call.node().int_or("onesided", 1) != 0;
  if (onesided && shape.parts == 2)
    return call.invalid("signal; got complex elements, need real ones for a one-sided transform");
  shape.frames = 1 + (shape.samples - shape.frame) / shape.step;
  shape.out = onesided ? shape.frame / 2 + 1 : shape.frame;
  return shape;
}

template <class C>
Result<> stft(Call& call, const Tensor& signal, const StftShape& shape) {
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, signal.dtype(), {shape.batch, shape.frames, shape.out, 2}));
  if (y.size() == 0) return {};
  ASSIGN_OR_RETURN(const auto x, Wide<C>::make(call, signal));
  // A window shorter than the frame weighs its beginning; the rest is silence.
  int64_t weighted = shape.frame;
  Wide<C> window;
  if (call.has(2)) {
    weighted = call.input(2).size();
    ASSIGN_OR_RETURN(window, Wide<C>::make(call, call.input(2)));
  }
  using Complex = std::complex<double>;
  ASSIGN_OR_RETURN(const auto plan, FourierPlan<double>::make(call, shape.frame));
  TRY(run_units<double>(call, shape.batch * shape.frames, transform_cost(shape.frame),
                        2 * (shape.frame + plan.work_size()), [&](int64_t begin, int64_t end, double* scratch) {
                          auto* const line = reinterpret_cast<Complex*>(scratch);
                          for (int64_t unit = begin; unit < end; ++unit) {
                            const C* from =
                                x.data() +
                                (unit / shape.frames * shape.samples + unit % shape.frames * shape.step) * shape.parts;
                            for (int64_t i = 0; i < weighted; ++i) {
                              const double weight = window.data() != nullptr ? static_cast<double>(window[i]) : 1.0;
                              line[i] = {weight * static_cast<double>(from[i * shape.parts]),
                                         shape.parts == 2 ? weight * static_cast<double>(from[i * 2 + 1]) : 0.0};
                            }
                            std::fill(line + weighted, line + shape.frame, Complex{});
                            plan.transform(line, line + shape.frame, false);
                            C* to = y.data() + unit * shape.out * 2;
                            for (int64_t i = 0; i < shape.out; ++i) {
                              to[2 * i] = static_cast<C>(line[i].real());
                              to[2 * i + 1] = static_cast<C>(line[i].imag());
                            }
                          }
                        }));
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_dft(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  int64_t axis = 0;
  ASSIGN_OR_RETURN(const DftShape shape, read_dft(call, input->dims(), axis));
  Dims dims = input->dims();
  dims[static_cast<size_t>(axis)] = shape.out;
  dims[dims.size() - 1] = shape.out_parts();
  return in_working_float(call, input->dtype(), [&]<class C>() { return dft<C>(call, *input, shape, dims); });
}

Result<> run_stft(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* signal, call.tensor(0));
  ASSIGN_OR_RETURN(const StftShape shape, read_stft(call, signal->dims()));
  return in_working_float(call, signal->dtype(), [&]<class C>() { return stft<C>(call, *signal, shape); });
}

}  // namespace hearth::operators

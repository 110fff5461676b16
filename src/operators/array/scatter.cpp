#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/gather.h"
#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

enum class Reduction { None, Add, Mul, Max, Min };

Result<Reduction> read_reduction(const Call& call) {
  const std::string_view name = call.node().string_or("reduction", "none");
  if (name == "none") return Reduction::None;
  if (name == "add") return Reduction::Add;
  if (name == "mul") return Reduction::Mul;
  if (name == "max") return Reduction::Max;
  if (name == "min") return Reduction::Min;
  return call.invalid("attribute reduction; got '{}', need none, add, mul, max or min", name);
}

template <class T>
inline constexpr bool kIsComplex = requires(T t) { t.real(); };

template <class T>
bool is_nan(T value) {
  if constexpr (std::is_floating_point_v<T>) return value != value;
  return false;
}

// Integers wrap as hardware does; a NaN on either side stays one; sums and products of booleans are or and and.
template <class T>
T reduce(Reduction reduction, T a, T b) {
  using C = ComputeType<T>;
  const C x = static_cast<C>(a), y = static_cast<C>(b);
  if constexpr (kIsComplex<T>) {
    return reduction == Reduction::Add ? a + b : a * b;
  } else if constexpr (std::is_same_v<T, bool>) {
    return reduction == Reduction::Add || reduction == Reduction::Max ? a || b : a && b;
  } else {
    switch (reduction) {
      case Reduction::Add:
        if constexpr (std::is_integral_v<T>)
          return static_cast<T>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y));
        else
          return static_cast<T>(x + y);
      case Reduction::Mul:
        if constexpr (std::is_integral_v<T>)
          return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
        else
          return static_cast<T>(x * y);
      case Reduction::Max:
        return is_nan(x) || x > y ? a : b;
      case Reduction::Min:
        return is_nan(x) || x < y ? a : b;
      case Reduction::None:
        break;
    }
    return b;
  }
}

using ReducedTypes = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                              uint32_t, uint64_t, bool, std::complex<float>, std::complex<double>>;

// output[places[i] + …] takes in updates[i · run + …], in this order: of updates to one place the last one stays.
Result<> scatter_runs(Call& call, Reduction reduction, const Tensor& places, const Tensor& updates, int64_t run,
                      Tensor& output) {
  if (updates.size() == 0) return {};
  const auto* place = places.data<int64_t>();
  if (reduction == Reduction::None) {
    with_storage(output.dtype(), [&]<class T>() {
      const T* from = updates.data<T>();
      T* to = output.mutable_data<T>();
      for (int64_t i = 0; i < places.size(); ++i) std::copy_n(from + i * run, run, to + place[i]);
    });
    return {};
  }
  const bool ordered = reduction == Reduction::Max || reduction == Reduction::Min;
  const bool possible = !ordered || info(output.dtype()).kind != DTypeClass::Complex;
  const bool done = possible && with_type(ReducedTypes{}, output.dtype(), [&]<class T>() {
                      const T* from = updates.data<T>();
                      T* to = output.mutable_data<T>();
                      for (int64_t i = 0; i < places.size(); ++i)
                        for (int64_t k = 0; k < run; ++k) {
                          T& target = to[place[i] + k];
                          target = reduce(reduction, target, from[i * run + k]);
                        }
                    });
  if (!done)
    return call.invalid("attribute reduction; got '{}', which {} does not have",
                        call.node().string_or("reduction", "none"), to_string(output.dtype()));
  return {};
}

// Output 0 as a copy of the data.
Result<Tensor*> copied_data(Call& call, const Tensor& data) {
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data.dtype(), data.dims()));
  with_storage(data.dtype(), [&]<class T>() { std::copy_n(data.data<T>(), data.size(), output->mutable_data<T>()); });
  return output;
}

Result<const Tensor*> read_updates(const Call& call, int i, const Tensor& data, const Dims& expected) {
  ASSIGN_OR_RETURN(const Tensor* updates, call.tensor(i));
  if (updates->dtype() != data.dtype())
    return call.invalid("updates; got {}, need {}", to_string(updates->dtype()), to_string(data.dtype()));
  if (!(updates->dims() == expected))
    return call.invalid("updates; got shape {}, need {}", to_string(updates->dims()), to_string(expected));
  return updates;
}

}  // namespace

Result<> run_scatter_elements(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  ASSIGN_OR_RETURN(const Tensor* updates, read_updates(call, 2, *data, indices->dims()));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), data->rank()));
  ASSIGN_OR_RETURN(const Reduction reduction, read_reduction(call));
  ASSIGN_OR_RETURN(const Tensor places, places_of_elements(call, *indices, data->dims(), axis));
  ASSIGN_OR_RETURN(Tensor * output, copied_data(call, *data));
  return scatter_runs(call, reduction, places, *updates, 1, *output);
}

Result<> run_scatter_nd(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  ASSIGN_OR_RETURN(const Reduction reduction, read_reduction(call));
  int64_t run = 0;
  ASSIGN_OR_RETURN(const Tensor places, places_of_slices(call, *indices, data->dims(), 0, run));
  std::vector<int64_t> sizes(indices->dims().begin(), indices->dims().end() - 1);
  sizes.insert(sizes.end(), data->dims().begin() + indices->dims().back(), data->dims().end());
  ASSIGN_OR_RETURN(const Dims expected, to_dims(call, sizes));
  ASSIGN_OR_RETURN(const Tensor* updates, read_updates(call, 2, *data, expected));
  ASSIGN_OR_RETURN(Tensor * output, copied_data(call, *data));
  return scatter_runs(call, reduction, places, *updates, run, *output);
}

Result<> run_tensor_scatter(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* past, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", -2), past->rank()));
  if (axis == 0) return call.invalid("attribute axis; got the batch dimension, need another");
  ASSIGN_OR_RETURN(const Tensor* update, call.tensor(1));
  Dims expected = past->dims();
  if (update->rank() == past->rank()) expected[static_cast<size_t>(axis)] = update->dim(axis);
  ASSIGN_OR_RETURN(update, read_updates(call, 1, *past, expected));
  const std::string_view mode = call.node().string_or("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return call.invalid("attribute mode; got '{}', need linear or circular", mode);
  const int64_t batch = past->dim(0), room = past->dim(axis), length = update->dim(axis);
  if (length > room) return call.invalid("update; got {} positions, need at most {}", length, room);
  std::vector<int64_t> starts(call.has(2) ? 0 : static_cast<size_t>(past->size() == 0 ? 0 : batch));
  if (call.has(2)) {
    ASSIGN_OR_RETURN(starts, int_list(call, 2));
    if (static_cast<int64_t>(starts.size()) != batch)
      return call.invalid("write_indices; got {}, need {}, one a sample", starts.size(), batch);
  }
  for (int64_t& start : starts) {
    if (mode == "circular" && room > 0)
      start = (start % room + room) % room;
    else if (start < 0 || start > room - length)
      return call.invalid("write index; got {}, need 0 to {}", start, room - length);
  }
  ASSIGN_OR_RETURN(Tensor * output, copied_data(call, *past));
  if (update->size() == 0) return {};
  int64_t outer = 1, inner = 1;  // outer: of one sample
  for (int i = 1; i < axis; ++i) outer *= past->dim(i);
  for (int i = axis + 1; i < past->rank(); ++i) inner *= past->dim(i);
  with_storage(past->dtype(), [&]<class T>() {
    const T* from = update->data<T>();
    T* to = output->mutable_data<T>();
    for (int64_t row = 0; row < batch * outer; ++row) {
      const int64_t start = starts[static_cast<size_t>(row / outer)];
      const int64_t before_end = std::min(length, room - start);  // the rest goes to the beginning
      const T* source = from + row * length * inner;
      T* target = to + row * room * inner;
      std::copy_n(source, before_end * inner, target + start * inner);
      std::copy_n(source + before_end * inner, (length - before_end) * inner, target);
    }
  });
  return {};
}

}  // namespace hearth::operators

// Max, Min, Sum, Mean: any number of inputs that broadcast to one another.
#include <cmath>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

struct Max {
  template <class T>
  T operator()(T a, T b) const {
    return a > b || a != a ? a : b;  // NaN wins
  }
  void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const {
    float_loops().largest(a, b, y, count, a_moves, b_moves);
  }
};
struct Min {
  template <class T>
  T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
  void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const {
    float_loops().smallest(a, b, y, count, a_moves, b_moves);
  }
};
struct Sum {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
  void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const {
    float_loops().add(a, b, y, count, a_moves, b_moves);
  }
};

// Output elements [begin, end), a chunk at a time so that sums of narrow floats round once, at the end. Element (i, k)
// of the fold is loop(accumulator, input k).
struct Fold {
  DType dtype;
  BinaryLoop loop;
  const void* op;
  double divisor;  // of Mean; 1: none
  std::vector<const Tensor*> inputs;
  std::vector<Broadcast<1>> walks;

  template <class T>
  void run(int64_t begin, int64_t end, void* y) const {
    T total[kChunk], widened[kChunk];
    for (int64_t at = begin; at < end; at += kChunk) {
      const int64_t n = std::min(kChunk, end - at);
      for (size_t k = 0; k < inputs.size(); ++k)
        walks[k].visit(at, at + n, [&](int64_t piece, int64_t count, const auto& offsets) {
          const bool moves = walks[k].moves(0);
          const void* from = element_at(dtype, inputs[k]->raw(), offsets[0]);
          if constexpr (std::is_same_v<T, float>)
            if (computes_in_float(dtype)) {
              to_floats(dtype, from, widened, moves ? count : 1);
              from = widened;
            }
          T* target = total + (piece - at);
          if (k > 0) {
            loop(op, target, from, target, count, true, moves);
          } else {
            const T* first = static_cast<const T*>(from);
            for (int64_t i = 0; i < count; ++i) target[i] = first[moves ? i : 0];
          }
        });
      if (divisor != 1)
        for (int64_t i = 0; i < n; ++i) total[i] = static_cast<T>(total[i] / static_cast<T>(divisor));
      void* made = element_at(dtype, y, at);
      bool stored = false;
      if constexpr (std::is_same_v<T, float>)
        if (computes_in_float(dtype)) {
          from_floats(total, dtype, made, n);
          stored = true;
        }
      if (!stored) std::copy_n(total, n, static_cast<T*>(made));
    }
  }
};

template <class Op, class... Types>
Result<> accumulate(Call& call, bool mean) {
  ASSIGN_OR_RETURN(const Tensor* first, call.tensor(0));
  std::vector<const Tensor*> inputs;
  std::vector<const Dims*> sizes;
  for (int i = 0; i < call.input_count(); ++i) {
    ASSIGN_OR_RETURN(const Tensor* input, call.tensor(i));
    if (input->dtype() != first->dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(first->dtype()),
                          to_string(input->dtype()));
    inputs.push_back(input);
    sizes.push_back(&input->dims());
  }
  // Before opset 8 all inputs had one size; nothing is lost by broadcasting them.
  ASSIGN_OR_RETURN(const Dims dims, broadcast_dims(call, sizes));
  const Op op;
  const DType dtype = first->dtype();
  Fold fold{dtype, nullptr, &op, mean ? static_cast<double>(inputs.size()) : 1.0, inputs, {}};
  void (Fold::*run)(int64_t, int64_t, void*) const = nullptr;
  with_type(TypeList<Types...>{}, loop_type(dtype), [&]<class T>() {
    fold.loop = binary_loop<Op, T, T>;
    run = &Fold::run<T>;
  });
  if (run == nullptr) return call.unsupported("element type; got {}", to_string(dtype));
  if (inputs.size() == 2 && !mean) return run_binary(call, *inputs[0], *inputs[1], dtype, &op, fold.loop, kCheapGrain);
  for (const Tensor* input : inputs) fold.walks.emplace_back(dims, std::array{&input->dims()});
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, dims));
  void* to = y->mutable_raw();
  call.parallel(y->size(), kCheapGrain / 4, [&](int64_t begin, int64_t end) { (fold.*run)(begin, end, to); });
  return {};
}

}  // namespace

Result<> max(Call& call) {
  return accumulate<Max, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      call, false);
}
Result<> min(Call& call) {
  return accumulate<Min, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      call, false);
}
Result<> sum(Call& call) {
  return accumulate<Sum, float, double>(call, false);
}
Result<> mean(Call& call) {
  return accumulate<Sum, float, double>(call, true);
}

}  // namespace hearth::operators::elementwise

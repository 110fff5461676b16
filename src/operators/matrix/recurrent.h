// What RNN, LSTM and GRU share: attributes and sizes, activations, and the order in which time steps are taken.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "operators/matrix/dense_product.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

enum class ActivationKind {
  Relu,
  Tanh,
  Sigmoid,
  Affine,
  LeakyRelu,
  ThresholdedRelu,
  ScaledTanh,
  HardSigmoid,
  Elu,
  Softsign,
  Softplus
};

struct Activation {
  ActivationKind kind = ActivationKind::Tanh;
  double alpha = 0, beta = 0;
  // values[i] = f(values[i]), inputs clipped to [-clip, clip] first when clip > 0.
  template <class C>
  void apply(C* values, int64_t count, double clip) const;
};

enum class Direction { Forward, Reverse, Bidirectional };

struct RecurrentShape {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0;
  int directions = 1;
  Direction direction = Direction::Forward;
  bool batch_first = false;             // attribute layout
  double clip = 0;                      // 0: none
  std::vector<Activation> activations;  // those of direction d begin at d * (their number / directions)
  std::vector<int64_t> lengths;         // of the batch's sequences; empty: all have `steps`

  std::span<const Activation> activations_of(int d) const {
    const size_t each = activations.size() / static_cast<size_t>(directions);
    return std::span(activations).subspan(static_cast<size_t>(d) * each, each);
  }
  bool reversed(int d) const { return direction == Direction::Reverse || d == 1; }
  int64_t length(int64_t b) const { return lengths.empty() ? steps : lengths[static_cast<size_t>(b)]; }
  // Steps until every sequence has ended; none when there is nothing to compute.
  int64_t longest() const {
    if (batch == 0 || hidden == 0) return 0;
    return lengths.empty() ? steps : std::ranges::max(lengths);
  }
  // The time that sequence b is at in its step s < length(b): reverse directions begin at its own last element.
  int64_t time(int d, int64_t s, int64_t b) const { return reversed(d) ? length(b) - 1 - s : s; }
  // Rows of X and places of outputs and states in elements of `hidden`, by layout.
  int64_t x_row(int64_t t, int64_t b) const { return batch_first ? b * steps + t : t * batch + b; }
  int64_t y_row(int64_t t, int d, int64_t b) const {
    return batch_first ? (b * steps + t) * directions + d : (t * directions + d) * batch + b;
  }
  int64_t state_row(int d, int64_t b) const { return batch_first ? b * directions + d : d * batch + b; }
  Dims y_dims() const;
  Dims state_dims() const;
};

// Constant weights, packed for both directions; they stand for inputs 1 and 2.
struct PackedRecurrent final : Prepared {
  Dims w_dims, r_dims;
  struct Part {
    int64_t first = 0;  // row of R
    Tensor panels;
  };
  std::vector<Tensor> w;             // [direction]
  std::vector<std::vector<Part>> r;  // [direction]: of the gates that are multiplied at one time

  const Tensor* recurrent(int d, int64_t first) const;
};
// `parts`: how many gates are multiplied at one time. nullptr when W or R is no constant of f32 or does not fit.
Result<std::unique_ptr<Prepared>> pack_recurrent(std::span<const Tensor* const> constants,
                                                 std::initializer_list<int64_t> parts);

// Reads the attributes and checks X, W, R, B, sequence_lens and initial_h (inputs 0 to 5) for a cell of `gates` gates
// with `defaults` activations.
Result<RecurrentShape> read_recurrent(Call& call, int64_t gates, std::span<const ActivationKind> defaults);
// Input `input` as C, checked to be [directions, …] of this size each, or the state's sizes; no data when absent.
template <class C>
Result<Wide<C>> read_state(Call& call, int input, const RecurrentShape& shape);
template <class C>
Result<Wide<C>> read_weights(Call& call, int input, const Dims& dims);

// What a cell computes with: Y and the last states are written in the layout the node asks for.
template <class C>
struct RecurrentData {
  RecurrentShape shape;
  int64_t gates = 1;
  Wide<C> x, w, r, b, initial_h;
  WideOutput<C> y, y_h;
  Scratch<C> x_products;  // X · Wᵀ of one direction: [rows of X][gates * hidden]

  static Result<RecurrentData> make(Call& call, RecurrentShape shape, int64_t gates);
  // Fills x_products for direction d, with the sum of the biases W_b and R_b of the gates whose bit is set in
  // `recurrent_bias` (others get W_b alone).
  Result<> multiply_inputs(Call& call, int d, unsigned recurrent_bias);
  // h[batch × hidden] at the beginning of direction d.
  void load_state(const Wide<C>& initial, int d, C* state) const;
  void store_state(const C* state, int d, C* to) const;
  void store_step(const C* h_row, int64_t t, int d, int64_t b) const;
  void finish(Call& call);
};

// Rᵀ of some gates, packed once for all steps when that is worth it.
template <class C>
class RecurrentFactor {
 public:
  // Rows [first, first + columns) of direction d of r [direction][gates * hidden × hidden].
  static Result<RecurrentFactor> make(Call& call, const RecurrentData<C>& data, int d, int64_t first, int64_t columns);
  // sums[batch × columns] = h[batch × hidden] · Rᵀ.
  Result<> multiply(Call& call, const RecurrentShape& shape, const C* h, C* sums) const;

 private:
  Factor<C> factor_;
  int64_t columns_ = 0;
  Scratch<C> panels_;
  Tensor dense_;  // f32: packed for the dense kernels
};

}  // namespace hearth::operators

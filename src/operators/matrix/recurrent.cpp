#include "operators/matrix/recurrent.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace hearth::operators {

namespace {

struct ActivationInfo {
  std::string_view name;  // compared without regard to case
  ActivationKind kind;
  std::optional<double> alpha, beta;  // defaults of those that it has
};

// Defaults are those of the operators of the same names; ScaledTanh's leave tanh as it is.
constexpr ActivationInfo kActivations[] = {
    {"relu", ActivationKind::Relu, {}, {}},
    {"tanh", ActivationKind::Tanh, {}, {}},
    {"sigmoid", ActivationKind::Sigmoid, {}, {}},
    {"affine", ActivationKind::Affine, 1.0, 0.0},
    {"leakyrelu", ActivationKind::LeakyRelu, 0.01, {}},
    {"thresholdedrelu", ActivationKind::ThresholdedRelu, 1.0, {}},
    {"scaledtanh", ActivationKind::ScaledTanh, 1.0, 1.0},
    {"hardsigmoid", ActivationKind::HardSigmoid, 0.2, 0.5},
    {"elu", ActivationKind::Elu, 1.0, {}},
    {"softsign", ActivationKind::Softsign, {}, {}},
    {"softplus", ActivationKind::Softplus, {}, {}},
};

const ActivationInfo* find_activation(std::string_view name) {
  std::string lower(name);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto* found = std::ranges::find(kActivations, lower, &ActivationInfo::name);
  return found != std::end(kActivations) ? found : nullptr;
}

const ActivationInfo& info_of(ActivationKind kind) {
  return *std::ranges::find(kActivations, kind, &ActivationInfo::kind);
}

// activation_alpha or activation_beta. They are consumed in the order of the functions that have such a number; a list
// with one for every function, also those that have none, is read by position.
Result<> read_parameters(const Call& call, std::string_view attribute, std::optional<double> ActivationInfo::* which,
                         double Activation::* to, std::vector<Activation>& activations) {
  const auto given = call.node().floats(attribute);
  const auto takes = [&](const Activation& a) { return (info_of(a.kind).*which).has_value(); };
  const auto takers = static_cast<size_t>(std::ranges::count_if(activations, takes));
  const bool by_position = given.size() == activations.size();
  if (given.size() > takers && !by_position)
    return call.invalid("attribute '{}'; got {} numbers, need at most {} for these activations", attribute,
                        given.size(), takers);
  size_t next = 0;
  for (size_t i = 0; i < activations.size(); ++i) {
    if (!takes(activations[i])) continue;
    const size_t at = by_position ? i : next++;
    activations[i].*to = at < given.size() ? static_cast<double>(given[at]) : *(info_of(activations[i].kind).*which);
  }
  return {};
}

Result<std::vector<Activation>> read_activations(const Call& call, int directions,
                                                 std::span<const ActivationKind> defaults) {
  std::vector<Activation> activations;
  const auto names = call.node().strings("activations");
  const size_t need = defaults.size() * static_cast<size_t>(directions);
  // RNN's own default names two for any direction.
  if (!names.empty() && names.size() < need)
    return call.invalid("attribute 'activations'; got {} names, need {}", names.size(), need);
  for (size_t i = 0; i < need; ++i) {
    if (names.empty()) {
      activations.push_back({defaults[i % defaults.size()]});
      continue;
    }
    const ActivationInfo* found = find_activation(names[i]);
    if (found == nullptr) return call.invalid("attribute 'activations'; got '{}', which is no activation", names[i]);
    activations.push_back({found->kind});
  }
  if (names.size() > need && !(defaults.size() == 1 && names.size() == 2))
    return call.invalid("attribute 'activations'; got {} names, need {}", names.size(), need);
  TRY(read_parameters(call, "activation_alpha", &ActivationInfo::alpha, &Activation::alpha, activations));
  TRY(read_parameters(call, "activation_beta", &ActivationInfo::beta, &Activation::beta, activations));
  return activations;
}

Result<> read_direction(const Call& call, RecurrentShape& shape) {
  const std::string_view text = call.node().string_or("direction", "forward");
  if (text == "forward") {
    shape.direction = Direction::Forward;
  } else if (text == "reverse") {
    shape.direction = Direction::Reverse;
  } else if (text == "bidirectional") {
    shape.direction = Direction::Bidirectional;
    shape.directions = 2;
  } else {
    return call.invalid("attribute 'direction'; got '{}', need forward, reverse or bidirectional", text);
  }
  return {};
}

Result<> read_lengths(const Call& call, RecurrentShape& shape) {
  if (!call.has(4)) return {};
  ASSIGN_OR_RETURN(const Tensor* lengths, call.tensor(4));
  if (lengths->dtype() != DType::I32 || lengths->size() != shape.batch)
    return call.invalid("sequence_lens; got {}{}, need i32[{}]", to_string(lengths->dtype()),
                        to_string(lengths->dims()), shape.batch);
  for (int64_t b = 0; b < shape.batch; ++b) {
    const int64_t length = lengths->data<int32_t>()[b];
    if (length < 0 || length > shape.steps)
      return call.invalid("sequence_lens, element {}; got {}, need [0, {}]", b, length, shape.steps);
    shape.lengths.push_back(length);
  }
  return {};
}

template <class C, class Function>
void map(C* values, int64_t count, Function function) {
  for (int64_t i = 0; i < count; ++i) values[i] = function(values[i]);
}

}  // namespace

Dims RecurrentShape::y_dims() const {
  return batch_first ? Dims{batch, steps, directions, hidden} : Dims{steps, directions, batch, hidden};
}
Dims RecurrentShape::state_dims() const {
  return batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
}

template <class C>
void Activation::apply(C* values, int64_t count, double clip) const {
  if (clip > 0) {
    const C limit = static_cast<C>(clip);
    map(values, count, [limit](C x) { return x > limit ? limit : x < -limit ? -limit : x; });
  }
  const C a = static_cast<C>(alpha), b = static_cast<C>(beta);
  switch (kind) {
    case ActivationKind::Relu:
      return map(values, count, [](C x) { return x < 0 ? C{0} : x; });
    case ActivationKind::Tanh:
      return map(values, count, [](C x) { return std::tanh(x); });
    case ActivationKind::Sigmoid:
      return map(values, count, [](C x) { return 1 / (1 + std::exp(-x)); });
    case ActivationKind::Affine:
      return map(values, count, [a, b](C x) { return a * x + b; });
    case ActivationKind::LeakyRelu:
      return map(values, count, [a](C x) { return x < 0 ? a * x : x; });
    case ActivationKind::ThresholdedRelu:
      return map(values, count, [a](C x) { return x < a ? C{0} : x; });
    case ActivationKind::ScaledTanh:
      return map(values, count, [a, b](C x) { return a * std::tanh(b * x); });
    case ActivationKind::HardSigmoid:
      return map(values, count, [a, b](C x) { return std::min(std::max(a * x + b, C{0}), C{1}); });
    case ActivationKind::Elu:
      return map(values, count, [a](C x) { return x < 0 ? a * std::expm1(x) : x; });
    case ActivationKind::Softsign:
      return map(values, count, [](C x) { return x / (1 + std::abs(x)); });
    case ActivationKind::Softplus:
      return map(values, count, [](C x) { return std::max(x, C{0}) + std::log1p(std::exp(-std::abs(x))); });
  }
}

Result<RecurrentShape> read_recurrent(Call& call, int64_t gates, std::span<const ActivationKind> defaults) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
  ASSIGN_OR_RETURN(const Tensor* r, call.tensor(2));
  RecurrentShape shape;
  TRY(read_direction(call, shape));
  shape.batch_first = call.node().int_or("layout", 0) != 0;
  if (x->rank() != 3 || r->rank() != 3)
    return call.invalid("X and R; got {} and {}, need three dimensions each", to_string(x->dims()),
                        to_string(r->dims()));
  shape.steps = x->dim(shape.batch_first ? 1 : 0);
  shape.batch = x->dim(shape.batch_first ? 0 : 1);
  shape.inputs = x->dim(2);
  shape.hidden = r->dim(2);
  const int64_t given = call.node().int_or("hidden_size", shape.hidden);
  if (given != shape.hidden) return call.invalid("attribute 'hidden_size'; got {}, need R's {}", given, shape.hidden);
  const Dims w_dims{shape.directions, gates * shape.hidden, shape.inputs};
  const Dims r_dims{shape.directions, gates * shape.hidden, shape.hidden};
  if (w->dims() != w_dims || r->dims() != r_dims)
    return call.invalid("W and R; got {} and {}, need {} and {}", to_string(w->dims()), to_string(r->dims()),
                        to_string(w_dims), to_string(r_dims));
  for (const int i : {1, 2, 3, 5}) {
    if (!call.has(i)) continue;
    ASSIGN_OR_RETURN(const Tensor* other, call.tensor(i));
    if (other->dtype() != x->dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(other->dtype()));
  }
  if (call.node().has("clip")) {
    shape.clip = static_cast<double>(call.node().float_or("clip", 0));
    if (!(shape.clip > 0)) return call.invalid("attribute 'clip'; got {}, need more than 0", shape.clip);
  }
  TRY(read_lengths(call, shape));
  ASSIGN_OR_RETURN(shape.activations, read_activations(call, shape.directions, defaults));
  return shape;
}

template <class C>
Result<Wide<C>> read_weights(Call& call, int input, const Dims& dims) {
  if (!call.has(input)) return Wide<C>();
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(input));
  if (tensor->dims() != dims)
    return call.invalid("input {}; got {}, need {}", input, to_string(tensor->dims()), to_string(dims));
  return Wide<C>::make(call, *tensor);
}

template <class C>
Result<Wide<C>> read_state(Call& call, int input, const RecurrentShape& shape) {
  return read_weights<C>(call, input, shape.state_dims());
}

template <class C>
Result<RecurrentData<C>> RecurrentData<C>::make(Call& call, RecurrentShape shape, int64_t gates) {
  RecurrentData made;
  made.gates = gates;
  const DType dtype = call.input(0).dtype();
  ASSIGN_OR_RETURN(made.x, Wide<C>::make(call, call.input(0)));
  ASSIGN_OR_RETURN(made.w, Wide<C>::make(call, call.input(1)));
  ASSIGN_OR_RETURN(made.r, Wide<C>::make(call, call.input(2)));
  ASSIGN_OR_RETURN(made.b, read_weights<C>(call, 3, {shape.directions, 2 * gates * shape.hidden}));
  ASSIGN_OR_RETURN(made.initial_h, read_state<C>(call, 5, shape));
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(made.y, WideOutput<C>::make(call, 0, dtype, shape.y_dims()));
    std::fill_n(made.y.data(), made.y.size(), C{});  // what lies past the end of a sequence
  }
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(made.y_h, WideOutput<C>::make(call, 1, dtype, shape.state_dims()));
  }
  ASSIGN_OR_RETURN(made.x_products, Scratch<C>::make(call, {shape.steps, shape.batch, gates * shape.hidden}));
  made.shape = std::move(shape);
  return made;
}

template <class C>
Result<> RecurrentData<C>::multiply_inputs(Call& call, int d, unsigned recurrent_bias) {
  const int64_t rows = shape.steps * shape.batch, columns = gates * shape.hidden;
  const Product<C> one{
      {x.data(), shape.inputs, 1}, {w.data() + d * columns * shape.inputs, 1, shape.inputs}, x_products.data()};
  TRY(multiply_all<C>(call, 1, rows, columns, shape.inputs, [&](int64_t) { return one; }));
  if (b.data() == nullptr) return {};
  const C* bias = b.data() + d * 2 * columns;
  ASSIGN_OR_RETURN(const auto sums, Scratch<C>::make(call, {columns}));
  for (int64_t i = 0; i < columns; ++i)
    sums[i] = bias[i] + ((recurrent_bias >> (i / shape.hidden) & 1u) != 0 ? bias[columns + i] : C{0});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < columns; ++i) x_products[row * columns + i] += sums[i];
  return {};
}

template <class C>
void RecurrentData<C>::load_state(const Wide<C>& initial, int d, C* state) const {
  for (int64_t i = 0; i < shape.batch; ++i, state += shape.hidden)
    if (initial.data() != nullptr)
      std::copy_n(initial.data() + shape.state_row(d, i) * shape.hidden, shape.hidden, state);
    else
      std::fill_n(state, shape.hidden, C{});
}

template <class C>
void RecurrentData<C>::store_state(const C* state, int d, C* to) const {
  if (to == nullptr) return;
  for (int64_t i = 0; i < shape.batch; ++i, state += shape.hidden)
    std::copy_n(state, shape.hidden, to + shape.state_row(d, i) * shape.hidden);
}

template <class C>
void RecurrentData<C>::store_step(const C* h_row, int64_t t, int d, int64_t b_index) const {
  if (y.data() != nullptr) std::copy_n(h_row, shape.hidden, y.data() + shape.y_row(t, d, b_index) * shape.hidden);
}

template <class C>
void RecurrentData<C>::finish(Call& call) {
  if (y.data() != nullptr) y.finish(call);
  if (y_h.data() != nullptr) y_h.finish(call);
}

template <class C>
Result<RecurrentFactor<C>> RecurrentFactor<C>::make(Call& call, const RecurrentShape& shape, const C* r, int64_t first,
                                                    int64_t columns) {
  RecurrentFactor made;
  made.columns_ = columns;
  made.factor_ = {r + first * shape.hidden, 1, shape.hidden};
  if (shape.batch < kPanelRows) return made;
  ASSIGN_OR_RETURN(made.panels_, Scratch<C>::make(call, {right_panels_size<C>(shape.hidden, columns)}));
  pack_whole_right(made.factor_, shape.hidden, columns, made.panels_.data());
  made.factor_.panels = made.panels_.data();
  made.factor_.panel_extent = round_up(columns, panel_columns<C>);
  return made;
}

template <class C>
Result<> RecurrentFactor<C>::multiply(Call& call, const RecurrentShape& shape, const C* h, C* sums) const {
  const Product<C> one{{h, shape.hidden, 1}, factor_, sums};
  return multiply_all<C>(call, 1, shape.batch, columns_, shape.hidden, [&](int64_t) { return one; });
}

#define HEARTH_RECURRENT(C)                                                  \
  template void Activation::apply<C>(C*, int64_t, double) const;             \
  template Result<Wide<C>> read_weights<C>(Call&, int, const Dims&);         \
  template Result<Wide<C>> read_state<C>(Call&, int, const RecurrentShape&); \
  template struct RecurrentData<C>;                                          \
  template class RecurrentFactor<C>;
HEARTH_RECURRENT(float)
HEARTH_RECURRENT(double)
#undef HEARTH_RECURRENT

}  // namespace hearth::operators

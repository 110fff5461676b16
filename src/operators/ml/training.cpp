// ai.onnx.preview.training: one step of an optimiser over several tensors. Computed in double, rounded once.
#include <cmath>

#include "operators/convert.h"
#include "operators/ml/kernels.h"

namespace hearth::operators::ml {

namespace {

// Inputs: rate, step, then `groups` tensors (value, gradient, states) for each optimised one, by group. Outputs: the
// new value and states, by group.
struct Step {
  double rate = 0;
  int64_t count = 0;    // T: steps done so far
  int64_t tensors = 0;  // optimised ones
};

Result<Step> step_of(const Call& call, int groups) {
  ASSIGN_OR_RETURN(const Tensor* rate, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* count, call.tensor(1));
  if (rate->size() != 1 || !is_float(rate->dtype()))
    return call.invalid("learning rate; got {} elements of {}, need one float", rate->size(), to_string(rate->dtype()));
  if (count->size() != 1 || count->dtype() != DType::I64)
    return call.invalid("update count; got {} elements of {}, need one i64", count->size(), to_string(count->dtype()));
  Step step;
  to_doubles(rate->dtype(), rate->raw(), &step.rate, 1);
  step.count = *count->data<int64_t>();
  const int given = call.input_count() - 2;
  if (given < groups || given % groups != 0)
    return call.invalid("inputs; got {} behind the update count, need {} for each optimised tensor", given, groups);
  step.tensors = given / groups;
  return step;
}

// update(v): v holds one element of each group of inputs (value, gradient, states) and becomes the new value (v[0]) and
// states (v[2], v[3]).
template <int kGroups, class Update>
Result<> optimise(Call& call, const Step& step, Update&& update) {
  for (int64_t k = 0; k < step.tensors; ++k) {
    const Tensor* in[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      ASSIGN_OR_RETURN(in[g], call.tensor(static_cast<int>(2 + g * step.tensors + k)));
      if (!is_float(in[g]->dtype()) || in[g]->dtype() != in[0]->dtype() || in[g]->dims() != in[0]->dims())
        return call.invalid("input {}; got {} {}, need the {} {} of the tensor it belongs to", 2 + g * step.tensors + k,
                            to_string(in[g]->dtype()), to_string(in[g]->dims()), to_string(in[0]->dtype()),
                            to_string(in[0]->dims()));
    }
    const DType dtype = in[0]->dtype();
    void* out[kGroups] = {};
    for (int g = 0; g < kGroups; ++g) {
      if (g == 1) continue;  // the gradient has no output
      const int i = static_cast<int>((g == 0 ? 0 : g - 1) * step.tensors + k);
      if (!call.wants(i)) continue;
      ASSIGN_OR_RETURN(Tensor * made, call.output(i, dtype, in[0]->dims()));
      out[g] = made->mutable_raw();
    }
    double values[kGroups][kChunk];
    for (int64_t begin = 0; begin < in[0]->size(); begin += kChunk) {
      const int64_t n = std::min(kChunk, in[0]->size() - begin);
      for (int g = 0; g < kGroups; ++g) to_doubles(dtype, element_at(dtype, in[g]->raw(), begin), values[g], n);
      for (int64_t i = 0; i < n; ++i) {
        double v[kGroups];
        for (int g = 0; g < kGroups; ++g) v[g] = values[g][i];
        update(v);
        for (int g = 0; g < kGroups; ++g) values[g][i] = v[g];
      }
      for (int g = 0; g < kGroups; ++g)
        if (out[g] != nullptr) from_doubles(values[g], dtype, element_at(dtype, out[g], begin), n);
    }
  }
  return {};
}

}  // namespace

Result<> adagrad(Call& call) {
  ASSIGN_OR_RETURN(const Step step, step_of(call, 3));
  const graph::Node& node = call.node();
  const double norm = node.float_or("norm_coefficient", 0.0f), epsilon = node.float_or("epsilon", 1e-6f);
  const double decay = node.float_or("decay_factor", 0.0f);
  const double rate = step.rate / (1 + static_cast<double>(step.count) * decay);
  return optimise<3>(call, step, [&](double* v) {
    const double gradient = norm * v[0] + v[1];
    v[2] += gradient * gradient;
    v[0] -= rate * gradient / (std::sqrt(v[2]) + epsilon);
  });
}

Result<> adam(Call& call) {
  ASSIGN_OR_RETURN(const Step step, step_of(call, 4));
  const graph::Node& node = call.node();
  const double norm = node.float_or("norm_coefficient", 0.0f), epsilon = node.float_or("epsilon", 1e-6f);
  const double norm_post = node.float_or("norm_coefficient_post", 0.0f);
  const double alpha = node.float_or("alpha", 0.9f), beta = node.float_or("beta", 0.999f);
  const auto steps = static_cast<double>(step.count);
  const double rate =
      step.count > 0 ? step.rate * std::sqrt(1 - std::pow(beta, steps)) / (1 - std::pow(alpha, steps)) : step.rate;
  return optimise<4>(call, step, [&](double* v) {
    const double gradient = norm * v[0] + v[1];
    v[2] = alpha * v[2] + (1 - alpha) * gradient;
    v[3] = beta * v[3] + (1 - beta) * gradient * gradient;
    v[0] = (1 - norm_post) * (v[0] - rate * v[2] / (std::sqrt(v[3]) + epsilon));
  });
}

Result<> momentum(Call& call) {
  ASSIGN_OR_RETURN(const Step step, step_of(call, 3));
  const graph::Node& node = call.node();
  for (const std::string_view name : {"norm_coefficient", "alpha", "beta", "mode"})
    if (!node.has(name)) return call.invalid("attribute '{}' is absent; it is required", name);
  const double norm = node.float_or("norm_coefficient", 0.0f), alpha = node.float_or("alpha", 0.0f);
  const double beta = step.count > 0 ? static_cast<double>(node.float_or("beta", 1.0f)) : 1.0;
  const std::string_view mode = node.string_or("mode", "");
  if (mode != "standard" && mode != "nesterov")
    return call.invalid("mode; got '{}', need 'standard' or 'nesterov'", mode);
  const bool nesterov = mode == "nesterov";
  return optimise<3>(call, step, [&](double* v) {
    const double gradient = norm * v[0] + v[1];
    v[2] = alpha * v[2] + beta * gradient;
    v[0] -= step.rate * (nesterov ? gradient + alpha * v[2] : v[2]);
  });
}

Result<> gradient(Call& call) {
  return call.unsupported(
      "derivatives of a graph; a Gradient node differentiates the graph around it, which only a training runtime does: "
      "export the backward graph with the model instead");
}

}  // namespace hearth::operators::ml

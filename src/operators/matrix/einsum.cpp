// Einsum: operands are taken in from left to right, each step one stack of matrix products. An index that neither the
// result nor a later operand has is summed as soon as it is met.
#include <algorithm>

#include "operators/matrix/einsum_equation.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

namespace {

using LabelList = std::vector<int>;

bool contains(const LabelList& list, int label) {
  return std::ranges::find(list, label) != list.end();
}

// Elements by label: the element at index i_l of label l is data[sum of i_l * stride_l].
template <class C>
struct Term {
  const C* data = nullptr;
  LabelList labels;              // each once
  std::vector<int64_t> strides;  // 0 where the operand broadcasts
  Scratch<C> owned;              // where an intermediate lies

  int64_t stride(int label) const {
    const auto found = std::ranges::find(labels, label);
    return found == labels.end() ? 0 : strides[static_cast<size_t>(found - labels.begin())];
  }
};

// A run through all positions of some labels, the last one fastest, with the offset into a term.
struct Odometer {
  std::vector<int64_t> sizes, strides, position;
  int64_t offset = 0;

  template <class C>
  Odometer(const Term<C>& term, std::span<const int> labels, const std::vector<int64_t>& label_sizes) {
    for (const int label : labels) {
      sizes.push_back(label_sizes[static_cast<size_t>(label)]);
      strides.push_back(term.stride(label));
    }
    position.assign(sizes.size(), 0);
  }
  int64_t count() const {
    int64_t n = 1;
    for (const int64_t size : sizes) n *= size;
    return n;
  }
  void go_to(int64_t index) {
    offset = 0;
    for (size_t i = sizes.size(); i-- > 0; index /= sizes[i]) {
      position[i] = index % sizes[i];
      offset += position[i] * strides[i];
    }
  }
  void next() {
    for (size_t i = sizes.size(); i-- > 0;) {
      offset += strides[i];
      if (++position[i] < sizes[i]) return;
      offset -= strides[i] * sizes[i];
      position[i] = 0;
    }
  }
};

template <class C>
class Contraction {
 public:
  Contraction(Call& call, const EinsumEquation& equation) : call_(call), sizes_(equation.sizes) {}

  Result<int64_t> count(const LabelList& labels) const {
    std::vector<int64_t> sizes;
    for (const int label : labels) sizes.push_back(sizes_[static_cast<size_t>(label)]);
    return count_elements(sizes);
  }

  // Writes the term in the order of `labels`, summed over its other labels.
  Result<> gather(const Term<C>& term, const LabelList& labels, C* to) const {
    LabelList summed;
    for (const int label : term.labels)
      if (!contains(labels, label)) summed.push_back(label);
    ASSIGN_OR_RETURN(const int64_t total, count(labels));
    if (total == 0) return {};
    const int last = labels.empty() ? -1 : labels.back();
    const int64_t run = last < 0 ? 1 : sizes_[static_cast<size_t>(last)], step = last < 0 ? 0 : term.stride(last);
    const std::span<const int> outer(labels.data(), labels.empty() ? 0 : labels.size() - 1);
    const int64_t sums = Odometer(term, summed, sizes_).count();
    const int64_t row_cost = std::max<int64_t>(run * std::max<int64_t>(sums, 1), 1);
    call_.parallel(total / run, 1 + (1 << 16) / row_cost, [&](int64_t begin, int64_t end) {
      Odometer at(term, outer, sizes_);
      at.go_to(begin);
      for (int64_t row = begin; row < end; ++row, at.next()) {
        C* const out = to + row * run;
        if (summed.empty()) {
          const C* from = term.data + at.offset;
          for (int64_t i = 0; i < run; ++i) out[i] = from[i * step];
          continue;
        }
        std::fill_n(out, run, C{});
        Odometer inner(term, summed, sizes_);
        for (int64_t s = 0; s < sums; ++s, inner.next()) {
          const C* from = term.data + at.offset + inner.offset;
          for (int64_t i = 0; i < run; ++i) out[i] += from[i * step];
        }
      }
    });
    return {};
  }

  // The sum of products of two terms over all labels that are not in `needed`. Where the order of the result's labels
  // happens to be `target_labels`, it is written to `target`.
  Result<Term<C>> contract(const Term<C>& x, const Term<C>& y, const LabelList& needed, const LabelList& target_labels,
                           C* target) const {
    LabelList batch, rows, columns, inner;
    for (const int label : needed) {
      const bool in_x = contains(x.labels, label), in_y = contains(y.labels, label);
      if (in_x && in_y) batch.push_back(label);
      if (in_x && !in_y) rows.push_back(label);
      if (!in_x && in_y) columns.push_back(label);
    }
    for (const int label : x.labels)
      if (contains(y.labels, label) && !contains(needed, label)) inner.push_back(label);

    ASSIGN_OR_RETURN(const Term<C> left, arranged(x, {&batch, &rows, &inner}));
    ASSIGN_OR_RETURN(const Term<C> right, arranged(y, {&batch, &inner, &columns}));
    Term<C> made;
    for (const LabelList* part : {&batch, &rows, &columns})
      made.labels.insert(made.labels.end(), part->begin(), part->end());
    made.strides = dense_strides(made.labels);
    ASSIGN_OR_RETURN(const int64_t total, count(made.labels));
    C* to = target;
    if (target == nullptr || made.labels != target_labels) {
      ASSIGN_OR_RETURN(made.owned, Scratch<C>::make(call_, {total}));
      to = made.owned.data();
    }
    made.data = to;
    if (total == 0) return made;
    ASSIGN_OR_RETURN(const int64_t products, count(batch));
    ASSIGN_OR_RETURN(const int64_t m, count(rows));
    ASSIGN_OR_RETURN(const int64_t n, count(columns));
    ASSIGN_OR_RETURN(const int64_t k, count(inner));
    TRY(multiply_all<C>(call_, products, m, n, k, [&](int64_t i) {
      return Product<C>{{left.data + i * m * k, k, 1}, {right.data + i * k * n, n, 1}, to + i * m * n};
    }));
    return made;
  }

 private:
  std::vector<int64_t> dense_strides(const LabelList& labels) const {
    std::vector<int64_t> strides(labels.size());
    int64_t stride = 1;
    for (size_t i = labels.size(); i-- > 0; stride *= sizes_[static_cast<size_t>(labels[i])]) strides[i] = stride;
    return strides;
  }

  // The term with its labels in this order and without gaps; a copy only where it is not so already.
  Result<Term<C>> arranged(const Term<C>& term, std::initializer_list<const LabelList*> order) const {
    Term<C> made;
    for (const LabelList* part : order) made.labels.insert(made.labels.end(), part->begin(), part->end());
    ASSIGN_OR_RETURN(const int64_t total, count(made.labels));
    made.strides = dense_strides(made.labels);
    bool same = made.labels.size() == term.labels.size();
    for (size_t i = 0; same && i < made.labels.size(); ++i)
      same = contains(term.labels, made.labels[i]) &&
             (sizes_[static_cast<size_t>(made.labels[i])] == 1 || term.stride(made.labels[i]) == made.strides[i]);
    if (same) {
      made.data = term.data;
      return made;
    }
    ASSIGN_OR_RETURN(made.owned, Scratch<C>::make(call_, {total}));
    made.data = made.owned.data();
    TRY(gather(term, made.labels, made.owned.data()));
    return made;
  }

  Call& call_;
  const std::vector<int64_t>& sizes_;
};

// An operand by label: a label that it has twice runs along the diagonal.
template <class C>
Term<C> view_operand(const C* data, const LabelList& labels, const Dims& dims) {
  Term<C> term;
  term.data = data;
  int64_t stride = 1;
  for (size_t axis = dims.size(); axis-- > 0; stride *= dims[axis]) {
    const int64_t step = dims[axis] == 1 ? 0 : stride;
    const auto found = std::ranges::find(term.labels, labels[axis]);
    if (found != term.labels.end()) {
      term.strides[static_cast<size_t>(found - term.labels.begin())] += step;
      continue;
    }
    term.labels.insert(term.labels.begin(), labels[axis]);
    term.strides.insert(term.strides.begin(), step);
  }
  return term;
}

// What the result or an operand after `i` has, result first: steps then tend to end in the result's order.
LabelList needed_after(const EinsumEquation& equation, size_t i) {
  LabelList needed = equation.result;
  for (size_t later = i + 1; later < equation.operands.size(); ++later)
    for (const int label : equation.operands[later])
      if (!contains(needed, label)) needed.push_back(label);
  return needed;
}

template <class C>
Result<> einsum(Call& call, const EinsumEquation& equation, const std::vector<const Tensor*>& operands) {
  Dims dims;
  for (const int label : equation.result) dims.push_back(equation.sizes[static_cast<size_t>(label)]);
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, operands[0]->dtype(), dims));
  std::vector<Wide<C>> elements;
  for (const Tensor* operand : operands) {
    ASSIGN_OR_RETURN(auto wide, Wide<C>::make(call, *operand));
    elements.push_back(std::move(wide));
  }
  const Contraction<C> contraction(call, equation);
  Term<C> term = view_operand(elements[0].data(), equation.operands[0], operands[0]->dims());
  for (size_t i = 1; i < operands.size(); ++i) {
    TRY(call.check_cancelled());
    const bool last = i + 1 == operands.size();
    ASSIGN_OR_RETURN(
        term, contraction.contract(term, view_operand(elements[i].data(), equation.operands[i], operands[i]->dims()),
                                   needed_after(equation, i), equation.result, last ? y.data() : nullptr));
  }
  if (term.data != y.data()) TRY(contraction.gather(term, equation.result, y.data()));
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_einsum(Call& call) {
  std::vector<const Tensor*> operands;
  std::vector<Dims> dims;
  for (int i = 0; i < call.input_count(); ++i) {
    ASSIGN_OR_RETURN(const Tensor* operand, call.tensor(i));
    if (!operands.empty() && operand->dtype() != operands[0]->dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(operands[0]->dtype()),
                          to_string(operand->dtype()));
    operands.push_back(operand);
    dims.push_back(operand->dims());
  }
  if (operands.empty()) return call.invalid("operands; got none, need at least one");
  ASSIGN_OR_RETURN(const EinsumEquation equation, read_equation(call, call.node().string_or("equation", ""), dims));
  return in_working_type(call, operands[0]->dtype(), [&]<class C>() { return einsum<C>(call, equation, operands); });
}

}  // namespace hearth::operators

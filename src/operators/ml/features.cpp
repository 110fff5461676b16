// Operators that prepare features: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer,
// OneHotEncoder, Scaler.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "operators/convert.h"
#include "operators/ml/attributes.h"
#include "operators/ml/kernels.h"

namespace hearth::operators::ml {

namespace {

bool is_numeric(DType dtype) {
  return is_float(dtype) || is_integer(dtype);
}

Result<const Tensor*> numeric_input(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(i));
  if (!is_numeric(x->dtype())) return call.unsupported("element type; got {}", to_string(x->dtype()));
  return x;
}

int64_t last_size(const Tensor& x) {
  return x.rank() == 0 ? 1 : x.dims().back();
}

// f(values, begin, count) for chunks of x as doubles.
template <class Function>
void for_each_chunk(const Tensor& x, Function&& f) {
  double values[kChunk];
  for (int64_t begin = 0; begin < x.size(); begin += kChunk) {
    const int64_t n = std::min(kChunk, x.size() - begin);
    to_doubles(x.dtype(), element_at(x.dtype(), x.raw(), begin), values, n);
    f(values, begin, n);
  }
}

}  // namespace

Result<> array_feature_extractor(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  if (indices->dtype() != DType::I64) return call.invalid("indices; got {}, need i64", to_string(indices->dtype()));
  if (x->rank() == 0) return call.invalid("rank of the input; got 0, need at least 1");
  const int64_t width = last_size(*x), count = indices->size();
  const auto* at = indices->data<int64_t>();
  for (int64_t i = 0; i < count; ++i)
    if (at[i] < 0 || at[i] >= width)
      return call.invalid("index {}; got {}, need at least 0 and less than {}", i, at[i], width);
  Dims dims = x->dims();
  dims[dims.size() - 1] = count;
  if (x->rank() == 1) dims.insert(0, 1);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), dims));
  const int64_t rows = width == 0 ? 0 : x->size() / width;
  const auto copy = [&]<class T>() {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < count; ++i) y->mutable_data<T>()[r * count + i] = x->data<T>()[r * width + at[i]];
  };
  if (x->dtype() == DType::String)
    copy.operator()<std::string>();
  else
    CHECK(with_width(bytes_of(x->dtype(), 1), copy));
  return {};
}

Result<> binarizer(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, numeric_input(call, 0));
  const double threshold = call.node().float_or("threshold", 0.0f);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  for_each_chunk(*x, [&](double* values, int64_t begin, int64_t n) {
    for (int64_t i = 0; i < n; ++i) values[i] = values[i] > threshold ? 1 : 0;
    from_doubles(values, x->dtype(), element_at(x->dtype(), y->mutable_raw(), begin), n);
  });
  return {};
}

// Input i gives inputdimensions[i] columns: cut, or filled up with zeros. Without the attribute, all it has.
Result<> feature_vectorizer(Call& call) {
  const auto wanted = call.node().ints("inputdimensions");
  if (!wanted.empty() && static_cast<int>(wanted.size()) != call.input_count())
    return call.invalid("inputdimensions; got {}, need {}, one for each input", wanted.size(), call.input_count());
  int64_t rows = -1, columns = 0;
  std::vector<int64_t> widths;
  for (int i = 0; i < call.input_count(); ++i) {
    ASSIGN_OR_RETURN(const Tensor* x, numeric_input(call, i));
    if (x->rank() != 1 && x->rank() != 2)
      return call.invalid("rank of input {}; got {}, need 1 or 2", i, to_string(x->dims()));
    const int64_t own = x->rank() == 1 ? 1 : x->dim(0);
    if (rows >= 0 && own != rows) return call.invalid("rows of input {}; got {}, need {}", i, own, rows);
    rows = own;
    widths.push_back(wanted.empty() ? last_size(*x) : wanted[static_cast<size_t>(i)]);
    if (widths.back() < 0 || widths.back() > kMaxTensorElements || columns > kMaxTensorElements)
      return call.invalid("inputdimensions; got {}, need at least 0 and at most {}", widths.back(), kMaxTensorElements);
    columns += widths.back();
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, {std::max<int64_t>(rows, 0), columns}));
  int64_t first = 0;
  for (int i = 0; i < call.input_count(); ++i) {
    const Tensor& x = call.input(i);
    const int64_t width = widths[static_cast<size_t>(i)], given = last_size(x), copied = std::min(width, given);
    for (int64_t r = 0; r < rows; ++r) {
      float* to = y->mutable_data<float>() + r * columns + first;
      to_floats(x.dtype(), element_at(x.dtype(), x.raw(), r * given), to, copied);
      std::fill(to + copied, to + width, 0.0f);
    }
    first += width;
  }
  return {};
}

Result<> imputer(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, numeric_input(call, 0));
  const graph::Node& node = call.node();
  const bool whole = is_integer(x->dtype());
  const auto floats = node.floats("imputed_value_floats");
  const auto ints = node.ints("imputed_value_int64s");
  const size_t count = whole ? ints.size() : floats.size();
  const int64_t features = last_size(*x);
  if (count != 1 && static_cast<int64_t>(count) != features)
    return call.invalid("imputed values for {}; got {}, need 1 or {}", to_string(x->dtype()), count, features);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  if (whole) {
    const int64_t replaced = node.int_or("replaced_value_int64", 0);
    int64_t values[kChunk];
    for (int64_t begin = 0; begin < x->size(); begin += kChunk) {
      const int64_t n = std::min(kChunk, x->size() - begin);
      to_int64s(x->dtype(), element_at(x->dtype(), x->raw(), begin), values, n);
      for (int64_t i = 0; i < n; ++i)
        if (values[i] == replaced) values[i] = ints[count == 1 ? 0 : static_cast<size_t>((begin + i) % features)];
      from_int64s(values, is_unsigned(x->dtype()), x->dtype(), element_at(x->dtype(), y->mutable_raw(), begin), n);
    }
    return {};
  }
  const double replaced = node.float_or("replaced_value_float", 0.0f);
  for_each_chunk(*x, [&](double* values, int64_t begin, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
      if (values[i] == replaced || (std::isnan(replaced) && std::isnan(values[i])))
        values[i] = floats[count == 1 ? 0 : static_cast<size_t>((begin + i) % features)];
    from_doubles(values, x->dtype(), element_at(x->dtype(), y->mutable_raw(), begin), n);
  });
  return {};
}

Result<> normalizer(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, numeric_input(call, 0));
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  const std::string_view norm = call.node().string_or("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    return call.invalid("norm; got '{}', need 'MAX', 'L1' or 'L2'", norm);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, x->dims()));
  std::vector<double> row(static_cast<size_t>(rows.features));
  for (int64_t r = 0; r < rows.count && rows.features > 0; ++r) {
    rows.read(r, row.data());
    double divisor = norm == "MAX" ? *std::ranges::max_element(row) : 0;
    if (norm == "L1")
      for (const double value : row) divisor += std::abs(value);
    if (norm == "L2") {
      for (const double value : row) divisor += value * value;
      divisor = std::sqrt(divisor);
    }
    if (divisor != 0)
      for (double& value : row) value /= divisor;
    from_doubles(row.data(), DType::F32, y->mutable_data<float>() + r * rows.features, rows.features);
  }
  return {};
}

Result<> one_hot_encoder(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const auto ints = call.node().ints("cats_int64s");
  const auto texts = call.node().strings("cats_strings");
  const bool text = x->dtype() == DType::String;
  if (!text && !is_numeric(x->dtype())) return call.unsupported("element type; got {}", to_string(x->dtype()));
  const auto count = static_cast<int64_t>(text ? texts.size() : ints.size());
  if (count == 0) return call.invalid("categories for {}; got none, need at least 1", to_string(x->dtype()));
  if (!Dims::fits(x->dims().size() + 1))
    return call.invalid("rank of the input; got {}, need less than {}", x->rank(), HEARTH_MAX_RANK);
  Dims dims = x->dims();
  dims.push_back(count);

  std::unordered_map<std::string_view, int64_t> by_text;
  std::unordered_map<int64_t, int64_t> by_number;
  for (int64_t i = count; i-- > 0;) {  // the first of equal categories stays
    if (text)
      by_text[texts[static_cast<size_t>(i)]] = i;
    else
      by_number[ints[static_cast<size_t>(i)]] = i;
  }
  const bool lenient = call.node().int_or("zeros", 1) != 0;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, dims));
  auto* made = y->mutable_data<float>();
  std::fill_n(made, y->size(), 0.0f);
  for (int64_t i = 0; i < x->size(); ++i) {
    int64_t category = -1;
    if (text) {
      const auto at = by_text.find(x->strings()[static_cast<size_t>(i)]);
      if (at != by_text.end()) category = at->second;
    } else {
      int64_t value = 0;
      const void* from = element_at(x->dtype(), x->raw(), i);
      if (is_integer(x->dtype())) {
        to_int64s(x->dtype(), from, &value, 1);
      } else {
        double real = 0;
        to_doubles(x->dtype(), from, &real, 1);
        value = truncated<int64_t>(real);
      }
      const auto at = by_number.find(value);
      if (at != by_number.end()) category = at->second;
    }
    if (category >= 0)
      made[i * count + category] = 1;
    else if (!lenient)
      return call.invalid("element {}; it is none of the {} categories, and zeros is 0", i, count);
  }
  return {};
}

Result<> scaler(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, numeric_input(call, 0));
  const auto offset = call.node().floats("offset"), scale = call.node().floats("scale");
  const int64_t features = last_size(*x);
  for (const auto& [name, list] : {std::pair{"offset", offset}, std::pair{"scale", scale}})
    if (list.size() > 1 && static_cast<int64_t>(list.size()) != features)
      return call.invalid("{}; got {}, need 1 or {}", name, list.size(), features);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, x->dims()));
  const auto at = [&](std::span<const float> list, int64_t i, double otherwise) {
    if (list.empty()) return otherwise;
    return static_cast<double>(list[list.size() == 1 ? 0 : static_cast<size_t>(i % features)]);
  };
  for_each_chunk(*x, [&](double* values, int64_t begin, int64_t n) {
    for (int64_t i = 0; i < n; ++i) values[i] = (values[i] - at(offset, begin + i, 0.0)) * at(scale, begin + i, 1.0);
    from_doubles(values, DType::F32, y->mutable_data<float>() + begin, n);
  });
  return {};
}

}  // namespace hearth::operators::ml

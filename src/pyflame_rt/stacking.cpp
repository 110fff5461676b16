#include "pyflame_rt/stacking.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace pyflame_rt {

namespace {

void copy_elements(const Tensor& from, size_t from_at, Tensor& to, size_t to_at, size_t count) {
  if (from.type() == DataType::String) {
    std::copy_n(from.data<std::string>() + from_at, count, to.data<std::string>() + to_at);
    return;
  }
  const size_t width = element_size(from.type());
  if (count > 0)
    std::memcpy(static_cast<char*>(to.raw()) + to_at * width, static_cast<const char*>(from.raw()) + from_at * width,
                count * width);
}

}  // namespace

Tensor stack(const std::vector<const Tensor*>& parts, const std::string& what) {
  const Tensor& first = *parts.at(0);
  Shape shape = first.shape();
  if (shape.empty())
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[batch] '{}' is a scalar; need a first dimension to stack along", what));
  shape[0] = 0;
  for (const Tensor* part : parts) {
    const bool fits = part->type() == first.type() && part->shape().size() == shape.size() &&
                      std::equal(part->shape().begin() + 1, part->shape().end(), shape.begin() + 1);
    if (!fits)
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("[batch] '{}'; got {} [{}], need {} [?, {}]: only the first sizes may differ", what,
                              to_string(part->type()), fmt::join(part->shape(), ", "), to_string(first.type()),
                              fmt::join(first.shape().begin() + 1, first.shape().end(), ", ")));
    shape[0] += part->shape()[0];
  }
  Tensor whole(first.type(), shape);
  size_t at = 0;
  for (const Tensor* part : parts) {
    copy_elements(*part, 0, whole, at, part->size());
    at += part->size();
  }
  return whole;
}

std::vector<Tensor> unstack(const Tensor& whole, const std::vector<int64_t>& first_sizes, const std::string& what) {
  int64_t sum = 0;
  for (const int64_t size : first_sizes) sum += size;
  if (whole.shape().empty() || whole.shape()[0] != sum)
    throw Error(ErrorCode::InvalidArgument, fmt::format("[batch] output '{}'; got [{}], need a first size of {}: this "
                                                        "model does not keep the samples of a batch apart",
                                                        what, fmt::join(whole.shape(), ", "), sum));
  const size_t row = sum > 0 ? whole.size() / static_cast<size_t>(sum) : 0;
  std::vector<Tensor> parts;
  size_t at = 0;
  for (const int64_t size : first_sizes) {
    Shape shape = whole.shape();
    shape[0] = size;
    Tensor part(whole.type(), shape);
    copy_elements(whole, at, part, 0, row * static_cast<size_t>(size));
    at += row * static_cast<size_t>(size);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace pyflame_rt

#include <algorithm>
#include <vector>

#include "operators/arguments.h"
#include "operators/control/control_kernels.h"
#include "operators/control/string_input.h"
#include "operators/control/unicode.h"

namespace hearth::operators {

namespace {

// Calls part(text) for each part of `text` between delimiters, of which `most` split it.
template <class Part>
void split_at(std::string_view text, std::string_view delimiter, int64_t most, Part&& part) {
  for (int64_t splits = 0; splits < most; ++splits) {
    const size_t at = text.find(delimiter);
    if (at == std::string_view::npos) break;
    part(text.substr(0, at));
    text.remove_prefix(at + delimiter.size());
  }
  part(text);
}

std::string_view without_leading_space(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (!is_white_space(point)) break;
    text.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return text;
}

// Bytes before the white space at the end.
size_t length_without_space(std::string_view text) {
  size_t length = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = first_code_point(text.substr(at));
    at += static_cast<size_t>(point.bytes);
    if (!is_white_space(point)) length = at;
  }
  return length;
}

// The same at runs of white space; that at both ends belongs to no part.
template <class Part>
void split_at_space(std::string_view text, int64_t most, Part&& part) {
  text = without_leading_space(text);
  text = text.substr(0, length_without_space(text));
  for (int64_t splits = 0; splits < most && !text.empty(); ++splits) {
    size_t end = 0;
    while (end < text.size()) {
      const CodePoint point = first_code_point(text.substr(end));
      if (is_white_space(point)) break;
      end += static_cast<size_t>(point.bytes);
    }
    part(text.substr(0, end));
    text = without_leading_space(text.substr(end));
  }
  if (!text.empty()) part(text);
}

}  // namespace

Result<> run_string_split(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, string_input(call, 0));
  const std::string_view delimiter = call.node().string_or("delimiter", "");
  const int64_t given = call.node().int_or("maxsplit", -1), most = given < 0 ? INT64_MAX : given;
  const auto each_part = [&](const std::string& text, auto&& part) {
    if (delimiter.empty())
      split_at_space(text, most, part);
    else
      split_at(text, delimiter, most, part);
  };
  ASSIGN_OR_RETURN(Tensor counts, Tensor::allocate(DType::I64, input->dims(), call.memory()));
  auto* count = counts.mutable_data<int64_t>();
  int64_t longest = 0;
  for (int64_t i = 0; i < input->size(); ++i) {
    count[i] = 0;
    each_part(input->strings()[static_cast<size_t>(i)], [&](std::string_view) { ++count[i]; });
    longest = std::max(longest, count[i]);
  }
  if (!Dims::fits(input->dims().size() + 1))
    return call.unsupported("dimensions of the output; got {}, need at most {}", input->dims().size() + 1,
                            HEARTH_MAX_RANK);
  Dims dims = input->dims();
  dims.push_back(longest);
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(Tensor * parts, call.output(0, DType::String, dims));
    for (int64_t i = 0; i < input->size(); ++i) {
      auto* to = parts->mutable_data<std::string>() + i * longest;
      each_part(input->strings()[static_cast<size_t>(i)], [&](std::string_view part) { *to++ = part; });
    }
  }
  if (call.wants(1)) call.set_output(1, std::move(counts));
  return {};
}

}  // namespace hearth::operators

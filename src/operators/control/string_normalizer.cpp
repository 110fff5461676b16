#include <locale.h>  // NOLINT: newlocale and towlower_l are POSIX

#include <clocale>
#include <cwctype>
#include <unordered_set>

#include "operators/control/control_kernels.h"
#include "operators/control/string_input.h"
#include "operators/control/unicode.h"

namespace hearth::operators {

namespace {

enum class Case { Lower, Upper, None };

// Letters of a language in both cases. The C library's tables; nothing of the process's own locale is read or changed.
class Letters {
 public:
  static Result<Letters> read(const Call& call) {
    const std::string name(call.node().string_or("locale", ""));
    // Case does not depend on the language but in these: for all others Unicode's own mapping serves.
    const std::string_view language = std::string_view(name).substr(0, 2);
    const bool special = language == "tr" || language == "az" || language == "lt";
    Letters letters;
    letters.locale_ = newlocale(LC_CTYPE_MASK, special ? name.c_str() : "C.UTF-8", nullptr);
    if (letters.locale_ == nullptr)
      return call.unsupported("attribute locale; got '{}', which this system does not have", name);
    return letters;
  }
  Letters(Letters&& other) noexcept : locale_(std::exchange(other.locale_, nullptr)) {}
  Letters& operator=(Letters&&) = delete;
  ~Letters() {
    if (locale_ != nullptr) freelocale(locale_);
  }

  std::string in(Case wanted, std::string_view text) const {
    std::string changed;
    changed.reserve(text.size());
    while (!text.empty()) {
      const CodePoint point = first_code_point(text);
      if (!point.valid) {
        changed.push_back(text.front());
      } else {
        const auto letter = static_cast<wint_t>(point.value);
        append_code_point(changed, static_cast<uint32_t>(wanted == Case::Lower   ? towlower_l(letter, locale_)
                                                         : wanted == Case::Upper ? towupper_l(letter, locale_)
                                                                                 : letter));
      }
      text.remove_prefix(static_cast<size_t>(point.bytes));
    }
    return changed;
  }

 private:
  Letters() = default;
  locale_t locale_ = nullptr;
};

Result<Case> read_case(const Call& call) {
  const std::string_view name = call.node().string_or("case_change_action", "NONE");
  if (name == "LOWER") return Case::Lower;
  if (name == "UPPER") return Case::Upper;
  if (name == "NONE") return Case::None;
  return call.invalid("attribute case_change_action; got '{}', need LOWER, UPPER or NONE", name);
}

}  // namespace

Result<> run_string_normalizer(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, string_input(call, 0));
  ASSIGN_OR_RETURN(const Case change, read_case(call));
  ASSIGN_OR_RETURN(const Letters letters, Letters::read(call));
  if (input->rank() != 1 && !(input->rank() == 2 && input->dim(0) == 1))
    return call.invalid("input; got shape {}, need [C] or [1, C]", to_string(input->dims()));
  const bool is_case_sensitive = call.node().int_or("is_case_sensitive", 0) != 0;
  const auto key = [&](const std::string& word) { return is_case_sensitive ? word : letters.in(Case::Lower, word); };
  std::unordered_set<std::string> stop_words;
  for (const std::string& word : call.node().strings("stopwords")) stop_words.insert(key(word));
  std::vector<std::string> kept;
  for (const std::string& word : input->strings())
    if (stop_words.empty() || !stop_words.contains(key(word)))
      kept.push_back(change == Case::None ? word : letters.in(change, word));
  if (kept.empty()) kept.emplace_back();  // so the operator is defined
  Dims dims = {static_cast<int64_t>(kept.size())};
  if (input->rank() == 2) dims.insert(0, 1);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::String, dims));
  std::ranges::move(kept, output->mutable_data<std::string>());
  return {};
}

}  // namespace hearth::operators

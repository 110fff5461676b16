// The schema table and what follows from it alone.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/nearest_word.h"
#include "pie/config.h"

namespace hearth::pie {
namespace {

struct Need {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  std::string_view choices;
};
constexpr Need anything() {
  return {};
}
constexpr Need range(double least, double most) {
  return {least, most, {}};
}
constexpr Need one_of(std::string_view choices) {
  return {.choices = choices};
}

template <class Settings, class Type, Type Settings::* Member>
Value get_member(const void* settings) {
  return static_cast<const Settings*>(settings)->*Member;
}
template <class Settings, class Type, Type Settings::* Member>
void set_member(void* settings, Value value) {
  static_cast<Settings*>(settings)->*Member = std::get<Type>(std::move(value));
}

constexpr KeyInfo kKeys[] = {
#define KEY(of_model, settings, type, name, need, effect, doc) \
  {of_model,                                                   \
   #name,                                                      \
   #type,                                                      \
   (need).least,                                               \
   (need).most,                                                \
   (need).choices,                                             \
   Effect::effect,                                             \
   doc,                                                        \
   get_member<settings, type, &settings::name>,                \
   set_member<settings, type, &settings::name>},
#define ENGINE_KEY(type, name, standard, need, effect, doc) KEY(false, EngineSettings, type, name, need, effect, doc)
#define MODEL_KEY(type, name, standard, need, effect, doc) KEY(true, ModelSettings, type, name, need, effect, doc)
#include "pie/config.inc"
#undef ENGINE_KEY
#undef MODEL_KEY
#undef KEY
};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string number_text(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

std::string toml_quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\u{:04X}", byte);
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::unexpected<Error> wrong_word(const KeyInfo& key, std::string_view word) {
  return fail(ErrorKind::Usage, "[config] {}; got \"{}\", need {}", key.flag(), word, key.need_text());
}

}  // namespace

std::span<const KeyInfo> config_keys() {
  return kKeys;
}

const KeyInfo* find_key(bool of_model, std::string_view name) {
  for (const auto& key : kKeys)
    if (key.of_model == of_model && key.name == name) return &key;
  return nullptr;
}

std::string_view effect_text(Effect effect) {
  switch (effect) {
    case Effect::Always:
      return {};
    case Effect::Server:
      return "acts on `pie serve`, which this version does not have";
    case Effect::Gpu:
      return "acts on GPUs, which this build does not serve";
    case Effect::None:
      return "has no effect";
  }
  return {};
}

std::string KeyInfo::flag() const {
  std::string text = "--" + std::string(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string KeyInfo::need_text() const {
  if (!choices.empty()) return fmt::format("one of {}", fmt::join(words_of(choices), ", "));
  if (type == "Flag") return "true or false";
  if (type == "Texts") return "a list of texts";
  if (type == "Text") return "a text";
  const char* kind = type == "Whole" ? "a whole number" : "a number";
  if (!std::isfinite(least)) return kind;
  return fmt::format("{} from {} to {}", kind, number_text(least), number_text(most));
}

Value KeyInfo::standard() const {
  if (of_model) return get(std::make_unique<ModelSettings>().get());
  return get(std::make_unique<EngineSettings>().get());
}

Result<> check_value(const KeyInfo& key, const Value& value) {
  const auto wrong = [&]() -> std::unexpected<Error> {
    return fail(ErrorKind::Invalid, "{}.{}; got {}, need {}", key.section(), key.name, toml_text(value),
                key.need_text());
  };
  if (value.index() != key.standard().index()) return wrong();
  if (const auto* text = std::get_if<Text>(&value)) {
    const auto choices = words_of(key.choices);
    if (!choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
      auto error = wrong();
      error.error().message += suggestion(*text, choices);
      return error;
    }
  }
  if (const auto* list = std::get_if<Texts>(&value); list != nullptr && list->empty()) return wrong();
  double number = 0;
  if (const auto* whole = std::get_if<Whole>(&value)) number = static_cast<double>(*whole);
  if (const auto* real = std::get_if<Real>(&value)) number = *real;
  if (key.type == "Whole" || key.type == "Real")
    if (!(number >= key.least && number <= key.most)) return wrong();
  return {};
}

Result<Value> value_from_words(const KeyInfo& key, std::span<const std::string> words) {
  if (key.type == "Texts") return Texts(words.begin(), words.end());
  const std::string word = words.empty() ? "" : words.back();
  Value value = word;
  if (key.type == "Flag") {
    const bool yes = word == "true" || word == "on" || word == "yes" || word == "1";
    const bool no = word == "false" || word == "off" || word == "no" || word == "0";
    if (!yes && !no) return wrong_word(key, word);
    value = yes;
  } else if (key.type == "Whole") {
    int64_t number = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (code != std::errc() || end != word.data() + word.size()) return wrong_word(key, word);
    value = number;
  } else if (key.type == "Real") {
    double number = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (code != std::errc() || end != word.data() + word.size()) return wrong_word(key, word);
    value = number;
  }
  if (auto checked = check_value(key, value); !checked) {
    checked.error().kind = ErrorKind::Usage;
    return within("config", std::move(checked).error());
  }
  return value;
}

std::string toml_text(const Value& value) {
  if (const auto* text = std::get_if<Text>(&value)) return toml_quoted(*text);
  if (const auto* flag = std::get_if<Flag>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<Whole>(&value)) return fmt::format("{}", *whole);
  if (const auto* real = std::get_if<Real>(&value))
    return *real == std::floor(*real) && std::abs(*real) < 1e15 ? fmt::format("{:.1f}", *real)
                                                                : fmt::format("{}", *real);
  std::string list;
  for (const auto& item : std::get<Texts>(value)) list += (list.empty() ? "" : ", ") + toml_quoted(item);
  return "[" + list + "]";
}

}  // namespace hearth::pie

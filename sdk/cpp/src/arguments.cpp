#include "hearth/arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

namespace hearth {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c == '_' ? '-' : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return fold(x) == fold(y); });
}

// Words that belong to no option stand under this name, which same_name would make "-".
constexpr std::string_view kWords = "_";

bool textual(const Json& value) {
  return value.kind == Json::Kind::Text || value.kind == Json::Kind::Number;
}

}  // namespace

Result<Arguments> Arguments::parse(std::string_view input) {
  Arguments out;
  out.json_.kind = Json::Kind::Object;
  if (input.find_first_not_of(" \t\r\n") != input.npos) {
    HEARTH_LET(out.json_, Json::parse(input));
  }
  if (out.json_.kind != Json::Kind::Object)
    return fail("[arguments] the input; got " + out.json_.show() + ", need a JSON object");
  out.taken_.resize(out.json_.names.size());
  const Json* help = out.json_.find("help");
  out.help_wanted_ = help && help->kind == Json::Kind::True;
  return out;
}

bool Arguments::given(std::string_view name) const {
  return std::ranges::any_of(json_.names, [&](const std::string& other) { return same_name(name, other); });
}

const Json* Arguments::take(std::string_view name, std::string_view form, std::string_view help) {
  std::string left =
      name == kWords ? "  WORD…" : "  --" + std::string(name) + (form.empty() ? "" : " " + std::string(form));
  left.resize(std::max<size_t>(left.size() + 2, 28), ' ');
  help_ += left + std::string(help) + "\n";
  const Json* found = nullptr;
  for (size_t i = 0; i < json_.names.size(); ++i) {
    if (!same_name(name, json_.names[i])) continue;
    taken_[i] = true;
    if (json_.items[i].kind != Json::Kind::Null) found = &json_.items[i];
  }
  return found;
}

void Arguments::wrong(std::string_view name, const Json& got, std::string_view need) {
  if (error_.empty())
    error_ = "[arguments] --" + std::string(name) + "; got " + got.show() + ", need " + std::string(need);
}

Arguments& Arguments::option(std::string_view name, std::string& value, std::string_view help) {
  if (const Json* json = take(name, "TEXT", help)) {
    if (textual(*json)) {
      value = json->text;
    } else {
      wrong(name, *json, "a text");
    }
  }
  return *this;
}

Arguments& Arguments::option(std::string_view name, bool& value, std::string_view help) {
  if (const Json* json = take(name, "", help)) {
    if (json->kind == Json::Kind::True || json->kind == Json::Kind::False) {
      value = json->kind == Json::Kind::True;
    } else {
      wrong(name, *json, "true or false (write --" + std::string(name) + "=true when a word follows)");
    }
  }
  return *this;
}

template <class T>
Arguments& Arguments::number(std::string_view name, T& value, std::string_view form, std::string_view help) {
  const Json* json = take(name, form, help);
  if (!json) return *this;
  if constexpr (std::floating_point<T>) {
    if (json->kind == Json::Kind::Number) {
      value = static_cast<T>(std::strtod(json->text.c_str(), nullptr));
      return *this;
    }
    wrong(name, *json, "a number");
  } else {
    T parsed;
    const char* end = json->text.data() + json->text.size();
    const auto [stop, code] = std::from_chars(json->text.data(), end, parsed);
    if (json->kind == Json::Kind::Number && code == std::errc() && stop == end) {
      value = parsed;
      return *this;
    }
    wrong(name, *json,
          "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
              std::to_string(std::numeric_limits<T>::max()));
  }
  return *this;
}

Arguments& Arguments::option(std::string_view name, float& value, std::string_view help) {
  return number(name, value, "NUMBER", help);
}
Arguments& Arguments::option(std::string_view name, double& value, std::string_view help) {
  return number(name, value, "NUMBER", help);
}
Arguments& Arguments::option(std::string_view name, uint32_t& value, std::string_view help) {
  return number(name, value, "N", help);
}
Arguments& Arguments::option(std::string_view name, int32_t& value, std::string_view help) {
  return number(name, value, "N", help);
}
Arguments& Arguments::option(std::string_view name, uint64_t& value, std::string_view help) {
  return number(name, value, "N", help);
}

Arguments& Arguments::option(std::string_view name, std::vector<std::string>& values, std::string_view help) {
  const Json* json = take(name, "TEXT…", help);
  if (!json) return *this;
  const std::vector<Json> one{*json};
  std::vector<std::string> texts;
  for (const Json& item : json->kind == Json::Kind::Array ? json->items : one) {
    if (!textual(item)) {
      wrong(name, item, "a text");
      return *this;
    }
    texts.push_back(item.text);
  }
  values = std::move(texts);
  return *this;
}

Arguments& Arguments::words(std::vector<std::string>& values, std::string_view help) {
  return option(kWords, values, help);
}

Result<> Arguments::done() {
  if (help_wanted_) return fail("Arguments:\n" + help_);
  if (!error_.empty()) return fail(error_);
  for (size_t i = 0; i < taken_.size(); ++i)
    if (!taken_[i])
      return fail("[arguments] " + (json_.names[i] == kWords ? "words without an option" : "--" + json_.names[i]) +
                  "; got " + json_.items[i].show() + ", need one of:\n" + help_);
  return {};
}

}  // namespace hearth

// What the guest was started with: the JSON object that `run` receives, `{"prompt": "x", "max-tokens": 5, "raw": true}`
// for `-- --prompt x --max-tokens 5 --raw`. In names `_` and `-` are the same.
#pragma once

#include <concepts>

#include "hearth/json.hpp"

namespace hearth {

class Arguments {
 public:
  // An empty input counts as {}.
  static Result<Arguments> parse(std::string_view input);

  // Stores an argument into a variable; one that was not given leaves it as it is. Numbers are checked for their range.
  // `help` stands in the text that --help shows.
  Arguments& option(std::string_view name, std::string& value, std::string_view help);
  Arguments& option(std::string_view name, bool& value, std::string_view help);
  Arguments& option(std::string_view name, float& value, std::string_view help);
  Arguments& option(std::string_view name, double& value, std::string_view help);
  Arguments& option(std::string_view name, uint32_t& value, std::string_view help);
  Arguments& option(std::string_view name, int32_t& value, std::string_view help);
  Arguments& option(std::string_view name, uint64_t& value, std::string_view help);
  Arguments& option(std::string_view name, std::vector<std::string>& values, std::string_view help);  // may be repeated
  // Words that belong to no option.
  Arguments& words(std::vector<std::string>& values, std::string_view help);
  // Was it given? For what has no default.
  bool given(std::string_view name) const;

  // After the options: the first thing that was wrong, an argument that no option took, or the help text if --help was
  // given.
  Result<> done();

  bool help_wanted() const { return help_wanted_; }
  const Json& json() const { return json_; }

 private:
  const Json* take(std::string_view name, std::string_view form, std::string_view help);
  void wrong(std::string_view name, const Json& got, std::string_view need);
  template <class T>
  Arguments& number(std::string_view name, T& value, std::string_view form, std::string_view help);

  Json json_;
  std::vector<bool> taken_;  // by member of json_
  std::string error_, help_;
  bool help_wanted_ = false;
};

}  // namespace hearth

// Changes keys in the text of a configuration file and leaves the rest as it is. The parser says where each value
// stands; the changed text is parsed again, so that a file written in an unusual way is refused rather than spoilt.
// Every file of the program sees toml++ in this mode: two modes in one program would mix their inline functions.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "pie/config.h"

namespace hearth::pie {
namespace {

// Byte offset of a position; lines and columns count from 1, columns in characters.
size_t offset_of(std::string_view text, toml::source_position position) {
  size_t offset = 0;
  for (toml::source_index line = 1; line < position.line; ++line) {
    const size_t end = text.find('\n', offset);
    if (end == std::string_view::npos) return text.size();
    offset = end + 1;
  }
  for (toml::source_index column = 1; column < position.column && offset < text.size(); ++column) {
    ++offset;
    while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80) ++offset;
  }
  return offset;
}

size_t after_line(std::string_view text, toml::source_index line) {
  const size_t end = text.find('\n', offset_of(text, {line, 1}));
  return end == std::string_view::npos ? text.size() : end + 1;
}

toml::source_index last_line(const toml::table& table) {
  auto line = table.source().begin.line;
  for (const auto& [name, node] : table) line = std::max(line, node.source().end.line);
  return line;
}

// The line `# key = …` with which `config init` offers a key, between two lines of the text; npos when there is none.
size_t offered_line(std::string_view text, std::string_view key, size_t begin, size_t end) {
  const std::string offer = fmt::format("# {} = ", key);
  for (size_t at = begin; at < end; at = text.find('\n', at) == std::string_view::npos ? end : text.find('\n', at) + 1)
    if (text.substr(at).starts_with(offer)) return at;
  return std::string_view::npos;
}

// Where the next section begins, from the end of the line where this one's header stands.
size_t section_end(std::string_view text, size_t begin) {
  const size_t end = text.find("\n[", begin);
  return end == std::string_view::npos ? text.size() : end + 1;
}

const toml::table* section_of(const toml::table& root, bool of_model, size_t model_index) {
  if (!of_model) return root["engine"].as_table();
  const auto* models = root["model"].as_array();
  if (models == nullptr || model_index >= models->size()) return nullptr;
  return (*models)[model_index].as_table();
}

void change_one(std::string& text, const toml::table& root, size_t model_index, const KeyInfo& key,
                const std::string& value) {
  const toml::table* table = section_of(root, key.of_model, model_index);
  const std::string line = fmt::format("{} = {}\n", key.name, value);
  if (table == nullptr) {
    if (!text.empty() && text.back() != '\n') text += '\n';
    text += fmt::format("\n{}\n{}", key.of_model ? "[[model]]" : "[engine]", line);
  } else if (const toml::node* node = table->get(key.name)) {
    const size_t begin = offset_of(text, node->source().begin), end = offset_of(text, node->source().end);
    text.replace(begin, end - begin, value);
  } else if (const size_t begin = after_line(text, table->source().begin.line),
             offer = offered_line(text, key.name, begin, section_end(text, begin == 0 ? 0 : begin - 1));
             offer != std::string_view::npos) {
    const size_t end = text.find('\n', offer);
    text.replace(offer, end == std::string::npos ? text.size() - offer : end + 1 - offer, line);
  } else {
    const size_t place = after_line(text, last_line(*table));
    const bool open_line = place == text.size() && !text.empty() && text.back() != '\n';
    text.insert(place, (open_line ? "\n" : "") + line);
  }
}

}  // namespace

Result<std::string> change_config_text(std::string text, size_t model_index, std::span<const Change> changes) {
  for (const auto& change : changes) {
    const auto parsed = toml::parse(text);
    if (!parsed) return fail(ErrorKind::Invalid, "[config] {}", parsed.error().description());
    change_one(text, parsed.table(), model_index, *change.key, toml_text(change.value));
  }
  const auto again = parse_config(text, "changed configuration");
  const auto by_hand = [](const KeyInfo& key) {
    return fail(ErrorKind::Unsupported,
                "[config] {}.{}: the file is written in a way that cannot be changed in place; edit it by hand",
                key.section(), key.name);
  };
  for (const auto& change : changes) {
    if (!again) return within("config", again.error());
    const void* settings = &again->engine;
    if (change.key->of_model) {
      if (model_index >= again->models.size()) return by_hand(*change.key);
      settings = &again->models[model_index];
    }
    if (change.key->get(settings) != change.value) return by_hand(*change.key);
  }
  return text;
}

}  // namespace hearth::pie

// Questions to a model: they go the way that serving goes (same files, same device, same forward step).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "cli/quantity.h"
#include "cli/table.h"
#include "llm/evaluate.h"
#include "llm/model.h"
#include "llm/tokenizer.h"
#include "pie/commands/commands.h"
#include "pie/local_service.h"
#include "pie/model_presence.h"
#include "pie/program_log.h"

namespace hearth::pie {
namespace {

using Json = nlohmann::ordered_json;

void print(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

// The configured model, or the one that was named, with the device that was named.
struct Asked {
  Config config;
  ModelSettings settings;
  ops::DeviceOptions device_options;
  std::filesystem::path path;
  std::shared_ptr<llm::ModelFile> file;  // shared with the loaded model
};

Result<Asked> resolve(const ModelQuestion& question, std::stop_token stop) {
  Asked asked;
  ASSIGN_OR_RETURN(asked.config, load_config(question.config));
  TRY(open_program_log(asked.config, {}));
  asked.settings = asked.config.models.front();
  if (!question.model.empty()) {
    // A path is as good as file:PATH here.
    std::error_code code;
    const bool path = question.model.find(':') == std::string::npos && std::filesystem::exists(question.model, code);
    asked.settings.source = (path ? "file:" : "") + question.model;
    asked.settings.hf_repo.clear();
  }
  if (question.reference && !question.device.empty() && question.device != "ref")
    return fail(ErrorKind::Usage, "[model] --reference is --device ref; got --device {} too", question.device);
  if (question.reference) asked.settings.device = {"ref"};
  if (!question.device.empty()) asked.settings.device = {question.device};
  if (!question.isa.empty() && asked.settings.device.front() == "ref")
    return fail(ErrorKind::Usage, "[model] --isa; got {}, but the reference has no instruction sets", question.isa);
  asked.device_options = {.threads = static_cast<int>(asked.settings.threads), .isa = question.isa};
  Config checked = asked.config;
  checked.models = {asked.settings};
  TRY(check_served(checked));
  ASSIGN_OR_RETURN(asked.path, require_model(asked.config, asked.settings, stop));
  ASSIGN_OR_RETURN(asked.file, llm::open_model_file(asked.path));
  return asked;
}

struct Loaded {
  std::unique_ptr<ops::Device> device;
  std::unique_ptr<llm::Model> model;
};

Result<Loaded> load(const Asked& asked) {
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.device, ops::open_device(asked.settings.device.front(), asked.device_options));
  ASSIGN_OR_RETURN(loaded.model,
                   llm::Model::load(asked.file, *loaded.device, load_options(asked.config, asked.settings)));
  return loaded;
}

std::string device_text(const ops::Device& device) {
  return fmt::format("{} ({})", device.name(), device.isa());
}

// The tokens of a text as a prompt has them: with the begin token where the model wants one.
std::vector<int32_t> prompt_tokens(const llm::Tokenizer& tokenizer, std::string_view text, bool parse_special) {
  std::vector<int32_t> tokens;
  if (tokenizer.add_bos() && tokenizer.bos()) tokens.push_back(static_cast<int32_t>(*tokenizer.bos()));
  for (const uint32_t id : tokenizer.encode(text, parse_special)) tokens.push_back(static_cast<int32_t>(id));
  return tokens;
}

// Bytes as people can read them: control characters, and the bytes of half a character, become \xNN.
std::string visible(std::string_view bytes) {
  // Ill-formed bytes come out of the stream as another text, unfinished ones not at all.
  const bool whole = llm::Utf8Stream().push(bytes) == bytes;
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !whole))
      text += fmt::format("\\x{:02x}", byte);
    else
      text += c;
  }
  return text;
}

Result<std::vector<int32_t>> parse_tokens(std::string_view text, uint32_t vocab) {
  std::vector<int32_t> tokens;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(", "), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    uint32_t id = 0;
    const auto [last, code] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (code != std::errc() || last != word.data() + word.size() || id >= vocab)
      return fail(ErrorKind::Usage, "[model] --tokens; got \"{}\", need ids from 0 to {}, separated by commas", word,
                  vocab - 1);
    tokens.push_back(static_cast<int32_t>(id));
  }
  if (tokens.empty()) return fail(ErrorKind::Usage, "[model] --tokens; got none, need at least one id");
  return tokens;
}

}  // namespace

Result<> model_info(const ModelQuestion& question, std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto asked, resolve(question, stop));
  ASSIGN_OR_RETURN(const auto loaded, load(asked));
  const auto& config = loaded.model->config();
  ASSIGN_OR_RETURN(const auto tokenizer, llm::Tokenizer::create(asked.file->tokenizer()));
  std::map<std::string, uint64_t> bytes_by_type;
  int64_t parameters = 0;
  for (const auto& tensor : asked.file->tensors()) {
    bytes_by_type[std::string(to_string(dtype_of(tensor.view)))] += tensor.bytes;
    parameters += element_count(tensor.view);
  }
  Json json = {
      {"source", source_of(asked.settings)},
      {"path", asked.path.string()},
      {"format", asked.file->format()},
      {"architecture", config.architecture},
      {"name", config.name},
      {"parameters", parameters},
      {"layers", config.layers},
      {"hidden", config.hidden},
      {"ffn", config.ffn},
      {"heads", config.heads},
      {"kv_heads", config.kv_heads},
      {"head_dim", config.head_dim},
      {"vocab", config.vocab},
      {"context_length", config.context_length},
      {"tied_embedding", config.tied_embedding},
      {"tokens", tokenizer->vocab_size()},
      {"chat_template", !asked.file->chat_template().empty()},
      {"bytes_by_type", bytes_by_type},
      {"device", loaded.device->name()},
      {"isa", loaded.device->isa()},
      {"threads", loaded.device->threads()},
      {"weight_bytes", loaded.model->weight_bytes()},
      {"weights_mapped", loaded.model->mapped()},
      {"kv_dtype", to_string(loaded.device->kv_dtype())},
      {"kv_bytes_per_token", loaded.model->kv_bytes_per_page() / static_cast<size_t>(loaded.model->page_size())}};
  if (question.json) {
    print(json);
    return {};
  }
  for (const auto& [key, value] : json.items())
    fmt::print("{:20} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  return {};
}

Result<> model_tokenize(const ModelQuestion& question, const std::string& text, bool parse_special,
                        std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto asked, resolve(question, stop));
  ASSIGN_OR_RETURN(const auto tokenizer, llm::Tokenizer::create(asked.file->tokenizer()));
  const auto tokens = tokenizer->encode(text, parse_special);
  if (question.json) {
    Json json = {{"count", tokens.size()}, {"tokens", tokens}, {"texts", Json::array()}};
    for (const uint32_t id : tokens) json["texts"].push_back(visible(tokenizer->token_bytes(id)));
    print(json);
    return {};
  }
  std::vector<cli::Row> rows;
  rows.reserve(tokens.size());
  for (const uint32_t id : tokens) rows.push_back({std::to_string(id), visible(tokenizer->token_bytes(id))});
  fmt::print("{}", cli::table({"ID", "BYTES"}, rows));
  fmt::print("{} tokens\n", tokens.size());
  return {};
}

Result<> model_perplexity(const ModelQuestion& question, const std::filesystem::path& text_file, int64_t window,
                          std::stop_token stop) {
  static constexpr size_t kTextBytesLimit = 64 << 20;
  ASSIGN_OR_RETURN(const auto text, read_file(text_file, kTextBytesLimit));
  ASSIGN_OR_RETURN(const auto asked, resolve(question, stop));
  ASSIGN_OR_RETURN(const auto tokenizer, llm::Tokenizer::create(asked.file->tokenizer()));
  const auto tokens = prompt_tokens(*tokenizer, text, false);
  if (tokens.size() < 2)
    return fail(ErrorKind::Invalid, "[model] {}; got {} tokens, need at least 2", text_file.string(), tokens.size());
  ASSIGN_OR_RETURN(const auto loaded, load(asked));
  const int64_t context = loaded.model->config().context_length;
  if (window > context)
    return fail(ErrorKind::Usage, "[model] --window; got {}, need at most {}, the context of the model", window,
                context);
  ASSIGN_OR_RETURN(const auto result,
                   llm::likelihood_of(*loaded.model, tokens, window == 0 ? std::min<int64_t>(context, 2048) : window, 1,
                                      loaded.model->max_step_tokens()));
  if (question.json)
    print({{"perplexity", std::exp(result.mean_nll)},
           {"mean_nll", result.mean_nll},
           {"scored", result.scored},
           {"tokens", tokens.size()},
           {"device", loaded.device->name()},
           {"isa", loaded.device->isa()}});
  else
    fmt::print("perplexity {:.4f}  (mean negative log-likelihood {:.6f} over {} of {} tokens, {})\n",
               std::exp(result.mean_nll), result.mean_nll, result.scored, tokens.size(), device_text(*loaded.device));
  return {};
}

Result<> model_logits(const ModelQuestion& question, const std::string& ids, int64_t top, bool every_position,
                      std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto asked, resolve(question, stop));
  ASSIGN_OR_RETURN(const auto tokenizer, llm::Tokenizer::create(asked.file->tokenizer()));
  ASSIGN_OR_RETURN(const auto loaded, load(asked));
  const int64_t vocab = loaded.model->config().vocab;
  ASSIGN_OR_RETURN(const auto tokens, parse_tokens(ids, static_cast<uint32_t>(vocab)));
  if (static_cast<int64_t>(tokens.size()) > loaded.model->config().context_length)
    return fail(ErrorKind::Limit, "[model] --tokens; got {}, need at most {}, the context of the model", tokens.size(),
                loaded.model->config().context_length);
  ASSIGN_OR_RETURN(const auto logits, llm::logits_of(*loaded.model, tokens, loaded.model->max_step_tokens()));
  const auto count = top == 0 ? vocab : std::min(top, vocab);
  Json json = {{"device", loaded.device->name()}, {"isa", loaded.device->isa()}, {"positions", Json::array()}};
  std::vector<cli::Row> rows;
  for (size_t position = every_position ? 0 : tokens.size() - 1; position < tokens.size(); ++position) {
    const float* row = logits.data() + position * static_cast<size_t>(vocab);
    std::vector<int32_t> order(static_cast<size_t>(vocab));
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [&](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    Json best = Json::array();
    for (int64_t i = 0; i < count; ++i) {
      const int32_t id = order[static_cast<size_t>(i)];
      best.push_back({{"token", id}, {"logit", row[id]}});
      if (!question.json)
        rows.push_back({std::to_string(position), std::to_string(id), fmt::format("{:.5f}", row[id]),
                        static_cast<uint32_t>(id) < tokenizer->vocab_size()
                            ? visible(tokenizer->token_bytes(static_cast<uint32_t>(id)))
                            : ""});
    }
    json["positions"].push_back({{"position", position}, {"top", std::move(best)}});
  }
  if (question.json)
    fmt::print("{}\n", json.dump());
  else
    fmt::print("{}", cli::table({"POSITION", "TOKEN", "LOGIT", "BYTES"}, rows));
  return {};
}

}  // namespace hearth::pie

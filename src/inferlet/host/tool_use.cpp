// pie:instruct/tool-use: tools are shown to the model by its own template; calls are read in the common form
// <tool_call>{"name": …, "arguments": {…}}</tool_call> (one call or a list of them).
//
// The contract has no event for «nothing to report»: a feed without a complete call answers `start`. A feed that
// completes several calls answers the first; each further feed (of no tokens, say) the next.
#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "inferlet/host/guest.h"
#include "inferlet/host/reply.h"

namespace hearth::inferlet {
namespace {

using Json = nlohmann::ordered_json;  // a schema fixes the order in which properties are written
using Tokens = std::vector<uint32_t>;
using Call = std::tuple<std::string, std::string>;
using ToolEvent = Variant<Case<"start">, Case<"call", Call>>;

constexpr size_t kMaxTools = 1024;
constexpr size_t kMaxQueuedCalls = 1024;
constexpr size_t kMaxJsonDepth = 64;
constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";

struct ToolDecoder : Resource {
  static constexpr ResourceType kType = ResourceType::ToolDecoder;
  static constexpr const char* kName = "decoder";
  explicit ToolDecoder(std::shared_ptr<const llm::Tokenizer> t) : tokenizer(std::move(t)) {}
  std::shared_ptr<const llm::Tokenizer> tokenizer;  // the engine's
  llm::Utf8Stream stream;
  MarkedText text{std::string(kOpen), std::string(kClose)};
  std::deque<Call> calls;
};

// Guests and models write this text, and printing JSON recurses: depth is bounded before it is read.
Result<Json> parse_json(std::string_view text, std::string_view what) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\';
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth)
        return fail(ErrorKind::Limit, "[tools] {}; got JSON nested deeper than {}", what, kMaxJsonDepth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    return fail(ErrorKind::Invalid, "[tools] {}; got text that is no JSON: {}", what, text.substr(0, 200));
  }
  return json;
}

// A tool as people write it: the function itself, or OpenAI's wrapper around it.
const Json& function_of(const Json& tool) {
  auto inner = tool.find("function");
  return inner != tool.end() && inner->is_object() ? *inner : tool;
}

Result<Json> parse_tools(const std::vector<std::string>& tools) {
  if (tools.size() > kMaxTools) {
    return fail(ErrorKind::Limit, "[tools] number; got {}, need at most {}", tools.size(), kMaxTools);
  }
  Json all = Json::array();
  for (const std::string& text : tools) {
    ASSIGN_OR_RETURN(Json tool, parse_json(text, "description"));
    if (!tool.is_object())
      return fail(ErrorKind::Invalid, "[tools] description; got {}, need a JSON object", tool.type_name());
    const Json& function = function_of(tool);
    if (!function.contains("name") || !function["name"].is_string()) {
      return fail(ErrorKind::Invalid,
                  "[tools] description; got no \"name\", need {{\"name\": …, \"parameters\": {{…}}}}");
    }
    all.push_back(&function == &tool ? Json{{"type", "function"}, {"function", tool}} : tool);
  }
  return all;
}

// What the template prints for the tools, before any turn; Unsupported when it does not know tools.
Result<std::string> render_tools(const Guest& guest, const Model& model, const Json& tools) {
  ASSIGN_OR_RETURN(const llm::ChatTemplate* chat, chat_template(guest, model));
  const llm::ChatMessage opening{"system", ""};
  ASSIGN_OR_RETURN(std::string with, chat->render({&opening, 1}, false, tools.dump()));
  ASSIGN_OR_RETURN(std::string without, chat->render({&opening, 1}, false));
  if (with == without)
    return fail(ErrorKind::Unsupported, "[tools] template; got a model whose template takes no tools");
  return with;
}

// A call of one of the tools in the common form, as a Lark grammar for llguidance.
Result<std::shared_ptr<const llm::Grammar>> call_grammar(const llm::Tokenizer& tokenizer, const Json& tools) {
  Json forms = Json::array();
  for (const Json& tool : tools) {
    const Json& function = function_of(tool);
    Json parameters = function.value("parameters", Json{{"type", "object"}});
    forms.push_back({{"type", "object"},
                     {"properties", {{"name", {{"const", function["name"]}}}, {"arguments", std::move(parameters)}}},
                     {"required", {"name", "arguments"}},
                     {"additionalProperties", false}});
  }
  if (forms.empty()) return fail(ErrorKind::Invalid, "[tools] number; got none, need at least one");
  // A mark that is one special token can only be written as that token.
  auto mark = [&](std::string_view text) {
    Tokens tokens = tokenizer.encode(text, true);
    bool special = tokens.size() == 1 && tokenizer.is_special(tokens[0]);
    return special ? std::string(text) : Json(std::string(text)).dump();
  };
  return llm::Grammar::from_ebnf(fmt::format("start: {} \"\\n\" call \"\\n\" {}\ncall: %json {}\n", mark(kOpen),
                                             mark(kClose), Json{{"anyOf", std::move(forms)}}.dump()));
}

Result<std::string> render_answer(const llm::ChatTemplate& chat, std::string_view name, std::string_view value) {
  const std::vector<llm::ChatMessage> turns{{"user", "?"}, {"assistant", "!"}, {"tool", std::string(value)}};
  auto before = chat.render(std::span(turns).first(2), false);
  auto with = chat.render(turns, false);
  if (before && with && with->size() > before->size() && with->starts_with(*before))
    return with->substr(before->size());
  // A template without a tool role: the form that Hermes and Qwen use, in a user turn.
  Json response{{"name", name}, {"content", value}};
  return chat.user(fmt::format("<tool_response>\n{}\n</tool_response>",
                               response.dump(-1, ' ', false, Json::error_handler_t::replace)),
                   false);
}

Result<> read_calls(std::string_view text, std::deque<Call>& calls) {
  ASSIGN_OR_RETURN(Json json, parse_json(text, "call"));
  if (!json.is_array()) json = Json::array({std::move(json)});
  for (const Json& call : json) {
    if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) {
      return fail(ErrorKind::Invalid, "[tools] call; got no \"name\" in {}", text.substr(0, 200));
    }
    if (calls.size() == kMaxQueuedCalls) {
      return fail(ErrorKind::Limit, "[tools] calls not read; got more than {}", kMaxQueuedCalls);
    }
    const Json arguments = call.contains("arguments")    ? call["arguments"]
                           : call.contains("parameters") ? call["parameters"]
                                                         : Json::object();
    calls.emplace_back(call["name"].get<std::string>(),
                       arguments.is_string() ? arguments.get<std::string>() : arguments.dump());
  }
  return {};
}

Result<ToolEvent> feed(Guest&, ToolDecoder& self, Tokens tokens) {
  ASSIGN_OR_RETURN(std::string text, reply_text(*self.tokenizer, tokens, self.stream));
  if (self.text.size() + text.size() > kMaxReplyBytes) {
    return fail(ErrorKind::Limit, "[decoder] reply; got more than {} bytes", kMaxReplyBytes);
  }
  for (const MarkedText::Piece& piece : self.text.push(text)) {
    if (piece.kind == MarkedText::Piece::Closed) TRY(read_calls(piece.text, self.calls));
  }
  if (self.calls.empty()) return ToolEvent::make<0>();
  Call call = std::move(self.calls.front());
  self.calls.pop_front();
  return ToolEvent::make<1>(std::move(call));
}

Result<std::shared_ptr<const llm::Grammar>> grammar_for(Guest& guest, Model& model,
                                                        const std::vector<std::string>& tools) {
  ASSIGN_OR_RETURN(Json parsed, parse_tools(tools));
  return call_grammar(*guest.services.engine->tokenizer(model.id), parsed);
}

// None where the model's template does not speak of the common form.
std::optional<Own<Grammar>> format(Guest& guest, Model& model, const std::vector<std::string>& tools) {
  auto parsed = parse_tools(tools);
  if (!parsed) return std::nullopt;
  auto shown = render_tools(guest, model, *parsed);
  if (!shown || shown->find(kOpen) == std::string::npos) return std::nullopt;
  auto grammar = call_grammar(*guest.services.engine->tokenizer(model.id), *parsed);
  if (!grammar) return std::nullopt;
  auto own = guest.resources.add(std::make_unique<Grammar>(*std::move(grammar)));
  return own ? std::optional(*own) : std::nullopt;
}

Trapping<Own<Matcher>> create_matcher(Guest& guest, Model& model, const std::vector<std::string>& tools) {
  auto grammar = grammar_for(guest, model, tools);
  if (!grammar) return trap(std::move(grammar).error());
  const auto& tokenizer = guest.services.engine->tokenizer(model.id);
  auto matcher = llm::Matcher::create(*std::move(grammar), tokenizer);
  if (!matcher) return trap(std::move(matcher).error());
  return guest.give(std::make_unique<Matcher>(*std::move(matcher), tokenizer->vocab_size()));
}

}  // namespace

void bind_tool_use(Binder& binder) {
  Interface<Guest> tools(binder, "pie:instruct/tool-use");
  tools.resource<ToolDecoder>();
  tools.function(
      "equip", +[](Guest& guest, Model& model, const std::vector<std::string>& descriptions) -> Result<Tokens> {
        ASSIGN_OR_RETURN(Json parsed, parse_tools(descriptions));
        ASSIGN_OR_RETURN(std::string text, render_tools(guest, model, parsed));
        guest.conversation_open = true;
        return encode_template(guest, model, text);
      });
  tools.function(
      "answer", +[](Guest& guest, Model& model, std::string_view name, std::string_view value) -> Trapping<Tokens> {
        auto chat = chat_template(guest, model);
        if (!chat) return trap(std::move(chat).error());
        auto text = render_answer(**chat, name, value);
        if (!text) return trap(std::move(text).error());
        return encode_template(guest, model, *text);
      });
  tools.function(
      "create-decoder", +[](Guest& guest, Model& model) {
        return guest.give(std::make_unique<ToolDecoder>(guest.services.engine->tokenizer(model.id)));
      });
  tools.function("format", +format);
  tools.function("create-matcher", +create_matcher);
  tools.method("feed", +feed);
  tools.method(
      "reset", +[](Guest&, ToolDecoder& self) {
        self.stream = {};
        self.text.reset();
        self.calls.clear();
      });
}

}  // namespace hearth::inferlet

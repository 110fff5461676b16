#include "llm/chat_template.h"

#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "hearth_template.h"
#include "llm/tokenizer_rust.h"

namespace hearth::llm {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxSource = size_t{1} << 20;       // bytes of a template
constexpr size_t kMaxRendered = size_t{64} << 20;    // bytes of a rendered conversation
constexpr size_t kMaxVariables = size_t{256} << 20;  // bytes of the messages and tools as JSON
// Instructions: an ordinary template needs some dozens a message and a few for each parameter of a tool.
constexpr uint64_t kFuel = 50'000;
constexpr uint64_t kFuelPerMessage = 5'000;
constexpr uint64_t kFuelPerToolByte = 10;
// The heap and the processor time that a template may take beside its input, and for each byte of that.
constexpr hearth_budget kBudget{size_t{192} << 20, 2'000};
constexpr size_t kHeapPerByte = 16;
constexpr size_t kBytesPerMs = 10'000;

constexpr std::string_view kPlain =
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}";

// Stand for any message while pieces are looked for. No template treats them specially, and none holds them itself.
constexpr const char* kSystemProbe = "Qsystem7Q";
constexpr const char* kUserProbe = "Quser7Q";
constexpr const char* kReplyProbe = "Qreply7Q";
constexpr const char* kLaterProbe = "Qlater7Q";

struct TemplateFree {
  void operator()(hearth_template* compiled) const { hearth_template_free(compiled); }
};

size_t strftime_now(char* out, size_t size, const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  return localtime_r(&now, &local) ? std::strftime(out, size, format, &local) : 0;
}

void append_text(void* context, const void* bytes, size_t size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(bytes), size);
}

// {% generation %} … {% endgeneration %} marks replies for training; it prints nothing of its own.
std::string without_generation_marks(std::string_view source) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t open = source.find("{%", at);
    const size_t close = open == std::string_view::npos ? open : source.find("%}", open + 2);
    if (close == std::string_view::npos) return out.append(source.substr(at));
    std::string_view inner = source.substr(open + 2, close - open - 2);
    const auto drop = [&](bool front, std::string_view any) {
      while (!inner.empty() && any.contains(front ? inner.front() : inner.back())) {
        front ? inner.remove_prefix(1) : inner.remove_suffix(1);
      }
    };
    drop(true, "-+ \t\n\r");
    drop(false, "-+ \t\n\r");
    std::string_view instead = inner;
    if (inner == "generation") instead = "if true";
    if (inner == "endgeneration") instead = "endif";
    out.append(source.substr(at, size_t(inner.data() - source.data()) - at)).append(instead);
    at = size_t(inner.data() - source.data()) + inner.size();
    out.append(source.substr(at, close + 2 - at));
    at = close + 2;
  }
}

std::unexpected<Error> not_compositional(std::string_view why) {
  return fail(ErrorKind::Unsupported, "[chat template] pieces; {}, so whole conversations must be rendered", why);
}

// What follows `head` in `text`, when it begins with it.
std::optional<std::string> after(std::string_view text, std::string_view head) {
  if (!text.starts_with(head)) return std::nullopt;
  return std::string(text.substr(head.size()));
}

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(std::unique_ptr<hearth_template, TemplateFree> compiled, std::string bos, std::string eos)
      : compiled_(std::move(compiled)), bos_(std::move(bos)), eos_(std::move(eos)) {
    if (Result<> found = find_pieces(); !found) {
      no_pieces_ = std::move(found).error();
      cue_.clear();
      seal_.clear();
    }
  }

  Result<std::string> render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                             std::string_view tools_json) const override {
    Json variables = {{"messages", Json::array()},
                      {"add_generation_prompt", add_generation_prompt},
                      {"bos_token", bos_},
                      {"eos_token", eos_}};
    for (const ChatMessage& message : messages) {
      variables["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    std::string json = variables.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (!tools_json.empty()) {
      // Spliced as text: the order of members is what the model was trained on.
      if (!Json::accept(tools_json)) return fail(ErrorKind::Invalid, "[chat template] tools; got no JSON, need a list");
      json.pop_back();
      json.append(R"(,"tools":)").append(tools_json).append("}");
    }
    if (json.size() > kMaxVariables) {
      return fail(ErrorKind::Limit, "[chat template] conversation; got {} bytes, need at most {}", json.size(),
                  kMaxVariables);
    }
    std::string out;
    const uint64_t fuel = kFuel + kFuelPerMessage * messages.size() + kFuelPerToolByte * tools_json.size();
    const hearth_budget budget{kBudget.heap_bytes + json.size() * kHeapPerByte,
                               kBudget.cpu_ms + json.size() / kBytesPerMs};
    TRY(rust_result(hearth_template_render(compiled_.get(), json.data(), json.size(), {fuel, kMaxRendered, budget},
                                           {&out, append_text}),
                    ErrorKind::Invalid, "chat template"));
    return out;
  }

  Result<std::string> system(std::string_view message) const override {
    if (no_pieces_) return std::unexpected(*no_pieces_);
    const ChatMessage messages[] = {{"system", std::string(message)}, {"user", kUserProbe}};
    ASSIGN_OR_RETURN(std::string both, turns(messages));
    ASSIGN_OR_RETURN(const std::string turn, user(kUserProbe, false));
    if (!both.ends_with(turn)) return not_compositional("the template writes the system text into the first user turn");
    both.resize(both.size() - turn.size());
    // A template may pass over the role in silence.
    const ChatMessage probe[] = {{"system", kSystemProbe}, {"user", kUserProbe}};
    ASSIGN_OR_RETURN(const std::string probed, turns(probe));
    if (!probed.contains(kSystemProbe)) return not_compositional("the template leaves the system text out");
    return both;
  }

  Result<std::string> user(std::string_view message, bool first) const override {
    if (no_pieces_) return std::unexpected(*no_pieces_);
    if (first) {
      const ChatMessage messages[] = {{"user", std::string(message)}};
      return turns(messages);
    }
    const ChatMessage messages[] = {{"user", kUserProbe}, {"assistant", kReplyProbe}, {"user", std::string(message)}};
    ASSIGN_OR_RETURN(const std::string text, turns(messages));
    const size_t reply = text.find(kReplyProbe);
    if (reply == std::string::npos) return not_compositional("the template drops earlier replies");
    const std::string_view rest = std::string_view(text).substr(reply + std::strlen(kReplyProbe));
    const std::optional<std::string> piece = after(rest, seal_);
    if (!piece) return not_compositional("the end of a reply depends on what follows it");
    return *piece;
  }

  Result<std::string> assistant(std::string_view message) const override {
    if (no_pieces_) return std::unexpected(*no_pieces_);
    const ChatMessage messages[] = {{"user", kUserProbe}, {"assistant", std::string(message)}, {"user", kLaterProbe}};
    ASSIGN_OR_RETURN(const std::string text, turns(messages));
    ASSIGN_OR_RETURN(const std::string before, user(kUserProbe, true));
    ASSIGN_OR_RETURN(const std::string later, user(kLaterProbe, false));
    std::optional<std::string> piece = after(text, before);
    if (!piece || !piece->ends_with(later)) return not_compositional("a turn depends on what follows it");
    piece->resize(piece->size() - later.size());
    return std::move(*piece);
  }

  const std::string& cue() const override { return cue_; }
  const std::string& seal() const override { return seal_; }

 private:
  // A conversation that goes on: without the mark that some templates put behind the last turn.
  Result<std::string> turns(std::span<const ChatMessage> messages) const {
    ASSIGN_OR_RETURN(std::string text, render(messages, false, {}));
    if (end_mark_ && text.ends_with(eos_)) text.resize(text.size() - eos_.size());
    return text;
  }

  Result<> find_pieces() {
    const ChatMessage messages[] = {{"user", kUserProbe}, {"assistant", kReplyProbe}};
    const std::span<const ChatMessage> all(messages);
    ASSIGN_OR_RETURN(const std::string asked, render(all.first(1), true, {}));
    ASSIGN_OR_RETURN(std::string open, turns(all.first(1)));
    if (!asked.starts_with(open) && !eos_.empty() && open.ends_with(eos_)) {
      end_mark_ = true;
      open.resize(open.size() - eos_.size());
    }
    std::optional<std::string> cue = after(asked, open);
    if (!cue || cue->contains(kUserProbe)) {
      return not_compositional("the user turn depends on the generation prompt");
    }
    cue_ = std::move(*cue);
    ASSIGN_OR_RETURN(const std::string replied, turns(all));
    const size_t reply = replied.rfind(kReplyProbe);
    if (reply == std::string::npos) return not_compositional("the template drops replies");
    seal_ = replied.substr(reply + std::strlen(kReplyProbe));
    if (seal_.contains(kUserProbe)) return not_compositional("the end of a reply repeats earlier turns");
    return {};
  }

  std::unique_ptr<hearth_template, TemplateFree> compiled_;
  std::string bos_, eos_, cue_, seal_;
  bool end_mark_ = false;  // the template closes a conversation without generation prompt by eos
  std::optional<Error> no_pieces_;
};

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::create(std::string source, std::string bos, std::string eos) {
  if (source.size() > kMaxSource) {
    return fail(ErrorKind::Limit, "[chat template] size; got {} bytes, need at most {}", source.size(), kMaxSource);
  }
  if (source.empty()) source = kPlain;
  source = without_generation_marks(source);
  hearth_template* made = nullptr;
  TRY(rust_result(hearth_template_compile(source.data(), source.size(), strftime_now, kBudget, &made),
                  ErrorKind::Invalid, "chat template"));
  return std::make_shared<const JinjaTemplate>(std::unique_ptr<hearth_template, TemplateFree>(made), std::move(bos),
                                               std::move(eos));
}

}  // namespace hearth::llm

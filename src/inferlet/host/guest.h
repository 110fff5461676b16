// A guest as its host functions see it, and the objects that several interfaces hand out.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "inferlet/host/mailbox.h"
#include "inferlet/host/messaging.h"
#include "inferlet/runtime.h"
#include "inferlet/wasm/bind.h"
#include "llm/grammar.h"

namespace hearth::inferlet {

inline constexpr const char* kRuntimeVersion = "0.1.0";
// Passes of one guest that have not ended; more is an error of execute.
inline constexpr size_t kMaxPassesUnderWay = 4096;

// How long a pass takes at present, by model: a moving average over the passes of all guests.
class PassLatency {
 public:
  explicit PassLatency(size_t models) : seconds_(models) {}
  void record(engine::ModelId model, double seconds);
  double of(engine::ModelId model) const { return model < seconds_.size() ? seconds_[model].load() : 0.0; }

 private:
  std::vector<std::atomic<double>> seconds_;
};

// What host functions reach beyond their guest. Everything outlives every guest.
struct Services {
  engine::Engine* engine;
  const std::vector<ModelServices>* models;
  Messaging* messaging;
  std::shared_ptr<PassLatency> latency;  // shared: the engine's callbacks may come after the runtime has gone
  // Loads a program by the name that guests know. May take long; called on a thread of its own.
  std::function<Result<std::shared_ptr<Program>>(std::string_view name)> load_program;
  std::function<Result<std::unique_ptr<Process>>(std::shared_ptr<Program>, std::string input, std::string user,
                                                 ProcessEvents)>
      launch;
  std::function<void(std::function<void()>)> run_aside;  // on a thread of its own; ends before the runtime does
};

// One execute() under way or over. Shared: the engine's callback may come after the guest dropped its future, or ended.
struct PassState {
  Event ready;
  std::mutex mutex;
  std::optional<Result<engine::ForwardOutput>> output;
};

struct Guest : BoundGuest {
  explicit Guest(const Services& s) : services(s) {}
  const Services& services;
  std::string id, user;
  std::shared_ptr<Mailbox> messages = std::make_shared<Mailbox>();  // shared: futures hold on to them
  std::shared_ptr<Mailbox> files = std::make_shared<Mailbox>();
  ProcessEvents events;
  std::mutex events_mutex;  // one event at a time: a child's end comes from another thread than the guest's own words

  struct Pass {
    engine::RequestId request;
    std::shared_ptr<PassState> state;
  };
  std::vector<Pass> passes;        // some of them over: prune_passes()
  bool conversation_open = false;  // see host/chat.cpp

  void prune_passes();
  // Everything the guest holds: passes are cancelled, contexts destroyed.
  void release();

  template <class R>
  Trapping<Own<R>> give(std::unique_ptr<R> resource) {
    auto own = resources.add(std::move(resource));
    if (!own) return trap(std::move(own).error());
    return *own;
  }
};

// ---- pie:core/types
struct FutureText : Resource {
  explicit FutureText(std::shared_ptr<Mailbox> b) : box(std::move(b)), letter(box->take()) {}
  ~FutureText() override { box->abandon(letter); }
  std::shared_ptr<Mailbox> box;
  std::shared_ptr<Mailbox::Letter> letter;
};
struct FutureString : FutureText {
  static constexpr ResourceType kType = ResourceType::FutureString;
  static constexpr const char* kName = "future-string";
  using FutureText::FutureText;
};
struct FutureBlob : FutureText {
  static constexpr ResourceType kType = ResourceType::FutureBlob;
  static constexpr const char* kName = "future-blob";
  using FutureText::FutureText;
};

// ---- pie:core/model
struct Model : Resource {
  static constexpr ResourceType kType = ResourceType::Model;
  static constexpr const char* kName = "model";
  explicit Model(engine::ModelId m) : id(m) {}
  engine::ModelId id;
};
struct Tokenizer : Resource {
  static constexpr ResourceType kType = ResourceType::Tokenizer;
  static constexpr const char* kName = "tokenizer";
  explicit Tokenizer(std::shared_ptr<const llm::Tokenizer> t) : tokenizer(std::move(t)) {}
  std::shared_ptr<const llm::Tokenizer> tokenizer;  // the engine's
};

// ---- pie:core/context
struct Context : Resource {
  static constexpr ResourceType kType = ResourceType::Context;
  static constexpr const char* kName = "context";
  Context(engine::Engine& e, engine::ContextId i, engine::ModelId m) : engine(e), id(i), model(m) {}
  ~Context() override { engine.destroy(id); }
  engine::Engine& engine;
  engine::ContextId id;
  engine::ModelId model;
};

// ---- pie:core/inference, for sampling and tool-use as well
struct ForwardPass : Resource {
  static constexpr ResourceType kType = ResourceType::ForwardPass;
  static constexpr const char* kName = "forward-pass";
  engine::ForwardRequest request;
  std::optional<Error> misuse;  // the first thing that does not fit
  bool executed = false;

  void refuse(Error error) {
    if (!misuse) misuse = std::move(error);
  }
  // One slot for each index, in their order.
  void attach(std::span<const uint32_t> indices, const engine::Sampler& sampler);
};
struct Grammar : Resource {
  static constexpr ResourceType kType = ResourceType::Grammar;
  static constexpr const char* kName = "grammar";
  explicit Grammar(std::shared_ptr<const llm::Grammar> g) : grammar(std::move(g)) {}
  std::shared_ptr<const llm::Grammar> grammar;  // matchers share it
};
struct Matcher : Resource {
  static constexpr ResourceType kType = ResourceType::Matcher;
  static constexpr const char* kName = "matcher";
  Matcher(std::unique_ptr<llm::Matcher> m, uint32_t vocab) : matcher(std::move(m)), vocab_size(vocab) {}
  std::unique_ptr<llm::Matcher> matcher;
  uint32_t vocab_size;
};

// ---- pie:core/media and adapter: types that no function gives out yet
struct Image : Resource {
  static constexpr ResourceType kType = ResourceType::Image;
  static constexpr const char* kName = "image";
};
struct Audio : Resource {
  static constexpr ResourceType kType = ResourceType::Audio;
  static constexpr const char* kName = "audio";
};
struct Adapter : Resource {
  static constexpr ResourceType kType = ResourceType::Adapter;
  static constexpr const char* kName = "adapter";
};

// A call on a thing that this build gives nobody.
std::unexpected<Trap> not_served(std::string_view what);
std::unexpected<Error> unsupported(std::string_view what);

// Tokenizes template text, in which special tokens are written out.
std::vector<uint32_t> encode_template(const Guest& guest, const Model& model, std::string_view text);
Result<const llm::ChatTemplate*> chat_template(const Guest& guest, const Model& model);

// One per file of this folder, in the order of inferlet_interface.
void bind_types(Binder& binder);
void bind_model(Binder& binder);
void bind_context(Binder& binder);
void bind_inference(Binder& binder);
void bind_grammar(Binder& binder);  // of pie:core/inference
void bind_messaging(Binder& binder);
void bind_session(Binder& binder);
void bind_runtime(Binder& binder);
void bind_scheduling(Binder& binder);
void bind_media(Binder& binder);
void bind_audio_out(Binder& binder);
void bind_adapter(Binder& binder);
void bind_chat(Binder& binder);
void bind_reasoning(Binder& binder);
void bind_tool_use(Binder& binder);
void bind_mcp(Binder& binder);
void bind_sampling(Binder& binder);  // hearth:inferlet
void bind_world(Binder& binder);     // all of them

}  // namespace hearth::inferlet

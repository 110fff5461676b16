// pie:core/inference: forward passes and their outputs. A pass is put together by calls that cannot fail; what does not
// fit is the error of execute(). Speculation is a hint that this build does not take: input drafts are an error of
// execute(), the flags change nothing and the outputs carry no drafts.
#include <chrono>

#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

// Tokens of one pass. Longer inputs go in parts; the engine cuts passes into steps itself.
constexpr size_t kMaxPassTokens = size_t{1} << 20;

using WireSampler =
    Variant<Case<"multinomial", std::tuple<float, uint32_t>>, Case<"top-k", std::tuple<float, uint32_t>>,
            Case<"top-p", std::tuple<float, float>>, Case<"min-p", std::tuple<float, float>>,
            Case<"top-k-top-p", std::tuple<float, uint32_t, float>>, Case<"embedding">,
            Case<"dist", std::tuple<float, uint32_t>>, Case<"raw-logits">, Case<"logprob", uint32_t>,
            Case<"logprobs", std::vector<uint32_t>>, Case<"entropy">>;
using WireSlot =
    Variant<Case<"token", uint32_t>, Case<"distribution", std::tuple<std::vector<uint32_t>, std::vector<float>>>,
            Case<"logits", Blob>, Case<"logprobs", std::vector<float>>, Case<"entropy", float>,
            Case<"embedding", Blob>>;
using WireOutput = Record<Field<"slots", std::vector<WireSlot>>, Field<"spec-tokens", std::vector<uint32_t>>,
                          Field<"spec-positions", std::vector<uint32_t>>>;

struct FutureOutput : Resource {
  static constexpr ResourceType kType = ResourceType::FutureOutput;
  static constexpr const char* kName = "future-output";
  explicit FutureOutput(std::shared_ptr<PassState> s) : state(std::move(s)) {}
  std::shared_ptr<PassState> state;
};

engine::Sampler sampler_of(const WireSampler& wire) {
  switch (wire.value.index()) {
    case 0: {
      auto [temperature, seed] = std::get<0>(wire.value);
      return engine::Draw{.temperature = temperature, .seed = seed};
    }
    case 1: {
      auto [temperature, k] = std::get<1>(wire.value);
      return engine::Draw{.temperature = temperature, .top_k = k};
    }
    case 2: {
      auto [temperature, p] = std::get<2>(wire.value);
      return engine::Draw{.temperature = temperature, .top_p = p};
    }
    case 3: {
      auto [temperature, p] = std::get<3>(wire.value);
      return engine::Draw{.temperature = temperature, .min_p = p};
    }
    case 4: {
      auto [temperature, k, p] = std::get<4>(wire.value);
      return engine::Draw{.temperature = temperature, .top_k = k, .top_p = p};
    }
    case 5:
      return engine::Embedding{};
    case 6: {
      auto [temperature, n] = std::get<6>(wire.value);
      return engine::Distribution{temperature, n};
    }
    case 7:
      return engine::RawLogits{};
    case 8:
      return engine::LogProbs{{std::get<8>(wire.value)}};
    case 9:
      return engine::LogProbs{std::get<9>(wire.value)};
    default:
      return engine::Entropy{};
  }
}

Blob float_bytes(const std::vector<float>& values) {
  return {std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

struct SlotToWire {
  WireSlot operator()(const engine::TokenOutput& o) const { return WireSlot::make<0>(o.token); }
  WireSlot operator()(const engine::DistributionOutput& o) const {
    return WireSlot::make<1>(std::tuple(o.tokens, o.probabilities));
  }
  WireSlot operator()(const engine::LogitsOutput& o) const { return WireSlot::make<2>(float_bytes(o.logits)); }
  WireSlot operator()(const engine::LogProbsOutput& o) const { return WireSlot::make<3>(o.values); }
  WireSlot operator()(const engine::EntropyOutput& o) const { return WireSlot::make<4>(o.value); }
  WireSlot operator()(const engine::EmbeddingOutput& o) const { return WireSlot::make<5>(float_bytes(o.values)); }
};

Result<> check(const engine::ForwardRequest& request, uint32_t vocab) {
  if (request.tokens.empty()) return fail(ErrorKind::Invalid, "[pass] input tokens; got none, need at least one");
  if (!request.attention_mask.empty() && request.attention_mask.size() != request.tokens.size()) {
    return fail(ErrorKind::Invalid, "[pass] attention masks; got {}, need one for each of {} input tokens",
                request.attention_mask.size(), request.tokens.size());
  }
  for (uint32_t token : request.tokens) {
    if (token >= vocab) return fail(ErrorKind::Invalid, "[pass] input token; got {}, need less than {}", token, vocab);
  }
  for (const engine::SamplerSlot& slot : request.slots) {
    if (slot.index >= request.tokens.size()) {
      return fail(ErrorKind::Invalid, "[pass] sampler index; got {}, need less than the {} input tokens", slot.index,
                  request.tokens.size());
    }
    if (const auto* logprobs = std::get_if<engine::LogProbs>(&slot.sampler)) {
      for (uint32_t token : logprobs->tokens) {
        if (token >= vocab)
          return fail(ErrorKind::Invalid, "[pass] logprob token; got {}, need less than {}", token, vocab);
      }
    }
  }
  return {};
}

Result<Own<FutureOutput>> execute(Guest& guest, ForwardPass& self) {
  if (self.executed) return fail(ErrorKind::Invalid, "[pass] execute; got a second call, need one per pass");
  if (self.misuse) return std::unexpected(*self.misuse);
  engine::Engine& engine = *guest.services.engine;
  TRY(check(self.request, engine.tokenizer(self.request.model)->vocab_size()));
  if (guest.passes.size() >= kMaxPassesUnderWay) guest.prune_passes();
  if (guest.passes.size() >= kMaxPassesUnderWay) {
    return fail(ErrorKind::Limit, "[pass] passes under way; got {}, need at most {}", guest.passes.size(),
                kMaxPassesUnderWay);
  }
  auto state = std::make_shared<PassState>();
  ASSIGN_OR_RETURN(auto future, guest.resources.add(std::make_unique<FutureOutput>(state)));
  self.executed = true;
  engine::ModelId model = self.request.model;
  auto start = std::chrono::steady_clock::now();
  auto done = [state, model, start, latency = guest.services.latency](Result<engine::ForwardOutput> output) {
    if (output) {
      latency->record(model, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    {
      std::lock_guard lock(state->mutex);
      state->output = std::move(output);
    }
    state->ready.set();
  };
  engine::RequestId request = engine.submit(std::move(self.request), std::move(done));
  guest.passes.push_back({request, std::move(state)});
  return future;
}

Trapping<std::optional<WireOutput>> get(Guest&, FutureOutput& self) {
  std::lock_guard lock(self.state->mutex);
  if (!self.state->output) return std::nullopt;
  // The contract gives a pass that failed on its way (pages ran out, its context was destroyed) no other way to say so.
  if (!*self.state->output) return trap(self.state->output->error());
  WireOutput wire;
  for (const engine::SlotOutput& slot : (*self.state->output)->slots) {
    std::get<0>(wire.value).push_back(std::visit(SlotToWire{}, slot));
  }
  return wire;
}

}  // namespace

void ForwardPass::attach(std::span<const uint32_t> indices, const engine::Sampler& sampler) {
  constexpr size_t kMaxPassSlots = size_t{1} << 20;
  const size_t count = request.slots.size() + indices.size();
  if (count > kMaxPassSlots) {
    return refuse(
        {ErrorKind::Limit, fmt::format("[pass] sampler slots; got {}, need at most {}", count, kMaxPassSlots)});
  }
  for (uint32_t index : indices) request.slots.push_back({index, sampler});
}

void bind_inference(Binder& binder) {
  Interface<Guest> inference(binder, "pie:core/inference");
  inference.resource<ForwardPass>().resource<FutureOutput>();
  inference.constructor<ForwardPass>(+[](Guest& guest, Model& model) {
    auto pass = std::make_unique<ForwardPass>();
    pass->request.model = model.id;
    return guest.give(std::move(pass));
  });
  inference.method(
      "context", +[](Guest&, ForwardPass& self, Context& context) {
        self.request.context = context.id;
        if (context.model != self.request.model) {
          self.refuse({ErrorKind::Invalid, "[pass] context; got one of another model, need one of the pass's model"});
        }
      });
  inference.method(
      "input-tokens", +[](Guest&, ForwardPass& self, std::vector<uint32_t> tokens, std::vector<uint32_t> positions) {
        auto& request = self.request;
        if (tokens.size() != positions.size()) {
          self.refuse({ErrorKind::Invalid, fmt::format("[pass] positions; got {}, need one for each of {} tokens",
                                                       positions.size(), tokens.size())});
        } else if (request.tokens.size() + tokens.size() > kMaxPassTokens) {
          self.refuse({ErrorKind::Limit, fmt::format("[pass] input tokens; got {}, need at most {}",
                                                     request.tokens.size() + tokens.size(), kMaxPassTokens)});
        } else {
          request.tokens.insert(request.tokens.end(), tokens.begin(), tokens.end());
          request.positions.insert(request.positions.end(), positions.begin(), positions.end());
        }
      });
  inference.method(
      "input-image",
      +[](Guest&, ForwardPass& self, Image&, uint32_t) { self.refuse(unsupported("image input").error()); });
  inference.method(
      "input-audio",
      +[](Guest&, ForwardPass& self, Audio&, uint32_t) { self.refuse(unsupported("audio input").error()); });
  inference.method(
      "input-speculative-tokens", +[](Guest&, ForwardPass& self, std::vector<uint32_t> tokens, std::vector<uint32_t>) {
        if (!tokens.empty()) self.refuse(unsupported("speculative token input").error());
      });
  inference.method("output-speculative-tokens", +[](Guest&, ForwardPass&, bool) {});
  inference.method("pass-speculation", +[](Guest&, ForwardPass&, bool) {});
  inference.method(
      "attention-mask", +[](Guest&, ForwardPass& self, std::vector<std::vector<uint32_t>> masks) {
        self.request.attention_mask.clear();
        for (auto& mask : masks) self.request.attention_mask.push_back({std::move(mask)});
      });
  inference.method(
      "logit-mask", +[](Guest&, ForwardPass& self, std::vector<uint32_t> mask) {
        self.request.logit_mask = engine::Brle{std::move(mask)};
      });
  inference.method(
      "sampler", +[](Guest&, ForwardPass& self, std::vector<uint32_t> indices, WireSampler sampler) {
        self.attach(indices, sampler_of(sampler));
      });
  inference.method(
      "adapter", +[](Guest&, ForwardPass& self, Adapter&) { self.refuse(unsupported("adapters").error()); });
  inference.method("execute", +execute);
  inference.method("pollable", +[](Guest&, FutureOutput& self) { return self.state->ready; });
  inference.method("get", +get);
}

}  // namespace hearth::inferlet

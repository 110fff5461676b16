// An engine over the fake model, with calls that wait.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <numeric>

#include "engine/engine.h"
#include "fake_model.h"

namespace hearth::engine {

inline std::vector<uint32_t> count_from(uint32_t first, size_t count) {
  std::vector<uint32_t> result(count);
  std::iota(result.begin(), result.end(), first);
  return result;
}
// Some row of tokens, another for each seed.
inline std::vector<uint32_t> some_tokens(uint32_t seed, size_t count, uint32_t vocab = 64) {
  std::vector<uint32_t> result(count);
  for (size_t i = 0; i < count; ++i)
    result[i] = static_cast<uint32_t>((seed * 2654435761u + i * 40503u + i * i * 7u) % vocab);
  return result;
}

struct Fixture {
  explicit Fixture(int64_t pages = 256, EngineOptions options = {}, FakeModelOptions shape = {})
      : device(fake_device()) {
    options.page_size = shape.page_size;
    auto model = fake_model(*device, control, shape);
    options.kv_bytes = static_cast<size_t>(pages) * model->kv_bytes_per_page();
    options.check_each_step = true;
    engine = std::make_unique<Engine>(options);
    id = engine->add_model("fake", std::move(model), nullptr).value();
  }
  ~Fixture() {
    const auto intact = engine == nullptr ? Result<>{} : engine->check_integrity();
    EXPECT_TRUE(intact) << intact.error().message;
  }

  std::future<Result<ForwardOutput>> start(ForwardRequest request, RequestId* number = nullptr) {
    auto promise = std::make_shared<std::promise<Result<ForwardOutput>>>();
    auto future = promise->get_future();
    request.model = id;
    const RequestId given = engine->submit(
        std::move(request), [promise](Result<ForwardOutput> result) { promise->set_value(std::move(result)); });
    if (number != nullptr) *number = given;
    return future;
  }
  Result<ForwardOutput> run(ForwardRequest request) { return start(std::move(request)).get(); }

  // Appends tokens at the positions that follow; raw logits after the tokens in `rows`.
  ForwardRequest append(std::optional<ContextId> context, std::vector<uint32_t> tokens, std::vector<uint32_t> rows) {
    ForwardRequest request;
    request.model = id;
    request.context = context;
    const uint32_t first = context ? static_cast<uint32_t>(engine->info(*context).value().tokens) : 0;
    request.positions = count_from(first, tokens.size());
    request.tokens = std::move(tokens);
    for (const uint32_t row : rows) request.slots.push_back({row, RawLogits{}});
    return request;
  }
  // Logits after the last of the tokens.
  std::vector<float> next(std::optional<ContextId> context, std::vector<uint32_t> tokens) {
    const uint32_t last = static_cast<uint32_t>(tokens.size()) - 1;
    const auto output = run(append(context, std::move(tokens), {last}));
    EXPECT_TRUE(output) << output.error().message;
    return output ? std::get<LogitsOutput>(output->slots[0]).logits : std::vector<float>{};
  }
  EngineStats stats() { return engine->stats(id); }

  FakeModelControl control;
  std::unique_ptr<ops::Device> device;
  std::unique_ptr<Engine> engine;
  ModelId id = 0;
};

// What the model says after a row of tokens that stands alone, at positions 0, 1, …
inline std::vector<float> alone(const std::vector<uint32_t>& tokens) {
  return fake_logits(tokens, count_from(0, tokens.size())).back();
}

template <class T>
std::vector<T> operator+(std::vector<T> a, const std::vector<T>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace hearth::engine

// The engine thread: plan (locked) → move pages, compute, sample (unlocked) → take in (locked) → deliver (unlocked).
#include "engine/engine_state.h"
#include "trace/trace.h"

namespace hearth::engine {
namespace {

#ifdef NDEBUG
constexpr bool kDebugBuild = false;
#else
constexpr bool kDebugBuild = true;
#endif

std::byte* page_of(const TensorView& layer, int32_t slot) {
  return data_of<std::byte>(layer) + bytes_of(dtype_of(layer), layer.strides[0]) * slot;
}

}  // namespace

Result<> Engine::State::move_pages(Step& step) {
  llm::KvCache& kv = step.served->kv;
  ops::Device& device = step.served->model->device();
  const auto& layer_bytes = step.served->layer_page_bytes;
  for (size_t i = 0; i < step.moves.size();) {
    const PageMove& move = step.moves[i];
    if (move.kind == PageMove::Kind::OnDevice) {
      std::vector<int32_t> from, to;  // of consecutive moves, in order
      for (; i < step.moves.size() && step.moves[i].kind == PageMove::Kind::OnDevice; ++i) {
        from.push_back(step.moves[i].from);
        to.push_back(step.moves[i].to);
      }
      const size_t bytes = from.size() * sizeof(int32_t);
      ASSIGN_OR_RETURN(const ops::Buffer lists, device.allocate(2 * bytes));
      auto* on_device = static_cast<int32_t*>(lists.data());
      TRY(device.upload(on_device, from.data(), bytes));
      TRY(device.upload(on_device + from.size(), to.data(), bytes));
      for (const auto* caches : {&kv.keys, &kv.values}) {
        for (const TensorView& cache : *caches) {
          HearthOpCall call{};
          const int64_t count = static_cast<int64_t>(from.size());
          call.inputs[0] = view(on_device, DType::I32, {count});
          call.inputs[1] = view(on_device + from.size(), DType::I32, {count});
          call.outputs[0] = cache;
          TRY(device.run(ops::Op::CopyPages, call));
        }
      }
      TRY(device.synchronize());  // the lists go
      continue;
    }
    std::byte* host = move.host.get();
    if (move.kind == PageMove::Kind::ToHost) TRY(device.synchronize());
    for (const auto* caches : {&kv.keys, &kv.values}) {
      for (size_t layer = 0; layer < caches->size(); ++layer, host += layer_bytes[layer - 1]) {
        const TensorView& cache = (*caches)[layer];
        if (move.kind == PageMove::Kind::ToHost) {
          TRY(device.download(host, page_of(cache, move.from), layer_bytes[layer]));
        } else {
          TRY(device.upload(page_of(cache, move.to), host, layer_bytes[layer]));
        }
      }
    }
    ++i;
  }
  return {};
}

Result<> Engine::State::compute(Step& step) {
  Served& served = *step.served;
  {
    const trace::Span span(options.trace, "move pages");
    if (auto moved = move_pages(step); !moved) {
      const std::lock_guard lock(mutex);
      served.broken =
          fail(moved.error().kind, "[engine] a page copy failed, the model serves no more: {}", moved.error().message)
              .error();
      return std::unexpected(*served.broken);
    }
  }
  if (step.parts.empty()) return {};
  llm::StepResult result;
  {
    const trace::Span span(options.trace, "forward");
    const bool masked = !step.mask.empty();
    ASSIGN_OR_RETURN(result, served.model->forward({.tokens = step.tokens,
                                                    .positions = step.positions,
                                                    .slots = step.slots,
                                                    .token_indptr = step.token_indptr,
                                                    .page_indptr = step.page_indptr,
                                                    .page_table = step.page_table,
                                                    .kv_len = step.kv_len,
                                                    .mask = step.mask,
                                                    .mask_offset = masked ? std::span<const int32_t>(step.mask_offset)
                                                                          : std::span<const int32_t>(),
                                                    .output_rows = step.output_rows},
                                                   served.kv));
  }
  const trace::Span span(options.trace, "sample");
  return served.sampling.run(result, step.jobs);
}

void Engine::State::take_in(Step& step, const Result<>& outcome) {
  Served& served = *step.served;
  ++served.stats.steps;
  for (size_t i = 0; i < step.parts.size(); ++i) {
    Pass& pass = *step.parts[i].pass;
    pass.in_step = false;
    if (pass.cancelled) {
      finish(pass, fail(ErrorKind::Cancelled, "[engine] the pass was cancelled"));
      continue;
    }
    if (!outcome) {
      finish(pass, std::unexpected(outcome.error()));
      continue;
    }
    served.stats.tokens_computed += step.parts[i].tokens;
    std::optional<Error> error;
    for (size_t k = step.job_indptr[i]; k < step.job_indptr[i + 1] && !error; ++k) {
      Result<SlotOutput>& output = *step.jobs[k].output;
      if (output) {
        pass.outputs[pass.slot_order[pass.next_slot++]] = std::move(*output);
      } else {
        error = std::move(output.error());
      }
    }
    if (error) {
      finish(pass, std::unexpected(std::move(*error)));
      continue;
    }
    pass.computed += step.parts[i].tokens;
    share_pages(served, pass, step.parts[i].tokens);
    if (pass.remaining() == 0) {
      finish(pass, ForwardOutput{std::move(pass.outputs)});
    } else {
      dequeue(pass);  // it may be a short one now
      enqueue(pass);
    }
  }
  if (served.broken) {
    while (!served.ready_short.empty()) finish(*served.ready_short.begin()->second, std::unexpected(*served.broken));
    while (!served.ready_long.empty()) finish(*served.ready_long.begin()->second, std::unexpected(*served.broken));
  }
}

void Engine::State::cancel_all() {
  for (auto& [id, pass] : passes)
    deliveries.emplace_back(std::move(pass->done), fail(ErrorKind::Cancelled, "[engine] the engine ends"));
  passes.clear();
}

void Engine::State::loop() {
  if (options.trace != nullptr) options.trace->name_thread("engine");
  std::vector<std::pair<ForwardDone, Result<ForwardOutput>>> calls;
  std::unique_lock lock(mutex);
  for (;;) {
    Step step;
    {
      const trace::Span span(options.trace, "plan");
      wake = false;
      for (const RequestId id : std::exchange(cancelled, {}))
        if (const auto it = passes.find(id); it != passes.end())
          finish(*it->second, fail(ErrorKind::Cancelled, "[engine] the pass was cancelled"));
      if (stopping)
        cancel_all();
      else
        step = plan();
    }
    if (step.served != nullptr) {
      lock.unlock();
      const Result<> outcome = compute(step);
      lock.lock();
      take_in(step, outcome);
      if (options.check_each_step || kDebugBuild) {
        if (const auto intact = check(); !intact) {
          std::fprintf(stderr, "%s\n", intact.error().message.c_str());
          CHECK(intact.has_value());
        }
      }
      trace::counter(options.trace, "batch tokens", static_cast<double>(step.tokens.size()));
      trace::counter(options.trace, "pages free", static_cast<double>(step.served->pool.free()));
    }
    if (!deliveries.empty()) {
      calls.swap(deliveries);
      lock.unlock();
      {
        const trace::Span span(options.trace, "deliver");
        for (auto& [done, result] : calls) done(std::move(result));
        calls.clear();  // what the callbacks hold goes without the lock, too
      }
      lock.lock();
    }
    if (stopping && passes.empty() && deliveries.empty()) return;
    if (step.served != nullptr || wake || stopping || !deliveries.empty()) continue;
    if (wake_ms >= 0) {
      work.wait_for(lock, std::chrono::milliseconds(std::max<int64_t>(1, wake_ms - now_ms())), [&] { return wake; });
    } else {
      work.wait(lock, [&] { return wake; });
    }
  }
}

}  // namespace hearth::engine

#include "hearth/context.hpp"

#include <algorithm>
#include <numeric>

namespace hearth {
namespace {

using Pass = binding::Handle<pie_core_inference_own_forward_pass_t, pie_core_inference_forward_pass_drop_own,
                             pie_core_inference_borrow_forward_pass>;

using FromName = bool (*)(pie_core_context_borrow_model_t, hearth_guest_string_t*, pie_core_context_own_context_t*,
                          pie_core_context_error_t*);

Result<pie_core_context_own_context_t> context_from(FromName make, const Model& model, std::string_view name) {
  auto raw_name = binding::text(name);
  pie_core_context_own_context_t context;
  hearth_guest_string_t error;
  if (!make(model.borrow(), &raw_name, &context, &error)) return fail(binding::take(error));
  return context;
}

uint64_t host_size(pie_core_context_borrow_context_t context) {
  return uint64_t{pie_core_context_method_context_committed_page_count(context)} *
             pie_core_context_method_context_tokens_per_page(context) +
         pie_core_context_method_context_working_page_token_count(context);
}

}  // namespace

Result<std::optional<uint32_t>> NextToken::get() const {
  pie_core_inference_output_t output;
  if (!pie_core_inference_method_future_output_get(borrow(), &output)) return std::nullopt;
  std::optional<uint32_t> token;
  if (output.slots.len == 1 && output.slots.ptr->tag == PIE_CORE_INFERENCE_SLOT_OUTPUT_TOKEN)
    token = output.slots.ptr->val.token;
  pie_core_inference_output_free(&output);
  if (!token) return fail("[next token] the pass gave no token: it failed or was cancelled");
  return token;
}

Result<uint32_t> NextToken::wait() const {
  pollable().wait();
  HEARTH_LET(const auto token, get());
  if (!token) return fail("[next token] the pass ended without a result");
  return *token;
}

Context::Context(pie_core_context_own_context_t raw, const Model& model) : Handle(raw), model_(&model) {}

Result<Context> Context::create(const Model& model) {
  pie_core_context_own_context_t context;
  hearth_guest_string_t error;
  if (!pie_core_context_static_context_create(model.borrow(), &context, &error)) return fail(binding::take(error));
  return Context(context, model);
}

Result<Context> Context::open(const Model& model, std::string_view name) {
  HEARTH_LET(const auto raw, context_from(pie_core_context_static_context_open, model, name));
  Context context(raw, model);
  context.computed_ = host_size(context.borrow());
  return context;
}

Result<Context> Context::take(const Model& model, std::string_view name) {
  HEARTH_LET(const auto raw, context_from(pie_core_context_static_context_take, model, name));
  Context context(raw, model);
  context.computed_ = host_size(context.borrow());
  return context;
}

Result<> Context::remove(const Model& model, std::string_view name) {
  auto raw_name = binding::text(name);
  hearth_guest_string_t error;
  if (!pie_core_context_static_context_delete(model.borrow(), &raw_name, &error)) return fail(binding::take(error));
  return {};
}

// Starts a pass over the first `tokens` that wait; with a sampling it draws after the last of them. Host calls per
// pass: five, and one for a mask.
Result<NextToken> Context::execute(size_t tokens, const Sampling* sampling, const Mask* allowed) {
  if (tokens == 0) return fail("[context] next; nothing to start from, append a token or a text first");
  const Pass pass(pie_core_inference_constructor_forward_pass(model_->borrow()));
  pie_core_inference_method_forward_pass_context(pass.borrow(), borrow());
  uint32_t position = static_cast<uint32_t>(computed_);
  std::vector<uint32_t> positions;
  std::span<const uint32_t> where(&position, 1);
  if (tokens > 1) {
    positions.resize(tokens);
    std::iota(positions.begin(), positions.end(), position);
    where = positions;
  }
  auto raw_tokens = binding::list({pending_.data(), tokens}), raw_positions = binding::list(where);
  pie_core_inference_method_forward_pass_input_tokens(pass.borrow(), &raw_tokens, &raw_positions);
  if (sampling) {
    uint32_t last = static_cast<uint32_t>(tokens - 1);
    auto indices = binding::list({&last, 1});
    hearth_inferlet_sampling_draw_t draw{sampling->temperature, sampling->top_k, sampling->top_p, sampling->min_p,
                                         sampling->seed};
    hearth_inferlet_sampling_attach(pass.borrow(), &indices, &draw);
  }
  if (allowed) {
    pie_core_inference_brle_t mask{const_cast<uint32_t*>(allowed->data()), allowed->size()};
    pie_core_inference_method_forward_pass_logit_mask(pass.borrow(), &mask);
  }
  pie_core_inference_own_future_output_t future;
  hearth_guest_string_t error;
  if (!pie_core_inference_method_forward_pass_execute(pass.borrow(), &future, &error))
    return fail(binding::take(error));
  computed_ += tokens;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(tokens));
  return NextToken(future);
}

Result<> Context::compute(size_t tokens) {
  if (tokens == 0) return {};
  HEARTH_LET(const NextToken done, execute(tokens, nullptr, nullptr));
  done.pollable().wait();
  pie_core_inference_output_t output;
  if (!pie_core_inference_method_future_output_get(done.borrow(), &output))
    return fail("[context] the pass ended without a result");
  pie_core_inference_output_free(&output);
  return commit();
}

Result<> Context::flush() {
  return compute(pending_.empty() ? 0 : pending_.size() - 1);
}

Result<Context> Context::fork() {
  HEARTH_TRY(flush());
  pie_core_context_own_context_t raw;
  hearth_guest_string_t error;
  if (!pie_core_context_method_context_fork(borrow(), &raw, &error)) return fail(binding::take(error));
  Context fork(raw, *model_);
  fork.computed_ = computed_;
  fork.pending_ = pending_;
  return fork;
}

Result<> Context::save(std::string_view name) {
  HEARTH_TRY(compute(pending_.size()));
  auto raw_name = binding::text(name);
  hearth_guest_string_t error;
  if (!pie_core_context_method_context_save(borrow(), &raw_name, &error)) return fail(binding::take(error));
  return {};
}

Result<std::string> Context::snapshot() {
  HEARTH_TRY(compute(pending_.size()));
  hearth_guest_string_t name, error;
  if (!pie_core_context_method_context_snapshot(borrow(), &name, &error)) return fail(binding::take(error));
  return binding::take(name);
}

Result<> Context::truncate(uint64_t tokens) {
  const uint64_t waiting = std::min<uint64_t>(tokens, pending_.size()), computed = tokens - waiting;
  if (computed > 0) {
    const uint32_t open = pie_core_context_method_context_working_page_token_count(borrow());
    if (computed > open)
      return fail("[context] truncate; got " + std::to_string(tokens) + " tokens, need at most " +
                  std::to_string(waiting + open) + ": the others are in committed pages");
    pie_core_context_method_context_truncate_working_page_tokens(borrow(), static_cast<uint32_t>(computed));
    computed_ -= computed;
  }
  pending_.resize(pending_.size() - waiting);
  return {};
}

Result<> Context::commit() {
  const uint32_t full = pie_core_context_method_context_working_page_token_count(borrow()) /
                        pie_core_context_method_context_tokens_per_page(borrow());
  if (full == 0) return {};
  hearth_guest_string_t error;
  if (!pie_core_context_method_context_commit_working_pages(borrow(), full, &error)) return fail(binding::take(error));
  return {};
}

Result<> Context::suspend() {
  hearth_guest_string_t error;
  if (!pie_core_context_method_context_suspend(borrow(), &error)) return fail(binding::take(error));
  return {};
}

Result<NextToken> Context::next(const Sampling& sampling, const Mask* allowed) {
  return execute(pending_.size(), &sampling, allowed);
}

Result<Generation> Context::generate_tokens(const Sampling& sampling, const Limits& limits,
                                            FunctionRef<Result<bool>(uint32_t)> feed, Matcher* matcher) {
  Generation out;
  const bool prompt = pending_.size() > 1;
  while (out.tokens.size() < limits.max_tokens) {
    Mask mask;
    if (matcher) mask = matcher->mask();
    uint32_t token;
    {
      HEARTH_LET(const NextToken pass, next(sampling, matcher ? &mask : nullptr));
      HEARTH_LET(token, pass.wait());
    }
    if (prompt && out.tokens.empty()) HEARTH_TRY(commit());
    if (std::ranges::find(limits.stop_tokens, token) != limits.stop_tokens.end()) {
      out.stopped = true;
      break;
    }
    out.tokens.push_back(token);
    append(token);
    HEARTH_LET(const bool go_on, feed(token));
    if (matcher) HEARTH_TRY(matcher->accept({&token, 1}));
    if (!go_on || (matcher && matcher->finished())) {
      out.stopped = true;
      break;
    }
  }
  return out;
}

Result<Generation> Context::generate(const Sampling& sampling, const Limits& limits, TextSink sink, Matcher* matcher) {
  TextStream stream(*model_);
  std::string text;
  const auto emit = [&](std::string_view piece) {
    if (piece.empty()) return;
    text += piece;
    sink(piece);
  };
  const auto feed = [&](uint32_t token) -> Result<bool> {
    HEARTH_LET(const std::string piece, stream.feed(token));
    emit(piece);
    return true;
  };
  HEARTH_LET(Generation out, generate_tokens(sampling, limits, feed, matcher));
  emit(stream.finish());
  out.text = std::move(text);
  return out;
}

}  // namespace hearth

#include "runtime/shape_plan.h"

#include <algorithm>

namespace hearth::runtime {

namespace {

std::shared_ptr<const ArenaPlan> make_arena(std::span<const BlockLife> requests, const std::vector<bool>& excluded) {
  std::vector<BlockLife> blocks;
  std::vector<uint32_t> of_block;
  for (size_t i = 0; i < requests.size(); ++i)
    if (requests[i].end != RunRecord::kLeft && !(i < excluded.size() && excluded[i])) {
      blocks.push_back(requests[i]);
      of_block.push_back(static_cast<uint32_t>(i));
    }
  if (blocks.empty()) return nullptr;
  const ArenaLayout layout = lay_out(blocks);

  std::vector<size_t> bounds;
  bounds.reserve(2 * blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    bounds.push_back(layout.offsets[i]);
    bounds.push_back(layout.offsets[i] + arena_bytes(blocks[i].bytes));
  }
  std::ranges::sort(bounds);
  bounds.erase(std::ranges::unique(bounds).begin(), bounds.end());
  const auto piece = [&](size_t bound) {
    return static_cast<uint32_t>(std::ranges::lower_bound(bounds, bound) - bounds.begin());
  };

  auto plan = std::make_shared<ArenaPlan>();
  plan->requests.resize(requests.size());
  plan->slices = static_cast<uint32_t>(blocks.size());
  plan->pieces = static_cast<uint32_t>(bounds.size() - 1);
  plan->bytes = layout.bytes;
  for (uint32_t i = 0; i < plan->slices; ++i)
    plan->requests[of_block[i]] = {.bytes = blocks[i].bytes,
                                   .offset = layout.offsets[i],
                                   .first_piece = piece(layout.offsets[i]),
                                   .end_piece = piece(layout.offsets[i] + arena_bytes(blocks[i].bytes)),
                                   .number = i};
  return plan;
}

}  // namespace

ShapeKey shape_key(std::span<const Value> inputs, bool threads) {
  ShapeKey key;
  key.reserve(1 + 6 * inputs.size());
  key.push_back(threads ? 1 : 0);
  for (const Value& value : inputs) {
    const Tensor* tensor = value.tensor();
    if (tensor == nullptr) {
      // How many tensors a sequence or map holds, and of which sizes, is data.
      key.push_back(value.empty() ? -1 : -2);
      continue;
    }
    key.push_back(static_cast<int64_t>(tensor->dtype()));
    key.push_back(tensor->rank());
    key.insert(key.end(), tensor->dims().begin(), tensor->dims().end());
  }
  return key;
}

std::pair<uint32_t, uint32_t> ShapePlan::requests_of(size_t step) const {
  const auto& first = record_.first;
  if (step >= first.size()) return {0, 0};
  return {first[step], step + 1 < first.size() ? first[step + 1] : static_cast<uint32_t>(record_.requests.size())};
}

std::shared_ptr<const ArenaPlan> ShapePlan::arena() {
  const std::scoped_lock lock(mutex_);
  // Only now: shapes that never come again cost no layout.
  if (!laid_out_) arena_ = make_arena(record_.requests, excluded_);
  laid_out_ = true;
  return arena_;
}

void ShapePlan::exclude(std::span<const uint32_t> requests) {
  if (requests.empty()) return;
  const std::scoped_lock lock(mutex_);
  excluded_.resize(record_.requests.size());
  for (const uint32_t request : requests) excluded_[request] = true;
  if (arena_ != nullptr) laid_out_ = false;
}

void ShapePlan::drop_arena() {
  const std::scoped_lock lock(mutex_);
  arena_ = nullptr;
  laid_out_ = true;
}

std::shared_ptr<ShapePlan> ShapePlans::find(const ShapeKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto at = std::ranges::find(plans_, key, [](const auto& plan) -> const ShapeKey& { return plan->key(); });
  if (at == plans_.end()) return nullptr;
  std::rotate(plans_.begin(), at, at + 1);
  return plans_.front();
}

void ShapePlans::keep(std::shared_ptr<ShapePlan> plan) {
  const std::scoped_lock lock(mutex_);
  // Two threads may have recorded the same shapes.
  if (std::ranges::any_of(plans_, [&](const auto& held) { return held->key() == plan->key(); })) return;
  plans_.insert(plans_.begin(), std::move(plan));
  if (plans_.size() > kMostPlans) plans_.pop_back();
}

size_t ShapePlans::count() const {
  const std::scoped_lock lock(mutex_);
  return plans_.size();
}

}  // namespace hearth::runtime

// What a guest holds handles to: host objects by type and number. One table per guest; used by that guest's calls
// alone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"

namespace hearth::inferlet {

// The numbers travel to wasmtime as resource types; the order means nothing.
enum class ResourceType : uint32_t {
  FutureString,
  FutureBlob,
  Model,
  Tokenizer,
  Context,
  ForwardPass,
  FutureOutput,
  Grammar,
  Matcher,
  Subscription,
  Child,
  Image,
  Video,
  Audio,
  Speech,
  Adapter,
  ChatDecoder,
  ReasoningDecoder,
  ToolDecoder,
  McpSession,
};
inline constexpr size_t kResourceTypeCount = static_cast<size_t>(ResourceType::McpSession) + 1;

// Handles of one type that one guest may hold at a time.
inline constexpr size_t kMaxHandles = 10'000;

// A class derived from Resource says `static constexpr ResourceType kType` and `static constexpr const char* kName`
// (WIT's).
struct Resource {
  Resource() = default;
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;
  virtual ~Resource() = default;
};

// A handle that a host function gives to the guest.
template <class R>
struct Own {
  uint32_t rep;
};

class Resources {
 public:
  template <class R>
  Result<Own<R>> add(std::unique_ptr<R> resource) {
    Table& table = tables_[static_cast<size_t>(R::kType)];
    if (table.used == kMaxHandles) {
      return fail(ErrorKind::Limit, "[guest] handles of type {}; got {} open, need at most {}: drop some", R::kName,
                  table.used, kMaxHandles);
    }
    ++table.used;
    if (table.free.empty()) {
      table.slots.push_back(std::move(resource));
      return Own<R>{static_cast<uint32_t>(table.slots.size() - 1)};
    }
    uint32_t rep = table.free.back();
    table.free.pop_back();
    table.slots[rep] = std::move(resource);
    return Own<R>{rep};
  }

  // Wasmtime gives only numbers that add() gave it for this type and that were not dropped.
  template <class R>
  R& get(uint32_t rep) {
    Table& table = tables_[static_cast<size_t>(R::kType)];
    CHECK(rep < table.slots.size() && table.slots[rep] != nullptr);
    return static_cast<R&>(*table.slots[rep]);
  }

  void drop(uint32_t type, uint32_t rep) {
    CHECK(type < tables_.size());
    Table& table = tables_[type];
    if (rep >= table.slots.size() || table.slots[rep] == nullptr) return;  // everything is gone already: clear()
    table.slots[rep].reset();
    table.free.push_back(rep);
    --table.used;
  }

  void clear() {
    for (Table& table : tables_) table = Table{};
  }

 private:
  struct Table {
    std::vector<std::unique_ptr<Resource>> slots;
    std::vector<uint32_t> free;
    size_t used = 0;
  };
  std::array<Table, kResourceTypeCount> tables_;
};

}  // namespace hearth::inferlet

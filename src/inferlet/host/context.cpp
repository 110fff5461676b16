// pie:core/context over the engine's contexts. After destroy() a handle stays valid: calls with an error type answer
// with the engine's error, the others with zero.
#include <algorithm>
#include <random>

#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

Result<Own<Context>> adopt(Guest& guest, Result<engine::ContextId> id, engine::ModelId model) {
  if (!id) return std::unexpected(std::move(id).error());
  return guest.resources.add(std::make_unique<Context>(*guest.services.engine, *id, model));
}

uint32_t count(const Context& self, uint32_t engine::ContextInfo::* field) {
  auto info = self.engine.info(self.id);
  return info ? (*info).*field : 0;
}

}  // namespace

void bind_context(Binder& binder) {
  Interface<Guest> context(binder, "pie:core/context");
  context.resource<Context>();
  context.static_method<Context>(
      "create", +[](Guest& guest, Model& model) -> Result<Own<Context>> {
        guest.conversation_open = false;
        return adopt(guest, guest.services.engine->create(model.id), model.id);
      });
  context.static_method<Context>(
      "open", +[](Guest& guest, Model& model, std::string_view name) -> Result<Own<Context>> {
        return adopt(guest, guest.services.engine->open(model.id, guest.user, name), model.id);
      });
  context.static_method<Context>(
      "take", +[](Guest& guest, Model& model, std::string_view name) -> Result<Own<Context>> {
        return adopt(guest, guest.services.engine->take(model.id, guest.user, name), model.id);
      });
  context.static_method<Context>(
      "delete", +[](Guest& guest, Model& model, std::string_view name) -> Result<> {
        return guest.services.engine->remove(model.id, guest.user, name);
      });
  context.method(
      "fork", +[](Guest& guest, Context& self) -> Result<Own<Context>> {
        return adopt(guest, self.engine.fork(self.id), self.model);
      });
  context.method(
      "save", +[](Guest& guest, Context& self, std::string_view name) -> Result<> {
        return self.engine.save(self.id, guest.user, name);
      });
  context.method(
      "snapshot", +[](Guest& guest, Context& self) -> Result<std::string> {
        std::random_device random;
        std::string name = fmt::format("snapshot-{:08x}{:08x}{:08x}", random(), random(), random());
        TRY(self.engine.save(self.id, guest.user, name));
        return name;
      });
  context.method("destroy", +[](Guest&, Context& self) { self.engine.destroy(self.id); });
  context.method(
      "tokens-per-page", +[](Guest&, Context& self) { return static_cast<uint32_t>(self.engine.options().page_size); });
  context.method("model", +[](Guest& guest, Context& self) { return guest.give(std::make_unique<Model>(self.model)); });
  context.method(
      "committed-page-count",
      +[](Guest&, Context& self) { return count(self, &engine::ContextInfo::committed_pages); });
  context.method(
      "working-page-count", +[](Guest&, Context& self) { return count(self, &engine::ContextInfo::working_pages); });
  context.method(
      "working-page-token-count",
      +[](Guest&, Context& self) { return count(self, &engine::ContextInfo::working_tokens); });
  context.method(
      "commit-working-pages",
      +[](Guest&, Context& self, uint32_t pages) -> Result<> { return self.engine.commit(self.id, pages); });
  context.method(
      "reserve-working-pages",
      +[](Guest&, Context& self, uint32_t pages) -> Result<> { return self.engine.reserve(self.id, pages); });
  // The next two have no error: more than there is means all there is.
  context.method(
      "release-working-pages", +[](Guest&, Context& self, uint32_t pages) {
        auto info = self.engine.info(self.id);
        if (!info) return;
        auto page_size = static_cast<uint32_t>(self.engine.options().page_size);
        uint32_t in_use = (info->working_tokens + page_size - 1) / page_size;
        uint32_t empty = info->working_pages > in_use ? info->working_pages - in_use : 0;
        (void)self.engine.release(self.id, std::min(pages, empty));
      });
  context.method(
      "truncate-working-page-tokens", +[](Guest&, Context& self, uint32_t tokens) {
        (void)self.engine.truncate(self.id, std::min(tokens, count(self, &engine::ContextInfo::working_tokens)));
      });
  context.method("suspend", +[](Guest&, Context& self) -> Result<> { return self.engine.suspend(self.id); });
  context.method(
      "bid", +[](Guest&, Context& self, double value) {
        self.engine.bid(self.id, value > 0 ? value : 0.0);  // not a number compares false
      });
}

}  // namespace hearth::inferlet

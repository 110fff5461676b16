// pie:core/model: models by name, and their tokenizers.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

using Texts = std::tuple<std::vector<uint32_t>, std::vector<Blob>>;

}  // namespace

void bind_model(Binder& binder) {
  Interface<Guest> model(binder, "pie:core/model");
  model.resource<Model>().resource<Tokenizer>();
  model.static_method<Model>(
      "load", +[](Guest& guest, std::string_view name) -> Result<Own<Model>> {
        auto id = guest.services.engine->find_model(name);
        if (!id) {
          return fail(ErrorKind::NotFound, "[model] name; got {}, need one of: {}", name,
                      fmt::join(guest.services.engine->models(), ", "));
        }
        return guest.resources.add(std::make_unique<Model>(*id));
      });
  model.method(
      "tokenizer", +[](Guest& guest, Model& self) {
        return guest.give(std::make_unique<Tokenizer>(guest.services.engine->tokenizer(self.id)));
      });
  model.method(
      "encode", +[](Guest&, Tokenizer& self, std::string_view text) { return self.tokenizer->encode(text, true); });
  model.method(
      "decode", +[](Guest&, Tokenizer& self, std::vector<uint32_t> tokens) -> Result<std::string> {
        ASSIGN_OR_RETURN(std::string bytes, self.tokenizer->decode(tokens));
        llm::Utf8Stream stream;  // the result is a string of WIT: whole characters
        std::string text = stream.push(bytes);
        return text + stream.flush();
      });
  model.method(
      "vocabs", +[](Guest&, Tokenizer& self) {
        Texts all;
        for (uint32_t id = 0; id < self.tokenizer->vocab_size(); ++id) {
          std::get<0>(all).push_back(id);
          std::get<1>(all).push_back({self.tokenizer->token_bytes(id)});
        }
        return all;
      });
  model.method("split-regex", +[](Guest&, Tokenizer& self) { return self.tokenizer->split_regex(); });
  model.method(
      "special-tokens", +[](Guest&, Tokenizer& self) {
        Texts all;
        for (uint32_t id : self.tokenizer->special_tokens()) {
          std::get<0>(all).push_back(id);
          std::get<1>(all).push_back({self.tokenizer->token_bytes(id)});
        }
        return all;
      });
}

}  // namespace hearth::inferlet

// pie:core/session: the conversation with the client that started this guest.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {

void bind_session(Binder& binder) {
  Interface<Guest> session(binder, "pie:core/session");
  session.function(
      "send", +[](Guest& guest, std::string_view message) {
        std::lock_guard lock(guest.events_mutex);
        if (guest.events.on_message) guest.events.on_message(message);
      });
  session.function(
      "receive", +[](Guest& guest) -> Trapping<Own<FutureString>> {
        return guest.give(std::make_unique<FutureString>(guest.messages));
      });
  session.function(
      "send-file", +[](Guest& guest, Blob data) {
        std::lock_guard lock(guest.events_mutex);
        if (guest.events.on_file) guest.events.on_file(std::move(data.bytes));
      });
  session.function(
      "receive-file",
      +[](Guest& guest) -> Trapping<Own<FutureBlob>> { return guest.give(std::make_unique<FutureBlob>(guest.files)); });
}

}  // namespace hearth::inferlet

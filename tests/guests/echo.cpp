// Sends back what it receives, messages and files, until the message "end"; prints and returns how many there were.
#include <cstdio>
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(std::string_view) {
  uint32_t count = 0;
  auto message = hearth::session::receive();
  auto file = hearth::session::receive_file();
  for (;;) {
    {
      const auto message_ready = message.pollable(), file_ready = file.pollable();
      const hearth::Pollable* const both[] = {&message_ready, &file_ready};
      if (hearth::poll(both).empty()) return hearth::fail("poll woke for nothing");
    }
    // A future gives its value once; a new one takes the place of one that did.
    if (const auto text = message.get()) {
      if (*text == "end") break;
      hearth::session::send(*text);
      message = hearth::session::receive();
      ++count;
    }
    if (const auto bytes = file.get()) {
      hearth::session::send_file(*bytes);
      file = hearth::session::receive_file();
      ++count;
    }
  }
  std::printf("echoed %u\n", count);
  return std::to_string(count);
}

HEARTH_INFERLET(run)

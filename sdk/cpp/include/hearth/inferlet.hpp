// The C++ guest library of Hearth: write a function, name it in HEARTH_INFERLET, build with `pie build`.
//
//   #include <hearth/inferlet.hpp>
//   hearth::Result<std::string> run(hearth::Arguments& arguments) { … }
//   HEARTH_INFERLET(run)
//
// Guests have one thread, no exceptions and no files; printf, iostream, containers and clocks work. A failed assertion
// or abort() ends the guest and nothing else.
#pragma once

#include "hearth/arguments.hpp"
#include "hearth/chat.hpp"
#include "hearth/context.hpp"
#include "hearth/session.hpp"

namespace hearth::entry {

// What the host reads after `run`: the canonical form of result<string, string>.
struct Outcome;
Outcome* run(uint8_t* input, size_t size, Result<std::string> (*function)(Arguments&));
Outcome* run(uint8_t* input, size_t size, Result<std::string> (*function)(std::string_view));
void release(Outcome* outcome);

}  // namespace hearth::entry

#ifndef HEARTH_INFERLET_NAME  // `pie build` gives it
#define HEARTH_INFERLET_NAME "inferlet"
#endif

// The function that runs, Result<std::string>(Arguments&) or Result<std::string>(std::string_view input); once per
// guest. What it returns goes to whoever started the guest.
#define HEARTH_INFERLET(function)                                                                \
  extern "C" [[gnu::used, clang::export_name("pie:" HEARTH_INFERLET_NAME "/run#run")]]           \
  ::hearth::entry::Outcome* hearth_inferlet_run(uint8_t* input, size_t size) {                   \
    return ::hearth::entry::run(input, size, function);                                          \
  }                                                                                              \
  extern "C" [[gnu::used, clang::export_name("cabi_post_pie:" HEARTH_INFERLET_NAME "/run#run")]] \
  void hearth_inferlet_release(::hearth::entry::Outcome* outcome) {                              \
    ::hearth::entry::release(outcome);                                                           \
  }

// Small components in text form. A module gets `run`'s input at 0 … and a bump allocator; what differs is its body.
#pragma once

#include <string>

namespace hearth::inferlet {

// What every guest of these tests shares: memory, realloc, and `run` lifted under the export `pie:test/run`.
// `imports`: component-level imports and core functions lowered from them; `core_imports`: (with "name" (func $f))
// items of instantiation; `module_imports`: the module's (import …) lines; `body`: the code of $run, which has (param
// $p i32) (param $n i32) and must leave the address of a result<string, string> (tag, pointer, length: three words).
struct Wat {
  std::string imports, core_imports, module_imports, body, functions, memory = "1";

  std::string text() const {
    return "(component\n" + imports + R"(
  (core module $m
)" + module_imports +
           R"(
    (import "env" "memory" (memory 0))
    (import "env" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
)" + functions +
           R"(
    (func (export "run") (param $p i32) (param $n i32) (result i32)
)" + body + R"(
    ))
  (core module $env
    (memory (export "memory") )" +
           memory + R"()
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3)))))
  (core instance $env (instantiate $env))
  (alias core export $env "memory" (core memory $mem))
  (alias core export $env "realloc" (core func $realloc))
)" + lowered +
           R"(
  (core instance $i (instantiate $m (with "env" (instance $env))
)" + core_imports +
           R"(
  ))
  (type $run (func (param "input" string) (result (result string (error string)))))
  (func $run (type $run) (canon lift (core func $i "run") (memory $mem) (realloc $realloc)))
  (instance $exports (export "run" (func $run)))
  (export "pie:test/run@0.1.0" (instance $exports))
))";
  }

  std::string lowered;  // (core func …) lines that need the memory
};

// Leaves result<string, string> at 64: `tag` 0 ok or 1 error, the text at `pointer`.
inline std::string answer(const std::string& tag, const std::string& pointer, const std::string& length) {
  return "(i32.store (i32.const 64) " + tag + ") (i32.store (i32.const 68) " + pointer +
         ") (i32.store (i32.const 72) " + length + ") (i32.const 64)";
}

// Gives its input back.
inline Wat echo() {
  Wat wat;
  wat.body = answer("(i32.const 0)", "(local.get $p)", "(local.get $n)");
  return wat;
}

}  // namespace hearth::inferlet

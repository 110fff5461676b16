#include "harness.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace hearth::inferlet {

ProcessEvents Record::events() {
  ProcessEvents events;
  auto note = [this](std::string what) {
    order.push_back(std::move(what));
    changed.notify_all();
  };
  events.on_stdout = [this, note](std::string_view text) {
    std::lock_guard lock(mutex);
    out += text;
    note("stdout");
  };
  events.on_stderr = [this, note](std::string_view text) {
    std::lock_guard lock(mutex);
    err += text;
    note("stderr");
  };
  events.on_message = [this, note](std::string_view text) {
    std::lock_guard lock(mutex);
    messages.emplace_back(text);
    note("message");
  };
  events.on_file = [this, note](std::string bytes) {
    std::lock_guard lock(mutex);
    files.push_back(std::move(bytes));
    note("file");
  };
  events.on_exit = [this, note](Result<std::string> result) {
    std::lock_guard lock(mutex);
    exit = std::move(result);
    ++exits;
    note("exit");
  };
  return events;
}

std::optional<Result<std::string>> Record::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, limit, [this] { return exit.has_value(); });
  return exit;
}

bool Record::wait_for_message(size_t count, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, limit, [&] { return messages.size() >= count; });
}

Harness::Harness(RuntimeOptions options) {
  std::string name = (std::filesystem::temp_directory_path() / "inferlet-test-XXXXXX").string();
  folder = ::mkdtemp(name.data());
  auto created = Runtime::create(std::move(options), engine, {});
  EXPECT_TRUE(created) << created.error().message;
  runtime = *std::move(created);
}

Harness::~Harness() {
  runtime.reset();
  std::filesystem::remove_all(folder);
}

std::filesystem::path Harness::write(const std::string& name, const std::string& wat) const {
  auto path = folder / name;
  EXPECT_TRUE(write_file(path, wat));
  return path;
}

Result<std::shared_ptr<Program>> Harness::load(const Wat& wat) const { return runtime->load(write("guest.wat", wat.text())); }

Result<std::string> Harness::run(const Wat& wat, std::string input, std::vector<std::string> arguments) {
  ASSIGN_OR_RETURN(auto program, load(wat));
  ASSIGN_OR_RETURN(auto process, runtime->launch(program, std::move(input), std::move(arguments), "anna", last.events()));
  auto result = last.wait();
  if (!result) {
    ADD_FAILURE() << "the guest did not end";
    return fail(ErrorKind::Internal, "no end");
  }
  return *result;
}

std::unique_ptr<Process> Harness::launch(const Wat& wat, Record& record, std::string input) {
  auto program = load(wat);
  EXPECT_TRUE(program) << program.error().message;
  if (!program) return nullptr;
  auto process = runtime->launch(*program, std::move(input), {}, "anna", record.events());
  EXPECT_TRUE(process) << process.error().message;
  return process ? *std::move(process) : nullptr;
}

}  // namespace hearth::inferlet

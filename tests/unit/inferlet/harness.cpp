#include "harness.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "llm/random/random_model.h"

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

namespace {

Result<ModelServices> add_model(Harness& harness) {
  llm::RandomModelOptions shape;
  shape.hidden = 32, shape.heads = 2, shape.kv_heads = 1, shape.head_dim = 16, shape.ffn = 64;
  ASSIGN_OR_RETURN(auto path, llm::write_random_model(shape, harness.folder / "model"));
  ASSIGN_OR_RETURN(auto opened, llm::open_model_file(path));
  std::shared_ptr<llm::ModelFile> file = std::move(opened);
  ASSIGN_OR_RETURN(harness.device, ops::open_device("ref"));
  ASSIGN_OR_RETURN(auto tokenizer, llm::Tokenizer::create(file->tokenizer()));
  ASSIGN_OR_RETURN(auto chat, llm::ChatTemplate::create(file->chat_template(), "<s>", "</s>"));
  ASSIGN_OR_RETURN(auto model, llm::Model::load(file, *harness.device, {}));
  TRY(harness.engine.add_model("tiny", std::move(model), tokenizer));
  return ModelServices{chat};
}

}  // namespace

Harness::Harness(RuntimeOptions options, bool with_model) {
  std::vector<ModelServices> models;
  if (with_model) {
    auto added = add_model(*this);
    EXPECT_TRUE(added) << added.error().message;
    if (added) models.push_back(*added);
  }
  auto created = Runtime::create(std::move(options), engine, std::move(models));
  EXPECT_TRUE(created) << created.error().message;
  runtime = *std::move(created);
}

std::unique_ptr<Process> Harness::launch_guest(const std::string& name, Record& record, std::string input) {
#ifdef HEARTH_TEST_GUESTS
  auto program = runtime->load(std::filesystem::path(HEARTH_TEST_GUESTS) / (name + ".wasm"));
  EXPECT_TRUE(program) << program.error().message;
  if (!program) return nullptr;
  auto process = runtime->launch(*program, std::move(input), {}, "anna", record.events());
  EXPECT_TRUE(process) << process.error().message;
  return process ? *std::move(process) : nullptr;
#else
  (void)name, (void)record, (void)input;
  ADD_FAILURE() << "built without the toolchain for guests";
  return nullptr;
#endif
}

Result<std::string> Harness::run_guest(const std::string& name, std::string input) {
  auto process = launch_guest(name, last, std::move(input));
  if (!process) return fail(ErrorKind::Internal, "no process");
  auto result = last.wait(std::chrono::seconds(60));
  if (!result) {
    ADD_FAILURE() << "the guest did not end";
    return fail(ErrorKind::Internal, "no end");
  }
  return *result;
}

Harness::~Harness() {
  runtime.reset();
}

std::filesystem::path Harness::write(const std::string& name, const std::string& wat) const {
  auto path = folder / name;
  EXPECT_TRUE(write_file(path, wat));
  return path;
}

Result<std::shared_ptr<Program>> Harness::load(const Wat& wat) const {
  return runtime->load(write("guest.wat", wat.text()));
}

Result<std::string> Harness::run(const Wat& wat, std::string input, std::vector<std::string> arguments) {
  ASSIGN_OR_RETURN(auto program, load(wat));
  ASSIGN_OR_RETURN(auto process,
                   runtime->launch(program, std::move(input), std::move(arguments), "anna", last.events()));
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

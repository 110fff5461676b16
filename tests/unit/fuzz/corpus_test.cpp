// Every fuzzer over the inputs of its corpus. An input that breaks a promise ends the program.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"

extern "C" {
int fuzz_chat_template(const uint8_t* data, size_t size);
int fuzz_gguf(const uint8_t* data, size_t size);
int fuzz_grammar(const uint8_t* data, size_t size);
int fuzz_graph_text(const uint8_t* data, size_t size);
int fuzz_onnx(const uint8_t* data, size_t size);
int fuzz_pfm(const uint8_t* data, size_t size);
int fuzz_prepared_file(const uint8_t* data, size_t size);
int fuzz_safetensors(const uint8_t* data, size_t size);
int fuzz_tokenizer(const uint8_t* data, size_t size);
}

namespace hearth {
namespace {

namespace fs = std::filesystem;

struct Fuzzer {
  const char* name;
  int (*run)(const uint8_t* data, size_t size);
};
void PrintTo(const Fuzzer& fuzzer, std::ostream* out) {
  *out << fuzzer.name;
}

constexpr Fuzzer kFuzzers[] = {
    {"fuzz_chat_template", fuzz_chat_template},
    {"fuzz_gguf", fuzz_gguf},
    {"fuzz_grammar", fuzz_grammar},
    {"fuzz_graph_text", fuzz_graph_text},
    {"fuzz_onnx", fuzz_onnx},
    {"fuzz_pfm", fuzz_pfm},
    {"fuzz_prepared_file", fuzz_prepared_file},
    {"fuzz_safetensors", fuzz_safetensors},
    {"fuzz_tokenizer", fuzz_tokenizer},
};
const fs::path kCorpus = HEARTH_SOURCE_DIR "/fuzz/corpus";

class Corpus : public testing::TestWithParam<Fuzzer> {};

TEST_P(Corpus, EveryInputHolds) {
  int inputs = 0;
  for (const auto& entry : fs::directory_iterator(kCorpus / GetParam().name)) {
    SCOPED_TRACE(entry.path().filename());
    const std::string text = read_file(entry.path()).value();
    EXPECT_EQ(GetParam().run(reinterpret_cast<const uint8_t*>(text.data()), text.size()), 0);
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

INSTANTIATE_TEST_SUITE_P(All, Corpus, testing::ValuesIn(kFuzzers),
                         [](const auto& fuzzer) { return std::string(fuzzer.param.name).substr(sizeof "fuzz_" - 1); });

TEST(Corpus, HasNoFolderWithoutFuzzer) {
  for (const auto& entry : fs::directory_iterator(kCorpus)) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(std::ranges::any_of(kFuzzers, [&](const Fuzzer& fuzzer) { return fuzzer.name == name; })) << name;
  }
}

}  // namespace
}  // namespace hearth

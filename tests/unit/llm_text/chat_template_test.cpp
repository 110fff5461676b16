// Pieces of chat templates against whole renders, for the forms that model families use. The templates here are our own
// short writings of those forms.
#include "llm/chat_template.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hearth::llm {
namespace {

using Template = std::shared_ptr<const ChatTemplate>;
using Messages = std::vector<ChatMessage>;

struct Family {
  const char* name;
  const char* source;
  const char* bos;
  const char* eos;
  bool system;       // has a system piece
  const char* cue;   //
  const char* seal;  //
};

// ChatML with a default system text, as SmolLM2 has it.
constexpr const char* kChatMl =
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe kind<|im_end|>\n"
    "{% endif %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

constexpr const char* kLlama3 =
    "{{- bos_token }}\n{%- set ns = namespace(text='') %}\n{%- if messages[0].role == 'system' %}\n"
    "    {%- set ns.text = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- endif %}\n"
    "{{- '<|start_header_id|>system<|end_header_id|>\n\nToday: ' + strftime_now('%d %b %Y') + '\n\n' + ns.text "
    "+ '<|eot_id|>' }}\n"
    "{%- for m in messages %}\n"
    "    {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\n{%- endif %}\n";

constexpr const char* kGemma =
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

constexpr const char* kMistral =
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}"
    "{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}"
    "{% for m in loop_messages %}{% if m.role == 'user' %}{% if loop.first and sys is defined %}"
    "{{ '[INST] ' + sys + '\n\n' + m.content + ' [/INST]' }}{% else %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endif "
    "%}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content.strip() + eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant') }}{% endif %}{% endfor %}";

constexpr const char* kPhi3 =
    "{% for m in messages %}{% if m['role'] in ['system', 'user', 'assistant'] %}"
    "{{'<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}";

// Qwen 3 drops the thoughts of earlier replies, and shows an empty thought before the last one.
constexpr const char* kQwen3 =
    "{%- if tools %}\n    {{- '<|im_start|>system\n# Tools\n' }}\n    {%- for tool in tools %}\n"
    "        {{- tool | tojson + '\n' }}\n    {%- endfor %}\n    {{- '<|im_end|>\n' }}\n{%- endif %}\n"
    "{%- set ns = namespace(last=-1) %}\n{%- for m in messages %}\n    {%- if m.role == 'user' %}\n"
    "        {%- set ns.last = loop.index0 %}\n    {%- endif %}\n{%- endfor %}\n"
    "{%- for m in messages %}\n    {%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}\n"
    "    {%- if m.role == 'assistant' and loop.index0 > ns.last %}\n"
    "        {{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + content + '<|im_end|>\n' }}\n"
    "    {%- else %}\n        {{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' }}\n    {%- endif %}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\n' }}\n"
    "    {%- if enable_thinking is defined and enable_thinking is false %}\n        {{- '<think>\n\n</think>\n\n' }}\n"
    "    {%- endif %}\n{%- endif %}";

constexpr Family kFamilies[] = {
    {"smollm2", kChatMl, "<|im_start|>", "<|im_end|>", true, "<|im_start|>assistant\n", "<|im_end|>\n"},
    {"llama3", kLlama3, "<|begin_of_text|>", "<|eot_id|>", true, "<|start_header_id|>assistant<|end_header_id|>\n\n",
     "<|eot_id|>"},
    {"gemma", kGemma, "<bos>", "<eos>", false, "<start_of_turn>model\n", "<end_of_turn>\n"},
    {"mistral", kMistral, "<s>", "</s>", false, "", "</s>"},
    {"phi3", kPhi3, "<s>", "<|endoftext|>", true, "<|assistant|>\n", "<|end|>\n"},
    {"qwen3", kQwen3, "", "<|im_end|>", true, "<|im_start|>assistant\n", "<|im_end|>\n"},
    {"plain", "", "<s>", "</s>", true, "assistant:", "\n"},
};

Template make(const Family& family) {
  auto made = ChatTemplate::create(family.source, family.bos, family.eos);
  EXPECT_TRUE(made) << family.name << ": " << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}

std::string text(const Result<std::string>& result) {
  return result ? *result : "ERROR " + result.error().message;
}

std::string error(const char* source) {
  auto made = ChatTemplate::create(source, "<s>", "</s>");
  if (!made) return made.error().message;
  const Messages hello{{"user", "hello"}};
  auto rendered = (*made)->render(hello, true);
  return rendered ? "no error: " + *rendered : rendered.error().message;
}

class Families : public testing::TestWithParam<Family> {};

TEST_P(Families, CueAndSeal) {
  const Template made = make(GetParam());
  EXPECT_EQ(made->cue(), GetParam().cue);
  EXPECT_EQ(made->seal(), GetParam().seal);
}

TEST_P(Families, FirstUserTurnAndCueAreTheWholePrompt) {
  const Template made = make(GetParam());
  for (const char* message : {"hello", "two\nlines", "x < y && \"z\" {{ no }} {% no %}", "Quser7Q", "größe 🙂"}) {
    const Messages messages{{"user", message}};
    EXPECT_EQ(text(made->user(message, true)) + made->cue(), text(made->render(messages, true)));
  }
}

TEST_P(Families, SystemUserAndCueAreTheWholePrompt) {
  const Template made = make(GetParam());
  const Messages messages{{"system", "Answer in verse."}, {"user", "hello"}};
  if (GetParam().system) {
    EXPECT_EQ(text(made->system("Answer in verse.")) + text(made->user("hello", false)) + made->cue(),
              text(made->render(messages, true)));
  } else {
    EXPECT_FALSE(made->system("Answer in verse."));
  }
}

TEST_P(Families, LaterTurnsAppend) {
  const Template made = make(GetParam());
  const Messages messages{
      {"user", "one"}, {"assistant", "two"}, {"user", "three"}, {"assistant", "four"}, {"user", "five"}};
  EXPECT_EQ(text(made->user("one", true)) + text(made->assistant("two")) + text(made->user("three", false)) +
                text(made->assistant("four")) + text(made->user("five", false)) + made->cue(),
            text(made->render(messages, true)));
  EXPECT_TRUE(text(made->assistant("two")).ends_with("two" + made->seal()));
}

INSTANTIATE_TEST_SUITE_P(All, Families, testing::ValuesIn(kFamilies),
                         [](const auto& family) { return family.param.name; });

TEST(ChatTemplate, DefaultSystemTextComesWithAFirstUserTurnOnly) {
  const Template made = make(kFamilies[0]);
  EXPECT_EQ(text(made->user("hi", true)), "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n");
  EXPECT_EQ(text(made->user("hi", false)), "<|im_start|>user\nhi<|im_end|>\n");
  EXPECT_EQ(text(made->system("Be brief")), "<|im_start|>system\nBe brief<|im_end|>\n");
}

TEST(ChatTemplate, SystemThatATemplateRefusesOrFoldsSaysSo) {
  EXPECT_NE(text(make(kFamilies[2])->system("x")).find("System role not supported"), std::string::npos);
  EXPECT_EQ(text(make(kFamilies[3])->system("x")),
            "ERROR [chat template] pieces; the template writes the system text into the first user turn, so whole "
            "conversations must be rendered");
  const Family silent{
      "silent", "{% for m in messages if m.role != 'system' %}<{{ m.content }}>{% endfor %}", "", "", false, "", ""};
  EXPECT_NE(text(make(silent)->system("x")).find("leaves the system text out"), std::string::npos);
}

TEST(ChatTemplate, TemplateWithoutPiecesStillRenders) {
  const Family last{"last",
                    "{{ messages | length }}:{% for m in messages %}{{ m.content }}{% endfor %}"
                    "{% if add_generation_prompt %}?{% endif %}",
                    "",
                    "",
                    false,
                    "",
                    ""};
  const Template made = make(last);
  const Messages messages{{"user", "a"}, {"assistant", "b"}};
  EXPECT_EQ(text(made->render(messages, true)), "2:ab?");
  EXPECT_NE(text(made->assistant("b")).find("depends on what follows it"), std::string::npos);
}

TEST(ChatTemplate, ToolsKeepTheirOrderAndPythonsSpacing) {
  const Template made = make(kFamilies[5]);
  const Messages messages{{"user", "a"}};
  EXPECT_EQ(text(made->render(messages, false,
                              R"([{"type":"function","name":"f","b":[1,2.5,null,true],"a":"<ä&'>","e":{}}])")),
            "<|im_start|>system\n# Tools\n"
            "{\"type\": \"function\", \"name\": \"f\", \"b\": [1, 2.5, null, true], \"a\": \"<ä&'>\", \"e\": {}}\n"
            "<|im_end|>\n<|im_start|>user\na<|im_end|>\n");
  EXPECT_NE(text(made->render(messages, false, "[{]")).find("tools"), std::string::npos);
}

TEST(ChatTemplate, JinjaAsTheHubsRenderIt) {
  const auto render = [](const char* source) {
    auto made = ChatTemplate::create(source, "<s>", "</s>");
    const Messages messages{{"user", "  Hi there  "}, {"assistant", "yo"}};
    return made ? text((*made)->render(messages, true)) : "ERROR " + made.error().message;
  };
  EXPECT_EQ(render("{% if true %}\n  a\n  {% endif %}\nb\n"), "  a\nb");  // trim_blocks, lstrip_blocks, last newline
  EXPECT_EQ(render("{{ messages[0].content.strip().upper() }}|{{ messages[-1]['content'] }}"), "HI THERE|yo");
  EXPECT_EQ(render("{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}"),
            "user");
  EXPECT_EQ(render("{{ messages[0].name }}|{{ messages[0].get('name', 'none') }}|{{ tools is defined }}"),
            "|none|False");
  EXPECT_EQ(render("{{ {'b': 1, 'a': [1, 2]} | tojson(indent=2) }}"),
            "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    2\n  ]\n}");
  EXPECT_EQ(render("{{ [1, 2] | tojson(separators=(',', ':')) }}"), "[1,2]");
  EXPECT_EQ(render("{%- generation -%} x {%- endgeneration -%} y"), "xy");
  EXPECT_EQ(render("{{ messages | map(attribute='role') | join(',') }}{{ bos_token }}{{ eos_token }}"),
            "user,assistant<s></s>");
  EXPECT_EQ(render("{{ strftime_now('%Y') | length }}"), "4");
  EXPECT_EQ(render("{{ messages[::-1][0].role }} {{ 'sys' in 'system' }} {{ none }}"), "assistant True None");
}

TEST(ChatTemplate, HostileTemplatesAreErrors) {
  EXPECT_EQ(error("{{ raise_exception('no way') }}"), "[chat template] invalid operation: no way (in chat:1)");
  EXPECT_NE(error("{% if %}").find("[chat template] syntax error"), std::string::npos);
  EXPECT_NE(error("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}").find("fuel"),
            std::string::npos);
  EXPECT_NE(error("{% for i in range(90000) %}{{ 'x' * 10000 }}{% endfor %}").find("more than"), std::string::npos);
  EXPECT_NE(error("{{ 'x' * 1000000000000 }}").find("too large"), std::string::npos);
  EXPECT_NE(error("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").find("recursion"), std::string::npos);
  EXPECT_NE(error("{% include 'etc' %}").find("[chat template]"), std::string::npos);
  EXPECT_NE(error("{{ tojson }}{{ 1 | tojson(sort_keys=true) }}").find("sort_keys"), std::string::npos);
  EXPECT_NE(error((std::string(2 << 20, 'x')).c_str()).find("size"), std::string::npos);
  EXPECT_NE(error("\xff\xfe{{").find("UTF-8"), std::string::npos);
}

TEST(ChatTemplate, DeepTreesAreErrorsOrWork) {
  std::string sum = "{{ 1", parens = "{{ ", ifs;
  for (int i = 0; i < 300000; ++i) sum += "+1";
  for (int i = 0; i < 100000; ++i) parens += "(";
  for (int i = 0; i < 50000; ++i) ifs += "{% if 1 %}";
  error((sum + " }}").c_str());
  EXPECT_NE(error(parens.c_str()).find("[chat template]"), std::string::npos);
  EXPECT_NE(error(ifs.c_str()).find("[chat template]"), std::string::npos);
  error(
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson "
      "}}");
  error(
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = ns.x + [i] %}{% endfor %}{{ ns.x[5] }}");
  error(
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == ns.x "
      "}}{{ ns.x }}");
}

TEST(ChatTemplate, IllFormedContentBecomesReplacementCharacters) {
  const Template made = make(kFamilies[0]);
  EXPECT_EQ(text(made->user("a\xff\xe2\x82", false)), "<|im_start|>user\na\xEF\xBF\xBD\xEF\xBF\xBD<|im_end|>\n");
}

TEST(ChatTemplate, ThreadsShareOneTemplate) {
  const Template made = make(kFamilies[5]);
  const std::string expected = text(made->user("hello", true));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) wrong[size_t(t)] += text(made->user("hello", true)) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace hearth::llm

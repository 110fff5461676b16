// Pieces of chat templates against whole renders, for the forms that model families use.
#include "llm/chat_template.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "llm_text/chat_templates.h"

namespace hearth::llm {
namespace {

using Template = std::shared_ptr<const ChatTemplate>;
using Messages = std::vector<ChatMessage>;

Template make(const Family& family) {
  auto made = ChatTemplate::create(family.source, family.bos, family.eos);
  EXPECT_TRUE(made) << family.name << ": " << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}

std::string text(const Result<std::string>& result) {
  return result ? *result : "ERROR " + result.error().message;
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

TEST(ChatTemplate, ACueOrSealThatRepeatsTheConversationIsNoPiece) {
  const Family echo_prompt{
      "prompt", "{% if add_generation_prompt %}{{ messages[0].content }}?{% endif %}", "", "", false, "", ""};
  EXPECT_NE(text(make(echo_prompt)->user("a", true)).find("depends on the generation prompt"), std::string::npos);
  const Family echo_end{"end",
                        "{% for m in messages %}{{ m.content }}{% endfor %}{% if messages | length > 1 %}"
                        "{{ messages[0].content }}{% endif %}",
                        "",
                        "",
                        false,
                        "",
                        ""};
  EXPECT_NE(text(make(echo_end)->user("a", true)).find("repeats earlier turns"), std::string::npos);
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
  EXPECT_EQ(render("{{ 'größe'.count('') }} {{ 'banana'.count('an') }} {{ ''.count('a') }}"), "6 2 0");
  EXPECT_EQ(render("{{ messages[::-1][0].role }} {{ 'sys' in 'system' }} {{ none }}"), "assistant True None");
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

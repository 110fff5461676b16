// Chat templates that mean harm or nothing: one clear error, within bounds.
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "llm/chat_template.h"
#include "llm_text/chat_templates.h"
#include "support/mutate.h"

namespace hearth::llm {
namespace {

using Messages = std::vector<ChatMessage>;

std::string error(const char* source) {
  auto made = ChatTemplate::create(source, "<s>", "</s>");
  if (!made) return made.error().message;
  const Messages hello{{"user", "hello"}};
  auto rendered = (*made)->render(hello, true);
  return rendered ? "no error: " + *rendered : rendered.error().message;
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

// The most memory that this process has held, in MB.
long peak_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6)) >> 10;
  }
  return -1;
}

TEST(ChatTemplate, WhatGrowsWithoutEndMeetsTheLimitOfMemory) {
  const char* const growing[] = {
      // Forty doublings would be terabytes.
      "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
      "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set t %}{{ ns.x }}{{ ns.x }}{% endset %}"
      "{% set ns.x = t %}{% endfor %}",
      "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}",
      "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] | join(ns.x) %}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = (ns.x + ns.x) | list %}{% endfor %}",
      "{% macro f(n, x) %}{% if n %}{{ f(n - 1, x + x) }}{% endif %}{% endmacro %}{{ f(40, 'ab') }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(9000) %}{% set ns.x = ns.x + [('x' ~ i) * 1000000] %}{% endfor "
      "%}",
      "{% set x = ([1] * 1000000000000) | list %}",
      "{{ ['x' * 90000000, 'y' * 90000000, 'z' * 90000000] | length }}",
  };
  for (const char* source : growing) {
    EXPECT_EQ(error(source).substr(0, 39), "[chat template] memory; got more than 2") << source << "\n"
                                                                                      << error(source);
  }
  EXPECT_LT(peak_mb(), 1200);
}

TEST(ChatTemplate, WhatNeverEndsMeetsTheLimitOfTime) {
  EXPECT_EQ(error("{{ 2 in [1] * 1000000000000000 }}"),
            "[chat template] processor time; got more than 2000 ms, need at most that");
  EXPECT_EQ(error("{{ 'a' in range(10000) * 1000000000000 }}"),
            "[chat template] processor time; got more than 2000 ms, need at most that");
}

TEST(ChatTemplate, LongConversationsAreNotRefused) {
  const auto made = ChatTemplate::create(kChatMl, "<s>", "</s>");
  ASSERT_TRUE(made) << made.error().message;
  Messages messages;
  for (int i = 0; i < 400; ++i) messages.push_back({i % 2 ? "assistant" : "user", std::string(50'000, 'x')});
  const auto text = (*made)->render(messages, true);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_GT(text->size(), 20'000'000u);
}

TEST(ChatTemplate, DamagedTemplatesAreErrorsOrWork) {
  static constexpr std::string_view kWords[] = {"{{",
                                                "}}",
                                                "{%",
                                                "%}",
                                                "{#",
                                                "#}",
                                                "-%}",
                                                "{%-",
                                                "'",
                                                "\"",
                                                "(",
                                                ")",
                                                "[",
                                                "]",
                                                "{",
                                                "}",
                                                "|",
                                                ".",
                                                ",",
                                                ":",
                                                " + ",
                                                " - ",
                                                " * ",
                                                " ~ ",
                                                " ** 99",
                                                " // 0",
                                                " % 0",
                                                " * 1000000",
                                                " in ",
                                                " is ",
                                                " not ",
                                                " and ",
                                                " if ",
                                                " else ",
                                                " == ",
                                                "[1:]",
                                                "[::-1]",
                                                "[-9223372036854775808:]",
                                                "[::0]",
                                                "99999999999999999999",
                                                "1e999",
                                                "none",
                                                "messages",
                                                "content",
                                                "loop.index0",
                                                "loop.previtem",
                                                "loop(m)",
                                                "self",
                                                "super()",
                                                "caller()",
                                                "varargs",
                                                "namespace(a=1)",
                                                "range(1000000)",
                                                "range(-1)",
                                                "dict(a=1)",
                                                "cycler(1, 2)",
                                                "joiner()",
                                                "raise_exception('')",
                                                "strftime_now('%Y')",
                                                "{% if x %}",
                                                "{% elif x %}",
                                                "{% else %}",
                                                "{% endif %}",
                                                "{% for m in messages %}",
                                                "{% for a, b in {}.items() %}",
                                                "{% for m in m recursive %}",
                                                "{% endfor %}",
                                                "{% set x = ",
                                                "{% set x %}",
                                                "{% endset %}",
                                                "{% set ns.x = ",
                                                "{% macro f(a, b=1) %}",
                                                "{% endmacro %}",
                                                "{{ f(1) }}",
                                                "{% call f() %}",
                                                "{% endcall %}",
                                                "{% with x = 1 %}",
                                                "{% endwith %}",
                                                "{% filter upper %}",
                                                "{% endfilter %}",
                                                "{% raw %}",
                                                "{% endraw %}",
                                                "{% block a %}",
                                                "{% endblock %}",
                                                "{% extends 'chat' %}",
                                                "{% include 'chat' %}",
                                                "{% import 'chat' as c %}",
                                                "{% from 'chat' import f %}",
                                                "{% autoescape true %}",
                                                "{% break %}",
                                                "{% do x %}",
                                                "{%- generation -%}",
                                                "{%- endgeneration -%}",
                                                "| tojson",
                                                "| tojson(indent=999999999)",
                                                "| trim",
                                                "| list",
                                                "| length",
                                                "| indent(99999999)",
                                                "| join(', ')",
                                                "| replace('a', 'bb')",
                                                "| batch(2)",
                                                "| slice(0)",
                                                "| format(1)",
                                                "| sort",
                                                "| unique",
                                                "| groupby('role')",
                                                "| map(attribute='a')",
                                                "| select('x')",
                                                "| string",
                                                "| float",
                                                "| int",
                                                "| round(400)",
                                                "| default(1)",
                                                "| items",
                                                "| dictsort",
                                                "| reverse",
                                                "| first",
                                                "| last",
                                                "| urlencode",
                                                "| escape",
                                                "| safe",
                                                "| attr('a')",
                                                "| pprint",
                                                "| sum",
                                                "| min",
                                                "| tojson(separators=('', ''))",
                                                ".split('')",
                                                ".strip()",
                                                ".format(1)",
                                                ".items()",
                                                ".get('a')",
                                                ".count('')",
                                                ".replace('', 'x')",
                                                ".title()",
                                                ".zfill(99999999)",
                                                ".splitlines()",
                                                "\xff",
                                                "\xe2\x82",
                                                "\xf0\x9f\x99\x82",
                                                std::string_view("\0", 1)};
  const Messages messages{{"system", "Be kind."}, {"user", "a {{ b }}"}, {"assistant", "ho\n"}, {"user", "größe"}};
  std::mt19937 random(11);
  int made = 0, rendered = 0, in_pieces = 0;
  const auto form = [](const Error& error, const std::string& source) {
    EXPECT_TRUE(error.message.starts_with("[chat template] ")) << error.message << "\n" << source;
    EXPECT_LT(error.message.size(), 2100u) << source;
  };
  for (int i = 0; i < 4000; ++i) {
    const Family& family = kFamilies[size_t(i) % std::size(kFamilies)];
    const std::string source = mutate(family.source, kWords, random);
    const auto compiled = ChatTemplate::create(source, family.bos, family.eos);
    if (!compiled) {
      form(compiled.error(), source);
      continue;
    }
    ++made;
    const auto whole = (*compiled)->render(messages, true, i % 2 ? R"([{"name":"f","parameters":{}}])" : "");
    if (!whole) form(whole.error(), source);
    rendered += bool(whole);
    const Result<std::string> pieces[] = {(*compiled)->system("Be kind."), (*compiled)->user("hi", true),
                                          (*compiled)->user("hi", false), (*compiled)->assistant("ho")};
    for (const auto& piece : pieces) {
      if (!piece) form(piece.error(), source);
    }
    in_pieces += bool(pieces[1]);
  }
  EXPECT_GT(made, 1000) << "damage that nothing survives tests too little";
  EXPECT_GT(rendered, 500);
  EXPECT_GT(in_pieces, 500);
}

}  // namespace
}  // namespace hearth::llm

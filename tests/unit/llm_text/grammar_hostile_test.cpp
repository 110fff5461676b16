// Grammars that mean harm or nothing: an error that says what is wrong, or a matcher that keeps its promises.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>

#include "llm/grammar.h"
#include "llm_text/vocabularies.h"
#include "support/mutate.h"

namespace hearth::llm {
namespace {

using Made = Result<std::shared_ptr<const Grammar>>;

std::shared_ptr<const Tokenizer> tokenizer() {
  static const std::shared_ptr<const Tokenizer> made = Tokenizer::create(byte_vocabulary()).value();
  return made;
}

std::string error(const Made& made) {
  if (!made) return made.error().message;
  auto matcher = Matcher::create(*made, tokenizer());
  return matcher ? "no error" : matcher.error().message;
}

TEST(Grammar, HostileGrammarsAreErrors) {
  std::string deep_schema;
  for (int i = 0; i < 5000; ++i) deep_schema += R"({"type":"array","items":)";
  const Made hostile[] = {
      Grammar::from_json_schema(""),
      Grammar::from_json_schema("{"),
      Grammar::from_json_schema("[1]"),
      Grammar::from_json_schema("\xff\xfe"),
      Grammar::from_json_schema(R"({"$ref":"http://example.com/x"})"),
      Grammar::from_json_schema(R"({"allOf":[{"type":"string"},{"type":"number"}]})"),
      Grammar::from_json_schema(deep_schema),
      Grammar::from_json_schema(std::string(2 << 20, ' ')),
      Grammar::from_regex("("),
      Grammar::from_regex("(?=a)b"),
      Grammar::from_regex(std::string(60000, '(')),
      Grammar::from_ebnf("start: " + std::string(60000, '(')),
      Grammar::from_ebnf("%import nothing\n"),
      Grammar::from_ebnf(std::string("start: \"a\0b\"", 12)),
  };
  for (size_t i = 0; i < std::size(hostile); ++i) EXPECT_NE(error(hostile[i]), "no error") << i;
}

// Well-formed and large, deep or meaningless: an answer within the limits, whichever it is.
TEST(Grammar, LargeGrammarsEndInTime) {
  std::string chain = "start: a0\n", alternatives = "{\"enum\":[0", references;
  for (int i = 0; i < 998; ++i) chain += fmt::format("a{}: a{}\n", i, i + 1);
  for (int i = 1; i < 50000; ++i) alternatives += fmt::format(",\"v{}\"", i);
  references = R"({"$ref":"#/$defs/d0","$defs":{"e":{})";
  for (int i = 0; i < 5000; ++i) references += fmt::format(R"(,"d{}":{{"$ref":"#/$defs/d{}"}})", i, i + 1);
  const std::function<Made()> large[] = {
      [] { return Grammar::from_json_schema(R"({"$ref":"#"})"); },
      [] { return Grammar::from_json_schema(R"({"type":"array","minItems":1000000000})"); },
      [] { return Grammar::from_json_schema(R"({"type":"string","minLength":1000000000})"); },
      [] { return Grammar::from_json_schema(R"({"type":"string","pattern":"(((a{1000}){1000}){1000}){1000}"})"); },
      [] { return Grammar::from_regex("(((a{1000}){1000}){1000}){1000}"); },
      [] { return Grammar::from_ebnf("start: start\n"); },
      [&] { return Grammar::from_ebnf(chain); },
      [&] { return Grammar::from_ebnf(chain + "a998: \"x\"\n"); },
      [&] { return Grammar::from_json_schema(references + "}}"); },
      [&] { return Grammar::from_json_schema(references + R"(,"d5000":{}}})"); },
      [&] { return Grammar::from_json_schema(alternatives + "]}"); },
      [] {
        return Grammar::from_ebnf("root ::= a a a a\na ::= b b b b\nb ::= c{9999}\nc ::= d{9999}\nd ::= \"x\"{9999}");
      },
  };
  for (size_t i = 0; i < std::size(large); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const Made grammar = large[i]();
    std::string outcome = grammar ? "made" : grammar.error().message;
    if (grammar) {
      const auto parse = Matcher::create(*grammar, tokenizer());
      if (!parse) outcome = parse.error().message;
      if (parse && !(*parse)->next_mask()) outcome = "no mask";
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EXPECT_LT(seconds, 10) << i << ": " << outcome.substr(0, 200);
    std::printf("%zu: %.2f s, %s\n", i, seconds, outcome.substr(0, 80).c_str());
  }
}

std::string chain(std::string_view defines, int rules) {
  std::string text = fmt::format("start{} a1\n", defines);
  for (int i = 1; i < rules; ++i) text += fmt::format("a{}{} a{}\n", i, defines, i + 1);
  return text;
}

TEST(Grammar, RulesAreLimitedInNumber) {
  for (const char* defines : {":", " ::="}) {
    const Made many = Grammar::from_ebnf(chain(defines, 3000));
    ASSERT_FALSE(many) << defines;
    EXPECT_EQ(many.error().kind, ErrorKind::Limit);
    EXPECT_TRUE(many.error().message.starts_with("[grammar] rules; got 300")) << many.error().message;
    EXPECT_TRUE(many.error().message.ends_with(", need at most 1000")) << many.error().message;
    EXPECT_EQ(error(Grammar::from_ebnf(chain(defines, 900) + "a900" + defines + " \"x\"\n")), "no error");
  }
  EXPECT_NE(error(Grammar::from_ebnf(chain(":", 1000))).find("unknown name: \"a1000\""), std::string::npos);
}

TEST(Grammar, QuantifiersInARowAreLimited) {
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= \"a\"" + std::string(60'000, '*'))),
            "[grammar] quantifiers in a row; need at most 4");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= \"a\"?*+{2}")), "no error");
}

struct Kind {
  const char* name;
  Made (*make)(std::string_view text);
  std::vector<std::string_view> seeds, words;
};
void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

const Kind kKinds[] = {
    {"JsonSchema",
     Grammar::from_json_schema,
     {R"({"type":"object","properties":{"a":{"type":"integer","minimum":1,"maximum":99},"b":{"enum":["x",null,1.5]}},)"
      R"("required":["a"],"additionalProperties":false})",
      R"({"type":"array","items":{"anyOf":[{"type":"string","pattern":"^[a-z]{1,5}$"},{"const":{"k":[true]}}]},)"
      R"("minItems":1,"maxItems":4})",
      R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},)"
      R"("when":{"type":"string","format":"date-time"}},"required":["next"]}}})",
      R"({"oneOf":[{"type":"number","multipleOf":0.5,"exclusiveMinimum":0},{"type":"string","minLength":2,)"
      R"("maxLength":8}],"x-guidance":{"whitespace_flexible":false}})",
      R"({"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"b":{"not":{"type":"null"}}}}],)"
      R"("patternProperties":{"^x-":{"type":"boolean"}},"prefixItems":[{"type":"null"}]})"},
     {"{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\"",
      "\\u0000",
      "\\ud800",
      "null",
      "true",
      "1e400",
      "-1",
      "18446744073709551616",
      "0.1",
      "\"type\":",
      "\"string\"",
      "\"object\"",
      "\"$ref\":\"#\"",
      "\"$ref\":\"#/properties/a\"",
      "\"pattern\":\"(?=a)\"",
      "\"pattern\":\"(a{1000}){1000}\"",
      "\"minLength\":1000000000",
      "\"minItems\":-5",
      "\"maximum\":1e300",
      "\"multipleOf\":0",
      "\"multipleOf\":1e-300",
      "\"format\":\"ipv6\"",
      "\"not\":{}",
      "\"allOf\":[{}]",
      "\"additionalProperties\":true",
      "\"enum\":[]",
      "\"unevaluatedProperties\":false",
      "\"$anchor\":\"a\"",
      "\"$id\":\"http://a/b\"",
      "\"if\":{}",
      "\"required\":[\"\"]",
      "\xff"}},
    {"Regex",
     Grammar::from_regex,
     {"[a-z]+@[a-z]+\\.(com|org)", "(?i:yes|no)(, (?:ab|cd){2,3})*", "\\d{4}-\\d\\d-\\d\\d|\\x41\\u{1F642}?",
      "[^\\s\\w]?.*\\p{Greek}+[[:alpha:]&&[^x]]", "a|b|(c(d(e(f)?)+)*){0,7}"},
     {"(",
      ")",
      "[",
      "]",
      "{",
      "}",
      "|",
      "*",
      "+",
      "?",
      "^",
      "$",
      ".",
      "\\",
      "\\b",
      "\\B",
      "\\1",
      "\\pL",
      "\\p{Any}",
      "\\x{110000}",
      "\\u{D800}",
      "(?=",
      "(?<!",
      "(?P<n>",
      "(?s)",
      "(?x)",
      "(?-u)",
      "{1000}",
      "{0}",
      "{5,2}",
      "{1000000000}",
      "(a{1000}){1000}",
      "[^\\x00-\\x{10FFFF}]",
      "[z-a]",
      "[[",
      "&&",
      "--",
      "~~",
      "\xff",
      "🙂",
      std::string_view("\0", 1)}},
    {"Ebnf",
     Grammar::from_ebnf,
     {"root ::= list\nlist ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\nvalue ::= list | [0-9]+ ws\nws ::= \" \"*",
      "root ::= \"\\\"\" ([^\"\\\\] | \"\\\\\" [\"\\\\nt])* \"\\\"\"", "<root> ::= <a-b> .\n<a-b> ::= 'q'{2,3};",
      "root ::= term ((\"+\" | \"-\") term)*\nterm ::= num | \"(\" root \")\"\nnum ::= [0-9]+ (\".\" [0-9]+)?",
      "root ::= \"\\u00e4\" | \"\\x41\" | [\\u4e00-\\u9fff]  # comment\n"},
     {"::=",
      "\n",
      "|",
      "(",
      ")",
      "[",
      "]",
      "{",
      "}",
      "*",
      "+",
      "?",
      "{2}",
      "{0,0}",
      "{,3}",
      "{99999}",
      "{100001}",
      "{18446744073709551617}",
      "\"",
      "'",
      "\\",
      "\\x",
      "\\uD800",
      "\\U00110000",
      "#",
      ";",
      "<",
      ">",
      ".",
      "^",
      "-",
      "root",
      "list",
      "value",
      "ws",
      "nowhere",
      "root ::= root",
      "a ::= a a | \"\"",
      "[^]",
      "[]",
      "[a-]",
      "[--z]",
      "\xff",
      "🙂",
      std::string_view("\0", 1)}},
    {"Lark",
     Grammar::from_ebnf,
     {"start: item (\",\" item)*\nitem: NAME | \"(\" start \")\"\nNAME: /[a-z]+/\n%ignore / +/\n",
      "start: \"a\"i b{2,3}\n?b: C | C \"d\"\nC: \"x\"..\"z\"\n",
      "start: %json {\"type\":\"integer\"} \"!\" /[0-9]{1,3}/\n",
      "start: head[capture,max_tokens=5] tail\nhead: /.*/\ntail[lazy]: /[^.]*\\./\n%llguidance {}\n",
      "start: %regex {\"substring_words\":\"the quick brown fox\"} | ~(A & B)\nA: /[a-m]+/\nB: /[g-z]+/\n"},
     {"start:",
      ":",
      "\n",
      "|",
      "(",
      ")",
      "[",
      "]",
      "{",
      "}",
      "*",
      "+",
      "?",
      "~",
      "&",
      "->",
      "..",
      "~2..5",
      "~99999999",
      "{2,3}",
      "{-1,2}",
      "{0}",
      "\"",
      "/",
      "/(/",
      "/a{1000}/",
      "/(?=a)/",
      "\"a\"i",
      "<|end|>",
      "<[0]>",
      "<[^*]>",
      "<[5-99999999]>",
      "<[-1]>",
      "@other",
      "%json {}",
      "%json {\"$ref\":\"#\"}",
      "%lark { start: \"a\" }",
      "%regex {\"substring_chars\":\"abc\"}",
      "%regex {}",
      "%import common.WORD",
      "%ignore /a*/",
      "%declare X",
      "%override",
      "%llguidance {\"no_forcing\":true}",
      "[stop=\"x\"]",
      "[suffix=/y/]",
      "[max_tokens=0]",
      "[temperature=nan]",
      "[lazy]",
      "[capture]",
      "::_",
      "::_set_bit(1)",
      "%if bit_set(63)",
      "x.1:",
      "X.-5:",
      "!x:",
      "_x:",
      "start",
      "item",
      "NAME",
      "#",
      "//",
      "\xff",
      "🙂",
      std::string_view("\0", 1)}},
};

class DamagedGrammars : public testing::TestWithParam<Kind> {};

TEST_P(DamagedGrammars, AreErrorsOrWork) {
  const Kind& kind = GetParam();
  std::mt19937 random(13);
  int made = 0, steps = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = mutate(std::string(kind.seeds[size_t(i) % kind.seeds.size()]), kind.words, random);
    SCOPED_TRACE(text.substr(0, 2000));
    const auto form = [](const Error& error) {
      EXPECT_TRUE(error.message.starts_with("[grammar] ")) << error.message;
      EXPECT_LT(error.message.size(), 2100u);
    };
    const Made grammar = kind.make(text);
    if (!grammar) {
      form(grammar.error());
      continue;
    }
    const auto matcher = Matcher::create(*grammar, tokenizer());
    if (!matcher) {
      form(matcher.error());
      continue;
    }
    ++made;
    // A walk over what the masks allow, and back.
    std::vector<std::vector<uint32_t>> masks;
    for (int step = 0; step < 6 && !(*matcher)->terminated(); ++step) {
      auto mask = (*matcher)->next_mask();
      if (!mask) {
        form(mask.error());
        break;
      }
      std::vector<uint32_t> choices;
      for (uint32_t id = 0; id < tokenizer()->vocab_size(); ++id) {
        if (mask->at(id / 32) >> (id % 32) & 1) choices.push_back(id);
      }
      if (choices.empty()) break;
      const uint32_t token = choices[random() % choices.size()];
      const auto accepted = (*matcher)->accept({{token}});
      ASSERT_TRUE(accepted) << "token " << token << " of the mask: " << accepted.error().message;
      masks.push_back(std::move(*mask));
      ++steps;
    }
    if (masks.empty()) continue;
    ASSERT_TRUE((*matcher)->rollback(masks.size()));
    EXPECT_EQ((*matcher)->next_mask().value(), masks[0]);
  }
  EXPECT_GT(made, 100) << "damage that nothing survives tests too little";
  EXPECT_GT(steps, 300);
}

INSTANTIATE_TEST_SUITE_P(All, DamagedGrammars, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace hearth::llm

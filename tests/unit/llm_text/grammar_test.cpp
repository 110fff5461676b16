// Grammars over a vocabulary of bytes and a few words: what may come next, and what a whole text must be.
#include "llm/grammar.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "llm_text/vocabularies.h"

namespace hearth::llm {
namespace {

using Shared = std::shared_ptr<const Grammar>;
using Made = Result<Shared>;

std::shared_ptr<const Tokenizer> tokenizer() {
  static const std::shared_ptr<const Tokenizer> made = Tokenizer::create(byte_vocabulary()).value();
  return made;
}

std::string error(const Made& made) {
  if (!made) return made.error().message;
  auto matcher = Matcher::create(*made, tokenizer());
  return matcher ? "no error" : matcher.error().message;
}

std::unique_ptr<Matcher> matcher(const Made& made) {
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  auto matcher = Matcher::create(made.value(), tokenizer());
  EXPECT_TRUE(matcher) << (matcher ? "" : matcher.error().message);
  return std::move(matcher).value();
}

bool allows(Matcher& matcher, uint32_t token) {
  const std::vector<uint32_t> mask = matcher.next_mask().value();
  return mask.at(token / 32) >> (token % 32) & 1;
}

// Is `text`, cut into tokens, a whole text of the grammar? Every token must be in the mask where it stands.
bool whole(const Made& made, std::string_view text) {
  const std::unique_ptr<Matcher> parse = matcher(made);
  for (uint32_t token : tokenizer()->encode(text, false)) {
    const bool allowed = allows(*parse, token);
    EXPECT_EQ(allowed, bool(parse->fork()->accept({{token}}))) << text << ": mask and accept differ at " << token;
    if (!allowed) return false;
    EXPECT_TRUE(parse->accept({{token}}));
  }
  return allows(*parse, kByteEnd);
}

std::string allowed_bytes(Matcher& matcher) {
  std::string out;
  for (uint32_t token = 0; token < 256; ++token) {
    if (allows(matcher, kFirstByte + token)) out += char(token);
  }
  return out;
}

TEST(Grammar, KindsAndTexts) {
  EXPECT_EQ(Grammar::json().value()->kind(), "json_schema");
  EXPECT_EQ(Grammar::from_regex("a+").value()->kind(), "regex");
  EXPECT_EQ(Grammar::from_regex("a+").value()->text(), "a+");
  EXPECT_EQ(Grammar::from_ebnf("start: \"x\"").value()->kind(), "lark");
  EXPECT_EQ(Grammar::from_ebnf("root ::= \"x\"").value()->kind(), "lark");
}

TEST(Grammar, RegexAllowsJustItsTexts) {
  const Made grammar = Grammar::from_regex("(ab|cd)*e{2,3}");
  EXPECT_TRUE(whole(grammar, "ee"));
  EXPECT_TRUE(whole(grammar, "abcdabeee"));
  EXPECT_FALSE(whole(grammar, "abe"));
  EXPECT_FALSE(whole(grammar, "eeee"));
  EXPECT_FALSE(whole(grammar, "ac"));
  const auto parse = matcher(grammar);
  EXPECT_EQ(allowed_bytes(*parse), "ace");
}

TEST(Grammar, JsonAllowsJson) {
  for (const char* text : {"{}", "[1,2.5e3,true,null]", "{\"a\": {\"b\": [\"ä\\n\"]}}", "\"größe\"", "-0.5"}) {
    EXPECT_TRUE(whole(Grammar::json(), text)) << text;
  }
  for (const char* text : {"{", "[1,]", "{a:1}", "'x'", "01", "nul"})
    EXPECT_FALSE(whole(Grammar::json(), text)) << text;
}

TEST(Grammar, JsonSchemaHoldsNamesTypesAndRanges) {
  const Made grammar = Grammar::from_json_schema(R"({"type":"object","properties":{
      "name":{"type":"string","maxLength":5},"age":{"type":"integer","minimum":0,"maximum":150},
      "kind":{"enum":["cat","dog"]}},"required":["name","age"],"additionalProperties":false})");
  EXPECT_TRUE(whole(grammar, R"({"name":"Ada","age":36})"));
  EXPECT_TRUE(whole(grammar, R"({"name":"Ada","age":36,"kind":"dog"})"));
  EXPECT_FALSE(whole(grammar, R"({"name":"Ada"})"));
  EXPECT_FALSE(whole(grammar, R"({"name":"Ada","age":151})"));
  EXPECT_FALSE(whole(grammar, R"({"name":"Augusta","age":36})"));
  EXPECT_FALSE(whole(grammar, R"({"name":"Ada","age":36,"kind":"cow"})"));
}

TEST(Grammar, LarkRecursion) {
  const Made grammar =
      Grammar::from_ebnf("start: expr\nexpr: NUMBER | \"(\" expr (\"+\" expr)* \")\"\nNUMBER: /[0-9]+/\n");
  EXPECT_TRUE(whole(grammar, "(1+(22+3)+4)"));
  EXPECT_FALSE(whole(grammar, "(1+(22+3+4)"));
}

TEST(Grammar, SpecialTokensByName) {
  const Made grammar = Grammar::from_ebnf("start: \"hi\" <|tool|> \"x\"\n");
  const auto parse = matcher(grammar);
  ASSERT_TRUE(parse->accept(tokenizer()->encode("hi", false)));
  EXPECT_TRUE(allows(*parse, kByteTool));
  EXPECT_FALSE(allows(*parse, kFirstByte + '<'));  // the text of a special token is not the token
  EXPECT_TRUE(parse->accept({{kByteTool}}));
  EXPECT_EQ(error(Grammar::from_ebnf("start: <|nothing|>\n")).find("no error"), std::string::npos);
}

struct Ebnf {
  const char* grammar;
  std::vector<const char*> in, out;
};

TEST(Grammar, EbnfForms) {
  const Ebnf cases[] = {
      {"root ::= \"yes\" | 'no'", {"yes", "no"}, {"ye", "maybe"}},
      {"root ::= [a-c]+ [^a-c]", {"ax", "abc/"}, {"x", "ab"}},
      {"root ::= \"a\"{2} \"b\"{1,} \"c\"{0,2}", {"aab", "aabbbcc"}, {"ab", "aaccb", "aabccc"}},
      {"item ::= digit digit?  # a comment\ndigit ::= [0-9];", {"7", "42"}, {"", "123", "x"}},
      {"root ::= ws \"x\" ws\nws ::= [ \\t\\n]*", {"x", "  x\n"}, {" ", "xx"}},
      {"root ::= \"\\\"\" ([^\"\\\\] | \"\\\\\" [\"\\\\nt])* \"\\\"\"", {"\"a\\n\"", "\"\""}, {"\"a\\q\"", "\""}},
      {"root ::= \"\\u00e4\" | \"\\x41\" | [\\u4e00-\\u9fff]", {"ä", "A", "中"}, {"a", "B"}},
      {"<root> ::= <a-b> .\n<a-b> ::= \"q\"", {"qx", "q\n"}, {"q", "x"}},
      {"root ::= (\"a\" |)\n  \"b\"", {"ab", "b"}, {"a", ""}},
      // Recursive: lists with blanks that may be nothing.
      {"root ::= list\nlist ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\nvalue ::= list | [0-9]+ ws\nws ::= \" "
       "\"*",
       {"[]", "[ ]", "[1, [2,3 ] ,4]", "[[[]]] "},
       {"[", "[1,]", "[1 2]", "[]]"}},
      {"root ::= \"a\" root \"b\" | \"\"", {"", "ab", "aaabbb"}, {"aab", "ba"}},
      {"root ::= term ((\"+\" | \"-\") term)*\nterm ::= num | \"(\" root \")\"\nnum ::= [0-9]+ (\".\" [0-9]+)?",
       {"1", "1+2.5-(3+4)", "((1))"},
       {"1+", "(1", "1..2", "+1"}},
  };
  for (const Ebnf& one : cases) {
    const Made grammar = Grammar::from_ebnf(one.grammar);
    ASSERT_TRUE(grammar) << one.grammar << ": " << grammar.error().message;
    for (const char* text : one.in)
      EXPECT_TRUE(whole(grammar, text)) << one.grammar << "\n" << text << "\n" << (*grammar)->text();
    for (const char* text : one.out) EXPECT_FALSE(whole(grammar, text)) << one.grammar << "\n" << text;
  }
}

TEST(Grammar, EbnfErrorsSayWhereAndWhat) {
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= other")), "[grammar] rule \"other\" is used but not defined");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= \"a\"\nroot ::= \"b\"")), "[grammar] rule \"root\" is defined twice");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= \"a\"\n\nx ::= (\"b\" ")), "[grammar] line 3; got \"\", need )");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= \"abc")), "[grammar] a literal does not end");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= [abc")), "[grammar] a character class does not end");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= [z-a]")), "[grammar] line 1; got \"]\", need a range in order");
  EXPECT_EQ(error(Grammar::from_ebnf("root ::= \"a\"{5,2}")),
            "[grammar] repetition; got 5 to 2, need at most 100000 and in order");
  EXPECT_NE(error(Grammar::from_ebnf("root ::= " + std::string(5000, '('))).find("nested groups"), std::string::npos);
}

TEST(Matcher, AcceptIsAllOrNothing) {
  const auto parse = matcher(Grammar::from_regex("abcde"));
  const std::vector<uint32_t> good = {kFirstByte + 'a', kFirstByte + 'b'};
  const std::vector<uint32_t> bad = {kFirstByte + 'c', kFirstByte + 'x'};
  ASSERT_TRUE(parse->accept(good));
  const auto refused = parse->accept(bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            fmt::format("[grammar] token {} (number 1 of 2) does not fit the grammar here", kFirstByte + 'x'));
  EXPECT_EQ(allowed_bytes(*parse), "c");
  EXPECT_FALSE(parse->accept({{1u << 30}}));
  EXPECT_EQ(allowed_bytes(*parse), "c");
}

TEST(Matcher, TerminatesByItselfOrByAStopToken) {
  const auto fixed = matcher(Grammar::from_regex("ab"));
  EXPECT_FALSE(fixed->terminated());
  ASSERT_TRUE(fixed->accept(tokenizer()->encode("ab", false)));
  EXPECT_TRUE(fixed->terminated());
  EXPECT_TRUE(allows(*fixed, kByteEnd));
  EXPECT_EQ(allowed_bytes(*fixed), "");
  EXPECT_TRUE(fixed->accept({{kByteEnd}}));
  EXPECT_FALSE(fixed->accept({{kFirstByte + 'a'}}));

  const auto open = matcher(Grammar::from_regex("a+"));
  ASSERT_TRUE(open->accept(tokenizer()->encode("aa", false)));
  EXPECT_FALSE(open->terminated());
  EXPECT_TRUE(allows(*open, kByteEnd));
  ASSERT_TRUE(open->accept({{kByteEnd}}));
  EXPECT_TRUE(open->terminated());
}

TEST(Matcher, RollbackGoesBackOverTokensAndStops) {
  const auto parse = matcher(Grammar::from_regex("abc"));
  ASSERT_TRUE(parse->accept(tokenizer()->encode("abc", false)));
  ASSERT_TRUE(parse->accept({{kByteEnd}}));
  ASSERT_TRUE(parse->rollback(2));
  EXPECT_FALSE(parse->terminated());
  EXPECT_EQ(allowed_bytes(*parse), "c");
  EXPECT_FALSE(parse->rollback(50));
  parse->reset();
  EXPECT_EQ(allowed_bytes(*parse), "a");
}

TEST(Matcher, ForksAreIndependent) {
  const auto parse = matcher(Grammar::from_regex("a(b|c)d"));
  ASSERT_TRUE(parse->accept({{kFirstByte + 'a'}}));
  const auto fork = parse->fork();
  ASSERT_TRUE(fork->accept({{kFirstByte + 'c'}}));
  EXPECT_EQ(allowed_bytes(*parse), "bc");
  EXPECT_EQ(allowed_bytes(*fork), "d");
  fork->reset();
  EXPECT_EQ(allowed_bytes(*fork), "a");
}

TEST(Matcher, TokensOfSeveralBytesMustFitAsAWhole) {
  const auto parse = matcher(Grammar::from_regex("the ?[0-9]"));
  const uint32_t word = tokenizer()->encode("the", false).at(0);
  ASSERT_EQ(tokenizer()->token_bytes(word), "the");
  EXPECT_TRUE(allows(*parse, word));
  EXPECT_TRUE(allows(*parse, kFirstByte + 't'));
  EXPECT_FALSE(allows(*parse, tokenizer()->encode("then", false).at(0)));
}

TEST(Matcher, ForcedTokensAreWhatMustCome) {
  const auto parse = matcher(Grammar::from_regex("the (cat|cow)"));
  const std::vector<uint32_t> forced = parse->forced_tokens();
  ASSERT_FALSE(forced.empty());
  EXPECT_TRUE(std::string_view("the c").starts_with(tokenizer()->decode(forced).value()));
  EXPECT_TRUE(parse->accept(forced));
  EXPECT_TRUE(matcher(Grammar::from_regex("a|b"))->forced_tokens().empty());
}

TEST(Matcher, RandomWalksStayInsideTheGrammar) {
  const Made grammar = Grammar::from_json_schema(
      R"({"type":"array","maxItems":4,"items":{"type":"object","properties":{"a":{"type":"boolean"},
          "b":{"type":"string","maxLength":3}},"additionalProperties":false}})");
  std::mt19937 random(7);
  for (int walk = 0; walk < 20; ++walk) {
    const auto parse = matcher(grammar);
    for (int step = 0; step < 400 && !parse->terminated(); ++step) {
      const std::vector<uint32_t> mask = parse->next_mask().value();
      std::vector<uint32_t> choices;
      for (uint32_t id = 0; id < tokenizer()->vocab_size(); ++id) {
        if (mask.at(id / 32) >> (id % 32) & 1) choices.push_back(id);
      }
      ASSERT_FALSE(choices.empty());
      ASSERT_TRUE(parse->accept({{choices[random() % choices.size()]}}));
    }
    EXPECT_TRUE(parse->terminated());
  }
}

TEST(Grammar, ThreadsShareOneTree) {
  const auto fresh = Tokenizer::create(byte_vocabulary()).value();
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      auto parse = Matcher::create(Grammar::json().value(), fresh).value();
      good[t] = bool(parse->accept(fresh->encode("{\"a\": [1]}", false)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 1));
  EXPECT_EQ(fresh->token_tree().value(), fresh->token_tree().value());
}

TEST(Grammar, AComplementTakesNoSpecialToken) {
  const auto parse = matcher(Grammar::from_ebnf("start: ~(A | B)\nA: /a+/\nB: /b+/\n"));
  EXPECT_FALSE(allows(*parse, kByteTool));
  EXPECT_FALSE(parse->accept({{kByteTool}}));
  EXPECT_TRUE(allows(*parse, kFirstByte + 'c'));
}

TEST(Grammar, TokenizerWithoutStopTokenIsAClearError) {
  TokenizerSource source = byte_vocabulary();
  source.eos.reset();
  source.tokens[kByteEnd] = "<|other|>";
  const auto made = Matcher::create(Grammar::json().value(), Tokenizer::create(source).value());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "[grammar] the tokenizer names no token that ends a text");
}

}  // namespace
}  // namespace hearth::llm

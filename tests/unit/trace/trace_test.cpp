#include "trace/trace.h"

#include <gtest/gtest.h>

#include <thread>

namespace hearth::trace {
namespace {

TEST(Trace, NothingHappensWithoutOne) {
  const Span span(nullptr, "nothing");
  counter(nullptr, "nothing", 1);
}

TEST(Trace, SpansAndCountersAreWrittenAsChromeEvents) {
  Trace trace;
  trace.name_thread("the \"engine\"\n");
  const auto begin = Trace::Clock::now();
  trace.span("plan", begin, begin + std::chrono::microseconds(1500));
  counter(&trace, "pages free", 42.5);
  const std::string json = trace.json();
  EXPECT_NE(json.find(R"("name":"thread_name","pid":1,"tid":1,"args":{"name":"the \"engine\"\u000a"})"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("ph":"X","name":"plan")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("dur":1500.000)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("ph":"C","name":"pages free")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"({"value":42.5})"), std::string::npos) << json;
}

TEST(Trace, KeepsTheNewestEventsInOrder) {
  Trace trace(3);
  for (const char* name : {"a", "b", "c", "d", "e"}) trace.counter(name, 0);
  EXPECT_EQ(trace.size(), 3u);
  EXPECT_EQ(trace.dropped(), 2u);
  const std::string json = trace.json();
  EXPECT_EQ(json.find("\"b\""), std::string::npos);
  EXPECT_LT(json.find("\"c\""), json.find("\"d\""));
  EXPECT_LT(json.find("\"d\""), json.find("\"e\""));
}

TEST(Trace, ThreadsGetTheirOwnNumbers) {
  Trace trace;
  {
    const Span span(&trace, "here");
  }
  std::thread([&] { const Span span(&trace, "there"); }).join();
  const std::string json = trace.json();
  EXPECT_NE(json.find(R"("name":"here","pid":1,"tid":1)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("name":"there","pid":1,"tid":2)"), std::string::npos) << json;
}

}  // namespace
}  // namespace hearth::trace

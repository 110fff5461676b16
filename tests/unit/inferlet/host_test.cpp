// Parts of the host that need no guest: marked text, mailboxes, topics.
#include <gtest/gtest.h>

#include "inferlet/host/mailbox.h"
#include "inferlet/host/messaging.h"
#include "inferlet/host/reply.h"

namespace hearth::inferlet {
namespace {

// `<` opened, `>` closed with the whole inside, plain text of the inside.
std::string push(MarkedText& text, std::string_view part) {
  std::string all;
  for (const auto& piece : text.push(part)) {
    all += piece.kind == MarkedText::Piece::Opened   ? "<"
           : piece.kind == MarkedText::Piece::Closed ? ">" + piece.text + ";"
                                                     : piece.text;
  }
  return all;
}

TEST(MarkedText, FindsPartsHoweverTheTextIsCut) {
  const std::string whole = "so <think>a < b</think> and <think></think> end";
  MarkedText once("<think>", "</think>");
  EXPECT_EQ(push(once, whole), "<a < b>a < b;<>;");
  MarkedText bytes("<think>", "</think>");
  std::string all;
  for (char c : whole) all += push(bytes, std::string_view(&c, 1));
  EXPECT_EQ(all, "<a < b>a < b;<>;");
}

TEST(MarkedText, HoldsBackWhatMayBeAMark) {
  MarkedText text("<think>", "</think>");
  EXPECT_EQ(push(text, "<thi"), "");
  EXPECT_EQ(push(text, "nk>x</th"), "<x");
  EXPECT_EQ(push(text, "ing"), "</thing");  // it was none
  EXPECT_TRUE(text.inside());
}

TEST(MarkedText, ACloseWithoutAnOpenClosesWhatCameBefore) {
  MarkedText text("<think>", "</think>");
  EXPECT_EQ(push(text, "hidden thought</think>answer"), ">hidden thought;");
  EXPECT_FALSE(text.inside());
}

TEST(Mailbox, TextsAndReadersMeetInOrder) {
  Mailbox box;
  auto first = box.take();
  auto second = box.take();
  EXPECT_FALSE(box.read(*first));
  box.put("a");
  box.put("b");
  box.put("c");
  EXPECT_EQ(box.bytes(), 1u);  // only c is nobody's
  EXPECT_EQ(box.read(*second), "b");
  box.abandon(first);  // unread: a comes before c again
  EXPECT_EQ(box.read(*box.take()), "a");
  EXPECT_EQ(box.read(*second), "b");  // a future keeps its value
  box.abandon(second);                // read: gone
  EXPECT_EQ(box.read(*box.take()), "c");
  auto waiting = box.take();
  box.abandon(waiting);
  EXPECT_TRUE(box.idle());
}

TEST(Messaging, TopicsBelongToOneUser) {
  Messaging messaging;
  ASSERT_TRUE(messaging.push("anna", "t", "hers"));
  auto his = (*messaging.queue("bob", "t"))->take();
  auto hers = (*messaging.queue("anna", "t"))->take();
  EXPECT_TRUE(hers->text);
  EXPECT_FALSE(his->text);
  auto subscriber = *messaging.subscribe("bob", "t");
  messaging.broadcast("anna", "t", "x");
  EXPECT_FALSE(subscriber->next());
  messaging.broadcast("bob", "t", "y");
  EXPECT_EQ(subscriber->next(), "y");
}

TEST(Messaging, AQueueNobodyPullsIsBounded) {
  Messaging messaging;
  const std::string half(kMaxTopicBytes / 2, 'x');
  EXPECT_TRUE(messaging.push("anna", "t", half));
  EXPECT_TRUE(messaging.push("anna", "t", half));
  auto more = messaging.push("anna", "t", "x");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind, ErrorKind::Limit);
  auto subscriber = *messaging.subscribe("anna", "news");
  for (size_t i = 0; i < kMaxSubscriptionMessages + 2; ++i) messaging.broadcast("anna", "news", std::to_string(i));
  EXPECT_EQ(subscriber->next(), "2");  // the oldest are lost
}

}  // namespace
}  // namespace hearth::inferlet

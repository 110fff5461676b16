#include "net/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "net/download.h"
#include "support/temporary_folder.h"

namespace hearth::net {
namespace {

// Answers each connection with the next of some canned texts, then closes it; keeps what was asked.
class CannedServer {
 public:
  explicit CannedServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url(std::string_view path = "/") const { return fmt::format("http://127.0.0.1:{}{}", port_, path); }
  // After the answers are used up.
  const std::vector<std::string>& asked() const { return asked_; }

 private:
  void serve() {
    for (const auto& answer : answers_) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      std::string request;
      char block[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::read(connection, block, sizeof block);
        if (n <= 0) break;
        request.append(block, static_cast<size_t>(n));
      }
      asked_.push_back(request);
      for (size_t sent = 0; sent < answer.size();) {
        const ssize_t n = ::send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<size_t>(n);
      }
      ::shutdown(connection, SHUT_RDWR);
      ::close(connection);
    }
  }
  std::vector<std::string> answers_, asked_;
  int listener_ = -1, port_ = 0;
  std::thread thread_;
};

std::string answer(std::string_view status, std::string_view body, std::string_view headers = "") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers, body);
}

HttpOptions quick() {
  return {.attempts = 3, .first_pause = std::chrono::milliseconds(1)};
}

TEST(HttpClient, GivesStatusHeadersAndBody) {
  CannedServer server({answer("404 Not Found", "no", "X-Thing:  a b \r\n")});
  HttpClient client(quick());
  const auto response = client.get({.url = server.url()}, {}).value();
  EXPECT_EQ(response.head.status, 404);
  EXPECT_EQ(response.head.last("x-thing"), "a b");
  EXPECT_EQ(response.body, "") << "bodies of failures are dropped";
}

TEST(HttpClient, TriesAgainWhatMayPass) {
  CannedServer server(
      {answer("503 Busy", ""), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", answer("200 OK", "done")});
  HttpClient client(quick());
  // The broken second attempt leaves its bytes to nobody.
  const auto response = client.get({.url = server.url()}, {}).value();
  EXPECT_EQ(response.body, "done");
}

TEST(HttpClient, GivesUpAfterItsAttempts) {
  CannedServer server({answer("503 Busy", ""), answer("503 Busy", ""), answer("503 Busy", "")});
  HttpClient client(quick());
  EXPECT_EQ(client.get({.url = server.url()}, {}).value().head.status, 503);
}

TEST(HttpClient, TokenStaysWithTheHostThatWasAsked) {
  CannedServer other({answer("200 OK", "moved")});
  CannedServer server({fmt::format(
      "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nX-Linked-Etag: e\r\nLocation: {}\r\n\r\n", other.url("/there"))});
  HttpClient client(quick());
  const auto response = client.get({.url = server.url(), .bearer_token = "secret"}, {}).value();
  EXPECT_EQ(response.body, "moved");
  EXPECT_EQ(response.head.first("x-linked-etag"), "e");
  EXPECT_EQ(response.head.last("x-linked-etag"), std::nullopt);
  EXPECT_NE(server.asked()[0].find("Authorization: Bearer secret"), std::string::npos);
  EXPECT_EQ(other.asked()[0].find("secret"), std::string::npos);
}

TEST(HttpClient, OtherSchemesAreRefused) {
  HttpClient client(quick());
  EXPECT_FALSE(client.get({.url = "file:///etc/passwd"}, {}));
  CannedServer server({"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: file:///etc/passwd\r\n\r\n"});
  EXPECT_FALSE(client.get({.url = server.url()}, {}));
}

TEST(HttpClient, RedirectsForeverEnd) {
  std::vector<std::string> answers(kRedirectLimit + 1,
                                   "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /again\r\n\r\n");
  CannedServer server(std::move(answers));
  HttpClient client({.attempts = 1});
  const auto response = client.get({.url = server.url()}, {});
  ASSERT_FALSE(response);
  EXPECT_NE(response.error().message.find("redirects"), std::string::npos) << response.error().message;
}

TEST(HttpClient, LargeAnswersAreRefused) {
  CannedServer server({answer("200 OK", std::string(1000, 'x'))});
  HttpClient client(quick());
  EXPECT_EQ(client.get({.url = server.url(), .body_limit = 999}, {}).error().kind, ErrorKind::Limit);
}

TEST(HttpClient, StopEndsTheWait) {
  CannedServer server({});  // accepts nobody, so the answer never comes
  HttpClient client(quick());
  std::stop_source source;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request_stop();
  });
  EXPECT_EQ(client.get({.url = server.url()}, source.get_token()).error().kind, ErrorKind::Cancelled);
}

TEST(HttpClient, StallingServersAreLeft) {
  CannedServer server({});
  HttpClient client({.stall_timeout = std::chrono::seconds(1), .attempts = 1});
  const auto response = client.get({.url = server.url()}, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::Io);
}

TEST(Download, AWrongContentRangeIsNotWritten) {
  const TemporaryFolder folder;
  const auto part = folder / "a.part";
  ASSERT_TRUE(write_file(part, "0123"));
  CannedServer server({answer("206 Partial Content", "89", "Content-Range: bytes 8-9/10\r\n")});
  HttpClient client(quick());
  EXPECT_EQ(download(client, {.url = server.url(), .part = part, .size = 10}, {}).error().kind, ErrorKind::Invalid);
  EXPECT_EQ(read_file(part).value(), "0123");
}

TEST(Download, MoreThanAnnouncedIsRefused) {
  const TemporaryFolder folder;
  const auto part = folder / "a.part";
  CannedServer server({answer("200 OK", "0123456789")});
  HttpClient client(quick());
  EXPECT_EQ(download(client, {.url = server.url(), .part = part, .size = 5}, {}).error().kind, ErrorKind::Invalid);
}

TEST(PrintableUrl, HidesWhatMayBeSecret) {
  EXPECT_EQ(printable_url("https://user:pw@host:1/a/b?sig=1#x"), "https://host:1/a/b");
  EXPECT_EQ(printable_url("https://host?sig=1"), "https://host");
}

TEST(EncodePath, KeepsSlashesAndEncodesTheRest) {
  EXPECT_EQ(encode_path("a/b c%?#é"), "a/b%20c%25%3F%23%C3%A9");
}

}  // namespace
}  // namespace hearth::net

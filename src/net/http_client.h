// HTTP and HTTPS requests to other machines. Certificates are checked, always; proxies come from the usual variables
// (https_proxy, no_proxy, …), the certificate store from CURL_CA_BUNDLE, SSL_CERT_FILE or PIP_CERT. Redirects are
// followed, at most kRedirectLimit, never from https to http; a bearer token goes to the host that was asked and to no
// other. One HttpClient is used by one thread at a time; it keeps connections open between requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hearth::net {

inline constexpr long kRedirectLimit = 10;
inline constexpr size_t kHeaderBytesLimit = 64 << 10;

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{15000};
  std::chrono::seconds stall_timeout{30};      // no byte for this long: the attempt failed
  int attempts = 5;                            // of requests that fail in a way that may pass; 3 when nobody answers
  std::chrono::milliseconds first_pause{300};  // doubled after each attempt
};

struct HttpRequest {
  std::string url;
  std::string bearer_token;  // empty: none
  std::vector<std::pair<std::string, std::string>> headers;
  size_t body_limit = size_t{64} << 20;  // of get()
};

// Status, and the headers of every hop by lower-case name.
struct HttpHead {
  long status = 0;
  std::vector<std::vector<std::pair<std::string, std::string>>> hops;
  // Of the first hop that has it: what the asked host says goes before what the host says that it redirects to.
  std::optional<std::string> first(std::string_view name) const;
  std::optional<std::string> last(std::string_view name) const;  // of the final response only
};
struct HttpResponse {
  HttpHead head;
  std::string body;
};

// Gets the body of a final response with status 2xx piece by piece. An error ends the transfer and is returned as it
// is.
using BodySink = std::function<Result<>(const HttpHead& head, std::span<const std::byte> bytes)>;

// Why a transfer ended without its whole body.
struct TransferError {
  Error error;
  bool transient = false;  // asking again may help
  bool no_answer = false;  // nobody was reached
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  const HttpOptions& options() const { return options_; }

  // Any final status is a response, except 408, 429 and 5xx, which are tried again first. Body in memory.
  Result<HttpResponse> get(const HttpRequest& request, std::stop_token stop);
  // One attempt. The body of a response with another status than 2xx is dropped.
  std::expected<HttpHead, TransferError> stream(const HttpRequest& request, const BodySink& sink, std::stop_token stop);

  // Waits before attempt number `attempt` + 1; Cancelled when asked to stop.
  Result<> pause(int attempt, std::stop_token stop) const;

 private:
  struct Handle;
  HttpOptions options_;
  std::unique_ptr<Handle> handle_;
};

bool transient_status(long status);
// Without user, password, query and fragment, which may hold secrets: for logs and errors.
std::string printable_url(std::string_view url);
// One segment or path of a URL with what needs it percent-encoded; '/' stays.
std::string encode_path(std::string_view path);

}  // namespace hearth::net

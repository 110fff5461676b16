#include "net/http_client.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>

#include "base/environment.h"
#include "base/log.h"
#include "net/curl_library.h"

namespace hearth::net {
namespace {

struct Transfer {
  const CurlLibrary& library;
  CURL* curl = nullptr;
  const BodySink* sink = nullptr;
  std::stop_token stop;
  HttpHead head;
  size_t header_bytes = 0;
  Result<> sink_result;
};

bool final_hop(const HttpHead& head) {
  return head.status >= 200 && head.status < 300;
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kHeaderBytesLimit * static_cast<size_t>(kRedirectLimit + 1)) return 0;
  if (line.starts_with("HTTP/")) {
    transfer.head.hops.emplace_back();
    transfer.library.easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &transfer.head.status);
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || transfer.head.hops.empty()) return line.size();
  std::string name(line.substr(0, colon));
  for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
    value.remove_suffix(1);
  transfer.head.hops.back().emplace_back(std::move(name), value);
  return line.size();
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  transfer.library.easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &transfer.head.status);
  if (!final_hop(transfer.head)) return bytes;
  transfer.sink_result = (*transfer.sink)(transfer.head, std::as_bytes(std::span(data, bytes)));
  return transfer.sink_result ? bytes : CURL_WRITEFUNC_ERROR;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(user)->stop.stop_requested() ? 1 : 0;
}

bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
      return true;
    default:
      return false;
  }
}

bool is_no_answer(CURLcode code) {
  return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT;
}

struct HeaderList {
  const CurlLibrary& library;
  curl_slist* list = nullptr;
  ~HeaderList() { library.slist_free_all(list); }
  void add(const std::string& line) { list = library.slist_append(list, line.c_str()); }
};

// Keeps SIGPIPE of a connection that the other side closed away from the process: TLS libraries write without
// MSG_NOSIGNAL.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    constexpr timespec kNow{};
    if (!was_pending_) ::sigtimedwait(&pipe_, nullptr, &kNow);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_, before_;
  bool was_pending_;
};

}  // namespace

struct HttpClient::Handle {
  const Result<CurlLibrary>& library = curl_library();
  CURL* curl = library ? library->easy_init() : nullptr;
  ~Handle() {
    if (curl != nullptr) library->easy_cleanup(curl);
  }
};

HttpClient::HttpClient(HttpOptions options) : options_(options), handle_(std::make_unique<Handle>()) {
  CHECK(handle_->curl != nullptr || !handle_->library);
}
HttpClient::~HttpClient() = default;

std::optional<std::string> HttpHead::first(std::string_view name) const {
  for (const auto& hop : hops)
    for (const auto& [key, value] : hop)
      if (key == name) return value;
  return std::nullopt;
}

std::optional<std::string> HttpHead::last(std::string_view name) const {
  if (hops.empty()) return std::nullopt;
  for (const auto& [key, value] : hops.back())
    if (key == name) return value;
  return std::nullopt;
}

std::expected<HttpHead, TransferError> HttpClient::stream(const HttpRequest& request, const BodySink& sink,
                                                          std::stop_token stop) {
  if (!handle_->library) return std::unexpected(TransferError{handle_->library.error()});
  const CurlLibrary& library = *handle_->library;
  CURL* curl = handle_->curl;
  library.easy_reset(curl);  // keeps the connections
  Transfer transfer{.library = library, .curl = curl, .sink = &sink, .stop = stop};
  HeaderList headers{library};
  for (const auto& [name, value] : request.headers) headers.add(name + ": " + value);
  // curl drops an Authorization header of ours when a redirect leads to another host, port or scheme.
  if (!request.bearer_token.empty()) headers.add("Authorization: Bearer " + request.bearer_token);
  char text[CURL_ERROR_SIZE] = "";
  library.easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
  library.easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  library.easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list);
  library.easy_setopt(curl, CURLOPT_USERAGENT, "hearth-pie/0.1");
  library.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  library.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  library.easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirectLimit);
  library.easy_setopt(curl, CURLOPT_UNRESTRICTED_AUTH, 0L);
  library.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  library.easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, request.url.starts_with("https:") ? "https" : "http,https");
  library.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  library.easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  library.easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.stall_timeout.count()));
  library.easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  library.easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  library.easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  library.easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  library.easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  library.easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  library.easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT"})
    if (const auto store = environment(variable)) {
      library.easy_setopt(curl, CURLOPT_CAINFO, store->c_str());
      break;
    }
  if (const auto folder = environment("SSL_CERT_DIR")) library.easy_setopt(curl, CURLOPT_CAPATH, folder->c_str());

  const std::string where = printable_url(request.url);
  log_debug("[http] get {}", where);
  const CURLcode code = [&] {
    const NoPipeSignal quiet;
    return library.easy_perform(curl);
  }();
  library.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.head.status);
  if (!transfer.sink_result) return std::unexpected(TransferError{transfer.sink_result.error()});
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return std::unexpected(TransferError{{ErrorKind::Cancelled, fmt::format("[http] {} was interrupted", where)}});
  if (code != CURLE_OK) {
    const char* reason = *text != '\0' ? text : library.easy_strerror(code);
    log_debug("[http] {}: {}", where, reason);
    return std::unexpected(TransferError{
        {ErrorKind::Io, fmt::format("[http] {}: {}", where, reason)}, is_transient(code), is_no_answer(code)});
  }
  log_debug("[http] {}: status {}", where, transfer.head.status);
  return std::move(transfer.head);
}

Result<HttpResponse> HttpClient::get(const HttpRequest& request, std::stop_token stop) {
  for (int attempt = 1;; ++attempt) {
    HttpResponse response;
    const auto head = stream(
        request,
        [&](const HttpHead&, std::span<const std::byte> bytes) -> Result<> {
          if (response.body.size() + bytes.size() > request.body_limit)
            return fail(ErrorKind::Limit, "[http] {}: the answer is larger than {} bytes", printable_url(request.url),
                        request.body_limit);
          response.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          return {};
        },
        stop);
    const int most = !head && head.error().no_answer ? std::min(3, options_.attempts) : options_.attempts;
    if (!head && (!head.error().transient || attempt >= most)) return std::unexpected(head.error().error);
    if (head && (!transient_status(head->status) || attempt >= most)) {
      response.head = *head;
      return response;
    }
    TRY(pause(attempt, stop));
  }
}

Result<> HttpClient::pause(int attempt, std::stop_token stop) const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, options_.first_pause * (1 << std::min(attempt - 1, 6)), [] { return false; });
  if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "[http] interrupted");
  return {};
}

bool transient_status(long status) {
  return status == 408 || status == 429 || (status >= 500 && status < 600);
}

std::string printable_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t host = scheme + 3, path = std::min(url.find('/', host), url.size());
  const size_t at = url.substr(host, path - host).rfind('@');
  std::string text(url.substr(0, host));
  text += url.substr(at == std::string_view::npos ? host : host + at + 1);
  return text;
}

std::string encode_path(std::string_view path) {
  std::string text;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::strchr("-._~/", c) != nullptr;
    if (plain && c != '\0')
      text += c;
    else
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

}  // namespace hearth::net

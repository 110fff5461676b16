// One file from the network to disk: resumed where an earlier attempt broke off, checked before it counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "net/http_client.h"

namespace hearth::net {

struct Download {
  std::string url;
  std::string bearer_token;
  // Grows here; what is in it already is the beginning of the same content (callers put the content's identity into the
  // name). It stays when the transfer breaks off, and is removed when its content turns out wrong.
  std::filesystem::path part;
  std::optional<uint64_t> size;         // when known beforehand
  std::optional<std::string> sha256;    // lower-case hex; else the host's (linked) etag when that is a SHA-256
  std::optional<std::string> git_sha1;  // git object name of the content
  std::function<void(uint64_t done)> progress;
};

struct Downloaded {
  uint64_t size = 0;
  std::string sha256;
  bool verified = false;  // against a digest that came from outside the content
};

// A status of 4xx is NotFound, else Io with the number in the text; wrong content is Invalid; no room is Limit.
Result<Downloaded> download(HttpClient& client, const Download& download, std::stop_token stop);

}  // namespace hearth::net

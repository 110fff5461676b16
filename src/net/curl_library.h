// libcurl, loaded when the first HttpClient is made: it brings thirty more libraries with it, which would cost every
// start of a program that downloads nothing several milliseconds.
#pragma once

#include <curl/curl.h>

#include "base/result.h"

namespace hearth::net {

struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

// Stays loaded. NotFound where the machine lacks it. Any thread.
const Result<CurlLibrary>& curl_library();

}  // namespace hearth::net

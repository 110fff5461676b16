#include "net/curl_library.h"

#include <dlfcn.h>

#include <type_traits>

namespace hearth::net {
namespace {

constexpr const char* kFile = "libcurl.so.4";  // the version in the name is that of the header's interface

Result<CurlLibrary> load() {
  void* handle = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return fail(ErrorKind::NotFound, "[http] library for downloads; got {}", ::dlerror());
  CurlLibrary library{};
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
    if (function == nullptr) missing = name;
  };
  find(library.easy_init, "curl_easy_init");
  find(library.easy_cleanup, "curl_easy_cleanup");
  find(library.easy_reset, "curl_easy_reset");
  find(library.easy_setopt, "curl_easy_setopt");
  find(library.easy_getinfo, "curl_easy_getinfo");
  find(library.easy_perform, "curl_easy_perform");
  find(library.easy_strerror, "curl_easy_strerror");
  find(library.slist_append, "curl_slist_append");
  find(library.slist_free_all, "curl_slist_free_all");
  if (missing != nullptr) return fail(ErrorKind::Unsupported, "[http] {}; got no {}", kFile, missing);
  return library;
}

}  // namespace

const Result<CurlLibrary>& curl_library() {
  static const Result<CurlLibrary> library = load();
  return library;
}

}  // namespace hearth::net

#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/environment.h"

extern char** environ;

namespace hearth {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  bool open() { return ::pipe2(ends.data(), O_CLOEXEC) == 0; }
  void close_end(size_t i) {
    if (ends[i] >= 0) ::close(std::exchange(ends[i], -1));
  }
};

struct SpawnSettings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    // Signals that we block for our own handling must reach the program.
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::sigdelset(&all, SIGKILL);
    ::sigdelset(&all, SIGSTOP);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool replaced = std::any_of(added.begin(), added.end(), [&](const auto& pair) {
      return text.size() > pair.first.size() && text.starts_with(pair.first) && text[pair.first.size()] == '=';
    });
    if (!replaced) result.emplace_back(text);
  }
  for (const auto& [name, value] : added) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Reads both outputs until they close. Returns why the wait ended early, if it did.
Result<> collect(const Command& command, std::stop_token stop, Pipe& out, Pipe& err, CommandExit& result) {
  const auto end = Clock::now() + command.timeout;
  std::array<pollfd, 2> watched{pollfd{out.ends[0], POLLIN, 0}, pollfd{err.ends[0], POLLIN, 0}};
  std::array<std::string*, 2> texts{&result.output, &result.errors};
  std::array<char, 1 << 14> block;
  while (watched[0].fd >= 0 || watched[1].fd >= 0) {
    if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "[process] {} was interrupted", command.argv[0]);
    if (command.timeout.count() > 0 && Clock::now() > end)
      return fail(ErrorKind::Limit, "[process] {} ran longer than {} ms", command.argv[0], command.timeout.count());
    if (::poll(watched.data(), watched.size(), 50) < 0 && errno != EINTR)
      return fail(ErrorKind::Io, "[process] wait for {}: {}", command.argv[0], std::strerror(errno));
    for (size_t i = 0; i < 2; ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      const ssize_t n = ::read(watched[i].fd, block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        watched[i].fd = -1;
        continue;
      }
      const size_t room = command.output_limit - std::min(command.output_limit, texts[i]->size());
      texts[i]->append(block.data(), std::min(room, static_cast<size_t>(n)));
    }
  }
  return {};
}

}  // namespace

Result<CommandExit> run_command(const Command& command, std::stop_token stop) {
  CHECK(!command.argv.empty());
  Pipe out, err;
  if (!out.open() || !err.open()) return fail(ErrorKind::Io, "[process] pipe: {}", std::strerror(errno));
  SpawnSettings settings;
  ::posix_spawn_file_actions_addopen(&settings.actions, 0, "/dev/null", O_RDONLY, 0);
  if (command.to_stderr) {
    ::posix_spawn_file_actions_adddup2(&settings.actions, 2, 1);
  } else {
    ::posix_spawn_file_actions_adddup2(&settings.actions, out.ends[1], 1);
    ::posix_spawn_file_actions_adddup2(&settings.actions, err.ends[1], 2);
  }
  if (!command.directory.empty()) ::posix_spawn_file_actions_addchdir_np(&settings.actions, command.directory.c_str());
  auto argv = command.argv;
  auto variables = merged_environment(command.environment);
  pid_t child = -1;
  const int code = ::posix_spawnp(&child, argv[0].c_str(), &settings.actions, &settings.attributes,
                                  pointers(argv).data(), pointers(variables).data());
  if (code != 0)
    return fail(code == ENOENT ? ErrorKind::NotFound : ErrorKind::Io, "[process] start {}: {}", argv[0],
                std::strerror(code));
  CommandExit result;
  Result<> ended;
  int status = 0;
  bool reaped = false;
  if (command.to_stderr) {
    const auto end = Clock::now() + command.timeout;
    while (!(reaped = ::waitpid(child, &status, WNOHANG) == child)) {
      if (stop.stop_requested()) {
        ended = fail(ErrorKind::Cancelled, "[process] {} was interrupted", argv[0]);
        break;
      }
      if (command.timeout.count() > 0 && Clock::now() > end) {
        ended = fail(ErrorKind::Limit, "[process] {} ran longer than {} ms", argv[0], command.timeout.count());
        break;
      }
      ::poll(nullptr, 0, 20);
    }
  } else {
    out.close_end(1);
    err.close_end(1);
    ended = collect(command, stop, out, err, result);
  }
  if (!ended) ::kill(-child, SIGKILL);
  while (!reaped && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  TRY(ended);
  result.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

std::filesystem::path find_program(std::string_view name) {
  const auto path = environment("PATH").value_or("/usr/bin:/bin");
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const auto candidate = std::filesystem::path(path.substr(begin, end - begin)) / name;
    std::error_code code;
    if (::access(candidate.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(candidate, code)) return candidate;
    begin = end + 1;
  }
  return {};
}

}  // namespace hearth

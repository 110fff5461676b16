#include "cli/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/quantity.h"

namespace hearth::cli {

ProgressBar::ProgressBar(std::string label, uint64_t total_bytes, uint64_t already, std::FILE* stream)
    : label_(std::move(label)),
      total_(total_bytes),
      already_(already),
      done_(already),
      stream_(stream),
      terminal_(Terminal::of(stream)) {
  if (total_ > 0) tenths_ = std::min(already_, total_) * 10 / total_;
  if (!terminal_.interactive) {
    fmt::print(stream_, "{}: {}{}\n", label_, total_ > 0 ? bytes_text(total_) : "size not known",
               already_ > 0 ? fmt::format(", {} already here", bytes_text(already_)) : "");
    std::fflush(stream_);
  }
}

ProgressBar::~ProgressBar() {
  if (open_line_) std::fputc('\n', stream_);
}

std::string ProgressBar::line(std::string_view label, uint64_t done, uint64_t total, uint64_t already, double seconds,
                              int columns) {
  const double fresh = static_cast<double>(done - std::min(done, already));
  const double rate = seconds > 0 ? fresh / seconds : 0;
  std::string figures = bytes_text(done);
  if (total > 0) figures += " of " + bytes_text(total);
  if (rate > 0) figures += fmt::format("  {}/s", bytes_text(static_cast<uint64_t>(rate)));
  if (rate > 0 && total > done) figures += "  " + duration_text(static_cast<double>(total - done) / rate) + " left";
  std::string text = fmt::format("{}  ", label);
  if (total > 0) {
    const uint64_t percent = std::min<uint64_t>(100, done * 100 / total);
    const int room = columns - 1 - static_cast<int>(text.size() + figures.size()) - 8;
    if (room >= 10) {
      const int width = std::min(room, 30);
      const int full = static_cast<int>(percent) * width / 100;
      text += "[" + std::string(static_cast<size_t>(full), '#') + std::string(static_cast<size_t>(width - full), '.') +
              "] ";
    }
    text += fmt::format("{:3}%  ", percent);
  }
  text += figures;
  if (static_cast<int>(text.size()) >= columns) text.resize(static_cast<size_t>(std::max(columns - 1, 1)));
  return text;
}

void ProgressBar::update(uint64_t done_bytes) {
  done_ = done_bytes;
  const auto now = Clock::now();
  if (terminal_.interactive) {
    if (now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    fmt::print(stream_, "\r{}\033[K", line(label_, done_, total_, already_, seconds(), terminal_.columns));
    std::fflush(stream_);
    open_line_ = true;
  } else if (total_ > 0) {
    const uint64_t tenths = std::min(done_, total_) * 10 / total_;
    if (tenths <= tenths_ || tenths == 10) return;
    tenths_ = tenths;
    fmt::print(stream_, "{}: {}%\n", label_, tenths * 10);
    std::fflush(stream_);
  }
}

void ProgressBar::finish() {
  const double passed = std::max(seconds(), 1e-3);
  const uint64_t fresh = done_ - std::min(done_, already_);
  fmt::print(stream_, "{}{}: {} in {} ({}/s){}\n", terminal_.interactive ? "\r" : "", label_, bytes_text(fresh),
             duration_text(passed), bytes_text(static_cast<uint64_t>(static_cast<double>(fresh) / passed)),
             terminal_.interactive ? "\033[K" : "");
  std::fflush(stream_);
  open_line_ = false;
}

}  // namespace hearth::cli

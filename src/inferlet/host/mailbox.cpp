#include "inferlet/host/mailbox.h"

#include <algorithm>
#include <utility>

namespace hearth::inferlet {

void Mailbox::put(std::string text) {
  std::lock_guard lock(mutex_);
  bytes_ += text.size();
  texts_.push_back(std::move(text));
  deliver();
}

void Mailbox::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  deliver();
}

std::shared_ptr<Mailbox::Letter> Mailbox::take() {
  auto letter = std::make_shared<Letter>();
  std::lock_guard lock(mutex_);
  readers_.push_back(letter);
  deliver();
  return letter;
}

std::optional<std::string> Mailbox::read(Letter& letter) {
  std::lock_guard lock(mutex_);
  letter.read = letter.read || letter.text.has_value();
  return letter.text;
}

void Mailbox::abandon(const std::shared_ptr<Letter>& letter) {
  std::lock_guard lock(mutex_);
  if (!letter->text) {
    std::erase(readers_, letter);
  } else if (!letter->read) {
    bytes_ += letter->text->size();
    texts_.push_front(std::move(*letter->text));
    deliver();
  }
}

size_t Mailbox::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

bool Mailbox::idle() const {
  std::lock_guard lock(mutex_);
  return texts_.empty() && readers_.empty();
}

void Mailbox::deliver() {
  while (!texts_.empty() && !readers_.empty()) {
    bytes_ -= texts_.front().size();
    readers_.front()->text = std::move(texts_.front());
    readers_.front()->ready.set();
    texts_.pop_front();
    readers_.pop_front();
  }
  if (!closed_) return;
  for (const auto& reader : readers_) reader->ready.set();
  readers_.clear();
}

}  // namespace hearth::inferlet

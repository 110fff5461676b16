// Inputs of a run from the words of a command line.
#pragma once

#include <string>
#include <vector>

#include "runtime/session.h"

namespace hearth::flame {

struct FeedWords {
  std::vector<std::string> inputs;  // NAME=FILE.npy, NAME=FILE.pb, NAME=random, NAME=zeros
  std::vector<std::string> shapes;  // NAME=1,3,224,224: sizes for what is generated
  int64_t open_size = 1;            // what a size that nobody gave becomes
  uint64_t seed = 0;
};

// Inputs that no word names are random: numbers from a normal distribution, integers 0 or 1, texts "".
Result<std::vector<runtime::Feed>> make_feeds(const runtime::Session& session, const FeedWords& words);

}  // namespace hearth::flame

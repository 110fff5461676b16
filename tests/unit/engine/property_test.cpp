// Many clients at random over few pages: whatever the order, every logit is what the definition says and every count
// adds up (the fixture checks all counts after every step).
#include <random>
#include <thread>

#include "engine_fixture.h"

namespace hearth::engine {
namespace {

// One client: a few contexts, each with the tokens it must have.
class Client {
 public:
  Client(Fixture& f, uint32_t seed) : f_(f), random_(seed), user_("user" + std::to_string(seed % 7)), seed_(seed) {}
  ~Client() {
    for (const auto& [id, tokens] : rows_) f_.engine->destroy(id);
  }

  void act() {
    if (rows_.empty() || (rows_.size() < 4 && random_() % 8 == 0)) {
      rows_.push_back({f_.engine->create(f_.id).value(), {}});
      return;
    }
    const size_t at = random_() % rows_.size();
    auto& [id, tokens] = rows_[at];
    switch (random_() % 12) {
      case 0: {
        const ContextId fork = f_.engine->fork(id).value();
        std::vector<uint32_t> copy = tokens;
        rows_.push_back({fork, std::move(copy)});
        break;
      }
      case 1: {
        const auto info = f_.engine->info(id).value();
        ASSERT_EQ(info.tokens, tokens.size());
        ASSERT_TRUE(f_.engine->commit(id, static_cast<uint32_t>(info.working_tokens / 4)));
        break;
      }
      case 2: {
        const uint32_t working = f_.engine->info(id).value().working_tokens;
        const uint32_t count = working == 0 ? 0 : static_cast<uint32_t>(random_() % working);
        ASSERT_TRUE(f_.engine->truncate(id, count));
        tokens.resize(tokens.size() - count);
        break;
      }
      case 3:
        ASSERT_TRUE(f_.engine->suspend(id));
        break;
      case 4: {
        const std::string name = std::to_string(seed_) + "." + std::to_string(++saved_);
        ASSERT_TRUE(f_.engine->save(id, user_, name));
        f_.engine->destroy(id);
        id = (random_() % 2 == 0 ? f_.engine->take(f_.id, user_, name) : f_.engine->open(f_.id, user_, name)).value();
        (void)f_.engine->remove(f_.id, user_, name);
        break;
      }
      case 5: {
        RequestId number = 0;
        auto future = f_.start(f_.append(id, some(), {}), &number);
        f_.engine->cancel(number);
        const auto result = future.get();
        if (result) tokens = f_.engine->tokens(id).value();
        break;
      }
      case 6:
        f_.engine->bid(id, static_cast<double>(random_() % 3));
        break;
      case 7:
        if (tokens.size() > 60) {
          f_.engine->destroy(id);
          std::swap(rows_[at], rows_.back());
          rows_.pop_back();
          break;
        }
        [[fallthrough]];
      default:
        pass(id, tokens);
    }
  }

 private:
  // From a small set of beginnings, so that clients meet in the prefix tree.
  std::vector<uint32_t> some() {
    auto tokens = some_tokens(static_cast<uint32_t>(random_() % 3), 1 + random_() % 20);
    if (random_() % 2 == 0) tokens.back() = static_cast<uint32_t>(random_() % 64);
    return tokens;
  }
  void pass(ContextId id, std::vector<uint32_t>& tokens) {
    const auto more = random_() % 2 == 0 ? std::vector{static_cast<uint32_t>(random_() % 64)} : some();
    if (tokens.size() + more.size() > 90) return;
    const uint32_t slot =
        random_() % 3 == 0 ? static_cast<uint32_t>(random_() % more.size()) : static_cast<uint32_t>(more.size()) - 1;
    const auto output = f_.run(f_.append(id, more, {slot}));
    ASSERT_TRUE(output) << output.error().message;
    std::vector<uint32_t> all = tokens + more;
    tokens = all;
    all.resize(all.size() - more.size() + slot + 1);
    ASSERT_EQ(std::get<LogitsOutput>(output->slots[0]).logits, alone(all));
  }

  Fixture& f_;
  std::mt19937 random_;
  std::string user_;
  uint32_t seed_;
  int saved_ = 0;
  std::vector<std::pair<ContextId, std::vector<uint32_t>>> rows_;
};

void run_clients(int threads, int clients_per_thread, int actions, int64_t pages) {
  EngineOptions options;
  options.max_step_tokens = 48;
  options.max_step_requests = 20;
  options.host_bytes = size_t{1} << 20;
  Fixture f(pages, options);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&f, t, clients_per_thread, actions] {
      std::vector<std::unique_ptr<Client>> clients;
      for (int c = 0; c < clients_per_thread; ++c)
        clients.push_back(std::make_unique<Client>(f, static_cast<uint32_t>(t * clients_per_thread + c)));
      for (int i = 0; i < actions; ++i)
        for (auto& client : clients) {
          client->act();
          if (testing::Test::HasFatalFailure()) return;
        }
    });
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(f.stats().contexts, 0);
  EXPECT_EQ(f.stats().pages_free + f.stats().pages_cached, pages);
  EXPECT_EQ(f.stats().pages_in_host, 0);
}

TEST(Property, TwoHundredClientsOverFewPages) {
  run_clients(200, 1, 25, 60);
}
TEST(Property, FewClientsForLong) {
  run_clients(4, 2, 400, 40);
}

}  // namespace
}  // namespace hearth::engine

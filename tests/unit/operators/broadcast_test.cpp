#include "operators/broadcast.h"

#include "test_call.h"

namespace hearth::operators {
namespace {

std::string dims_of(std::initializer_list<const Dims*> operands) {
  TestCall call("Add", 14, {});
  const auto dims = broadcast_dims(call, operands);
  return dims ? to_string(*dims) : dims.error().message;
}

TEST(BroadcastDims, AlignsAtTheEnd) {
  const Dims a{2, 1, 4}, b{3, 1}, scalar{}, none{0, 4}, odd{5};
  EXPECT_EQ(dims_of({&a, &b}), "[2, 3, 4]");
  EXPECT_EQ(dims_of({&a, &b, &scalar}), "[2, 3, 4]");
  EXPECT_EQ(dims_of({&a, &none}), "[2, 0, 4]");
  EXPECT_EQ(dims_of({&a, &odd}), "[Add] sizes of the inputs; got [2, 1, 4] and [5], need sizes that broadcast");
}

// Output element by element against the definition, over ranges that cut runs in the middle.
void expect_walk(const Dims& a, const Dims& b) {
  TestCall call("Add", 14, {});
  const auto dims = broadcast_dims(call, {&a, &b});
  ASSERT_TRUE(dims);
  const Broadcast<2> walk(*dims, {&a, &b});
  const auto element = [&](const Dims& operand, int64_t at) {
    int64_t offset = 0, stride = 1;
    for (int d = dims->rank() - 1; d >= 0; --d) {
      const int64_t index = at % (*dims)[static_cast<size_t>(d)];
      at /= (*dims)[static_cast<size_t>(d)];
      const int own = d - (dims->rank() - operand.rank());
      if (own < 0) continue;
      const int64_t size = operand[static_cast<size_t>(own)];
      offset += (size == 1 ? 0 : index) * stride;
      stride *= size;
    }
    return offset;
  };
  for (const int64_t piece : {int64_t{1}, int64_t{5}, walk.size()}) {
    int64_t next = 0;
    for (int64_t begin = 0; begin < walk.size(); begin += piece)
      walk.visit(begin, std::min(begin + piece, walk.size()), [&](int64_t at, int64_t count, const auto& offsets) {
        EXPECT_EQ(at, next);
        for (int64_t i = 0; i < count; ++i) {
          EXPECT_EQ(offsets[0] + (walk.moves(0) ? i : 0), element(a, at + i));
          EXPECT_EQ(offsets[1] + (walk.moves(1) ? i : 0), element(b, at + i));
        }
        next = at + count;
      });
    EXPECT_EQ(next, walk.size());
  }
}

TEST(Broadcast, WalksEveryElement) {
  expect_walk({2, 3, 4}, {2, 3, 4});
  expect_walk({2, 3, 4}, {});
  expect_walk({2, 3, 4}, {4});
  expect_walk({2, 3, 4}, {3, 1});
  expect_walk({2, 1, 4}, {3, 1});
  expect_walk({1, 3, 1, 5}, {2, 1, 4, 1});
  expect_walk({1}, {1, 1});
  expect_walk({2, 3, 4, 5}, {3, 1, 1});
  expect_walk({0, 3}, {3});
}

TEST(Broadcast, MergesDimensions) {
  const Dims whole{2, 3, 4}, row{3, 4}, column{3, 1};
  EXPECT_TRUE((Broadcast<2>(whole, {&whole, &whole}).flat()));
  EXPECT_EQ((Broadcast<2>(whole, {&whole, &row}).run()), 12);
  EXPECT_EQ((Broadcast<2>(whole, {&whole, &column}).run()), 4);
}

TEST(Broadcast, OneDirection) {
  EXPECT_TRUE(broadcasts_to({3, 1}, {2, 3, 4}));
  EXPECT_FALSE(broadcasts_to({2, 3, 4}, {3, 4}));
  EXPECT_FALSE(broadcasts_to({3}, {1}));
}

}  // namespace
}  // namespace hearth::operators

// RotaryEmbedding: pairs of elements of a head turned by the angle of their position.
#include <algorithm>

#include "operators/matrix/heads.h"
#include "operators/matrix/kernels.h"

namespace hearth::operators {

namespace {

struct Rotation {
  int64_t half = 0;  // pairs that turn; elements past 2 * half stay
  bool interleaved = false;
};

template <class C>
void rotate(const C* x, const C* cosine, const C* sine, const Rotation& rotation, int64_t size, C* y) {
  const int64_t half = rotation.half, step = rotation.interleaved ? 2 : 1, partner = rotation.interleaved ? 1 : half;
  for (int64_t i = 0; i < half; ++i) {
    const C first = x[i * step], second = x[i * step + partner];
    y[i * step] = cosine[i] * first - sine[i] * second;
    y[i * step + partner] = sine[i] * first + cosine[i] * second;
  }
  std::copy(x + 2 * half, x + size, y + 2 * half);
}

// Rows of the caches for every token: by position, or as they come.
struct Angles {
  const int64_t* positions = nullptr;
  int64_t row(int64_t token) const { return positions != nullptr ? positions[token] : token; }
};

Result<Angles> read_angles(const Call& call, int64_t batch, int64_t length, int64_t half) {
  ASSIGN_OR_RETURN(const Tensor* cosine, call.tensor(1));
  ASSIGN_OR_RETURN(const Tensor* sine, call.tensor(2));
  Angles angles;
  if (!call.has(3)) {
    const Dims need{batch, length, half};
    if (cosine->dims() != need || sine->dims() != need)
      return call.invalid("cos_cache and sin_cache; got {} and {}, need {} without position_ids",
                          to_string(cosine->dims()), to_string(sine->dims()), to_string(need));
    return angles;
  }
  if (cosine->rank() != 2 || cosine->dim(1) != half || sine->dims() != cosine->dims())
    return call.invalid("cos_cache and sin_cache; got {} and {}, need [positions, {}] each", to_string(cosine->dims()),
                        to_string(sine->dims()), half);
  ASSIGN_OR_RETURN(const Tensor* positions, call.tensor(3));
  if (positions->dtype() != DType::I64 || positions->dims() != Dims{batch, length})
    return call.invalid("position_ids; got {}{}, need i64{}", to_string(positions->dtype()),
                        to_string(positions->dims()), to_string(Dims{batch, length}));
  angles.positions = positions->data<int64_t>();
  for (int64_t i = 0; i < positions->size(); ++i)
    if (angles.positions[i] < 0 || angles.positions[i] >= cosine->dim(0))
      return call.invalid("position_ids, element {}; got {}, need [0, {})", i, angles.positions[i], cosine->dim(0));
  return angles;
}

Result<int64_t> read_head_count(const Call& call, const Dims& dims) {
  if (dims.rank() == 4) return dims[1];
  const int64_t heads = call.node().int_or("num_heads", 0);
  if (dims.rank() != 3 || heads < 1 || dims[2] % heads != 0)
    return call.invalid(
        "attribute 'num_heads'; got {} for an input of {}, need [batch, heads, length, size], or "
        "[batch, length, heads * size] with the number of heads",
        heads, to_string(dims));
  return heads;
}

}  // namespace

Result<> run_rotary_embedding(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const int64_t head_count, read_head_count(call, x->dims()));
  const bool heads_in_rows = x->rank() == 3;
  const int64_t size = heads_in_rows ? x->dim(2) / head_count : x->dim(3);
  const int64_t given = call.node().int_or("rotary_embedding_dim", 0), turned = given == 0 ? size : given;
  if (turned < 0 || turned > size || turned % 2 != 0)
    return call.invalid("rotary embedding; got {} of {} elements of a head, need an even number of them", turned, size);
  const Rotation rotation{turned / 2, call.node().int_or("interleaved", 0) != 0};
  return in_working_float(call, x->dtype(), [&]<class C>() -> Result<> {
    ASSIGN_OR_RETURN(const auto input, Wide<C>::make(call, *x));
    const Heads<C> heads =
        heads_in_rows ? heads_last(input.data(), x->dims(), head_count) : heads_first(input.data(), x->dims());
    ASSIGN_OR_RETURN(const Angles angles, read_angles(call, heads.batch, heads.length, rotation.half));
    ASSIGN_OR_RETURN(const auto cosine, Wide<C>::make(call, call.input(1)));
    ASSIGN_OR_RETURN(const auto sine, Wide<C>::make(call, call.input(2)));
    ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x->dtype(), x->dims()));
    const int64_t tokens = heads.batch * heads.length;
    call.parallel(tokens, 1 + (1 << 15) / (heads.heads * size + 1), [&](int64_t begin, int64_t end) {
      for (int64_t token = begin; token < end; ++token) {
        const int64_t b = token / heads.length, t = token % heads.length, at = angles.row(token) * rotation.half;
        for (int64_t h = 0; h < heads.heads; ++h) {
          const C* from = heads.row(b, h, t);
          rotate(from, cosine.data() + at, sine.data() + at, rotation, size, y.data() + (from - heads.data));
        }
      }
    });
    y.finish(call);
    return {};
  });
}

}  // namespace hearth::operators

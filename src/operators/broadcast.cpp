#include "operators/broadcast.h"

namespace hearth::operators {

Result<Dims> broadcast_dims(const Call& call, std::span<const Dims* const> operands) {
  int rank = 0;
  for (const Dims* dims : operands) rank = std::max(rank, dims->rank());
  Dims result;
  for (int d = 0; d < rank; ++d) {
    int64_t size = 1;
    for (const Dims* dims : operands) {
      const int own = d - (rank - dims->rank());
      if (own < 0) continue;
      const int64_t next = (*dims)[static_cast<size_t>(own)];
      if (next == 1 || next == size) continue;
      if (size != 1) {
        std::string all;
        for (const Dims* each : operands) all += (all.empty() ? "" : " and ") + to_string(*each);
        return call.invalid("sizes of the inputs; got {}, need sizes that broadcast", all);
      }
      size = next;
    }
    result.push_back(size);
  }
  return result;
}

bool broadcasts_to(const Dims& from, const Dims& to) {
  if (from.rank() > to.rank()) return false;
  for (int d = 0; d < from.rank(); ++d) {
    const int64_t size = from[static_cast<size_t>(d)];
    if (size != 1 && size != to[static_cast<size_t>(d + to.rank() - from.rank())]) return false;
  }
  return true;
}

namespace detail {

constexpr size_t kMaxOperands = 8;

int merge_dimensions(const Dims& dims, std::span<const Dims* const> operands, int64_t* sizes,
                     int64_t (*strides)[HEARTH_MAX_RANK]) {
  const int rank = dims.rank();
  const auto count = operands.size();
  CHECK(count <= kMaxOperands);
  int64_t own_strides[kMaxOperands];
  int64_t following[kMaxOperands];  // elements of each operand behind the dimension at hand
  std::fill_n(following, count, 1);
  int merged = 0;  // innermost first while merging, turned round at the end
  for (int d = rank - 1; d >= 0; --d) {
    const int64_t size = dims[static_cast<size_t>(d)];
    if (size == 1) continue;
    bool joins = merged > 0;
    for (size_t k = 0; k < count; ++k) {
      const int own = d - (rank - operands[k]->rank());
      const bool moves = own >= 0 && (*operands[k])[static_cast<size_t>(own)] != 1;
      own_strides[k] = moves ? following[k] : 0;
      if (moves) following[k] *= size;
      if (joins && own_strides[k] != strides[k][merged - 1] * sizes[merged - 1]) joins = false;
    }
    if (joins) {
      sizes[merged - 1] *= size;
      continue;
    }
    sizes[merged] = size;
    for (size_t k = 0; k < count; ++k) strides[k][merged] = own_strides[k];
    ++merged;
  }
  if (merged == 0) {
    sizes[0] = 1;
    for (size_t k = 0; k < count; ++k) strides[k][0] = 0;
    return 1;
  }
  std::reverse(sizes, sizes + merged);
  for (size_t k = 0; k < count; ++k) std::reverse(strides[k], strides[k] + merged);
  return merged;
}

}  // namespace detail

}  // namespace hearth::operators

#include <algorithm>
#include <cmath>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"

namespace hearth::operators {

namespace {

struct Box {
  float left, top, right, bottom;
};

// Any two opposite corners, or centre and size.
Box read_box(const float* numbers, bool is_centre) {
  if (is_centre) {
    const float half_width = numbers[2] / 2, half_height = numbers[3] / 2;
    return {numbers[0] - half_width, numbers[1] - half_height, numbers[0] + half_width, numbers[1] + half_height};
  }
  return {std::min(numbers[1], numbers[3]), std::min(numbers[0], numbers[2]), std::max(numbers[1], numbers[3]),
          std::max(numbers[0], numbers[2])};
}

// Whether the intersection over union is greater than the threshold.
bool overlap(const Box& a, const Box& b, float threshold) {
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (!(width > 0 && height > 0)) return false;
  const float area_a = (a.right - a.left) * (a.bottom - a.top), area_b = (b.right - b.left) * (b.bottom - b.top);
  const float common = width * height, together = area_a + area_b - common;
  if (!(area_a > 0 && area_b > 0 && together > 0)) return false;
  return common / together > threshold;
}

struct Request {
  const Tensor *boxes, *scores;
  int64_t most_per_class = 0;
  float iou_threshold = 0;
  float score_threshold = 0;
  bool has_score_threshold = false, is_centre = false;
};

Result<Request> read_request(const Call& call) {
  Request request;
  ASSIGN_OR_RETURN(request.boxes, call.tensor(0));
  ASSIGN_OR_RETURN(request.scores, call.tensor(1));
  const Tensor &boxes = *request.boxes, &scores = *request.scores;
  if (boxes.dtype() != DType::F32 || scores.dtype() != DType::F32)
    return call.invalid("boxes and scores; got {} and {}, need float", to_string(boxes.dtype()),
                        to_string(scores.dtype()));
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(2) != 4 || scores.dim(0) != boxes.dim(0) ||
      scores.dim(2) != boxes.dim(1))
    return call.invalid(
        "boxes and scores; got shapes {} and {}, need [batches, boxes, 4] and [batches, classes, boxes]",
        to_string(boxes.dims()), to_string(scores.dims()));
  if (call.has(2)) {
    ASSIGN_OR_RETURN(request.most_per_class, one_int(call, 2));
  }
  if (call.has(3)) {
    ASSIGN_OR_RETURN(const double threshold, read_number(call, 3));
    if (!(threshold >= 0 && threshold <= 1)) return call.invalid("iou_threshold; got {}, need 0 to 1", threshold);
    request.iou_threshold = static_cast<float>(threshold);
  }
  if (call.has(4)) {
    ASSIGN_OR_RETURN(const double threshold, read_number(call, 4));
    request.score_threshold = static_cast<float>(threshold);
    request.has_score_threshold = true;
  }
  const int64_t format = call.node().int_or("center_point_box", 0);
  if (format != 0 && format != 1) return call.invalid("attribute center_point_box; got {}, need 0 or 1", format);
  request.is_centre = format == 1;
  return request;
}

// Scratch of one class: indices of boxes.
struct Scratch {
  Tensor candidates, kept;
};

// Greedily, best score first (of equal ones the first box); returns how many are kept.
Result<int64_t> suppress(Call& call, const Request& request, const float* boxes, const float* scores, int64_t count,
                         Scratch& scratch) {
  auto* candidates = scratch.candidates.mutable_data<int64_t>();
  auto* kept = scratch.kept.mutable_data<int64_t>();
  int64_t candidate_count = 0;
  for (int64_t i = 0; i < count; ++i)  // no NaN: nothing could be ordered by it
    if (request.has_score_threshold ? scores[i] > request.score_threshold : !std::isnan(scores[i]))
      candidates[candidate_count++] = i;
  std::sort(candidates, candidates + candidate_count,
            [&](int64_t a, int64_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  int64_t kept_count = 0;
  for (int64_t i = 0; i < candidate_count && kept_count < request.most_per_class; ++i) {
    if (i % 1024 == 0) TRY(call.check_cancelled());
    const Box box = read_box(boxes + candidates[i] * 4, request.is_centre);
    const bool stays = std::none_of(kept, kept + kept_count, [&](int64_t other) {
      return overlap(box, read_box(boxes + other * 4, request.is_centre), request.iou_threshold);
    });
    if (stays) kept[kept_count++] = candidates[i];
  }
  return kept_count;
}

}  // namespace

Result<> run_non_max_suppression(Call& call) {
  ASSIGN_OR_RETURN(const Request request, read_request(call));
  const int64_t batches = request.boxes->dim(0), count = request.boxes->dim(1), classes = request.scores->dim(1);
  Scratch scratch;
  ASSIGN_OR_RETURN(scratch.candidates, Tensor::allocate(DType::I64, {count}, call.memory()));
  ASSIGN_OR_RETURN(scratch.kept, Tensor::allocate(DType::I64, {count}, call.memory()));
  std::vector<int64_t> selected;  // triples
  if (request.most_per_class > 0 && request.scores->size() > 0)
    for (int64_t batch = 0; batch < batches; ++batch)
      for (int64_t c = 0; c < classes; ++c) {
        ASSIGN_OR_RETURN(const int64_t kept,
                         suppress(call, request, request.boxes->data<float>() + batch * count * 4,
                                  request.scores->data<float>() + (batch * classes + c) * count, count, scratch));
        for (int64_t i = 0; i < kept; ++i) selected.insert(selected.end(), {batch, c, scratch.kept.data<int64_t>()[i]});
      }
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::I64, {static_cast<int64_t>(selected.size()) / 3, 3}));
  std::ranges::copy(selected, output->mutable_data<int64_t>());
  return {};
}

}  // namespace hearth::operators

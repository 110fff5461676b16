// Convolutions one after the other, a few rows of the last one at a time: what the first ones make stays in the
// second-level cache and is never written out as a whole image. Rows that two strips need are kept, not made again.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "graph/internal_operators.h"
#include "operators/fused/conv_plan.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::operators::fused {

namespace {

using ops::cpu::ConvAlgorithm;
using ops::cpu::ConvJob;
using ops::cpu::ConvShape;
using ops::cpu::dense_kernels;

constexpr size_t kMaxStages = 3;
constexpr int64_t kStripBytes = 256 << 10;  // of what passes between the convolutions, for one thread
constexpr int kBefore = -2;                 // an input that is the result of the stage before

struct StagePlan {
  std::unique_ptr<ConvPlan> conv;
  std::vector<int> inputs;  // of the chain, by input of the stage; -1: absent
};
struct ChainPlan final : Prepared {
  std::vector<StagePlan> stages;
};

// One stage of one call.
struct Stage {
  ConvJob job;  // of the whole image: shape, weights, bias
  std::array<ops::cpu::Operand, kMaxOperands> operands;
  int64_t out_row() const { return job.shape.out_width * job.shape.out_channels; }  // floats
};
struct Rows {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

// Rows of the input that the output's rows read; `above`: how many more they would read above the image.
Rows rows_read(const ConvShape& s, Rows out, int64_t& above) {
  const int64_t extent = (s.kernel_height - 1) * s.dilation_height + 1;
  const int64_t begin = out.begin * s.stride_height - s.pad_top;
  above = std::max<int64_t>(0, -begin);
  return {std::max<int64_t>(0, begin), std::min(s.height, (out.end - 1) * s.stride_height - s.pad_top + extent)};
}

// One thread's walk through its rows.
class Walk {
 public:
  // `strip`: rows of the last stage at a time. `scratch` nullptr: nothing is computed, only what would be needed is
  // noted; else every stage but the last has its buffer.
  Walk(std::span<const Stage> stages, int64_t strip, void* scratch)
      : stages_(stages), strip_(strip), scratch_(scratch) {}

  void set_buffer(size_t stage, float* rows) { buffers_[stage] = rows; }
  size_t scratch_needed() const { return scratch_needed_; }
  int64_t rows_needed(size_t stage) const { return rows_needed_[stage]; }

  // Rows [begin, end) of the results of all images, one after the other.
  void run(int64_t begin, int64_t end) {
    const size_t last = stages_.size() - 1;
    const int64_t height = stages_[last].job.shape.out_height;
    while (begin < end) {
      image_ = begin / height;
      const int64_t first = begin % height, stop = std::min(height, first + (end - begin));
      held_.fill({});
      for (int64_t row = first; row < stop; row += strip_) {
        const Rows rows{row, std::min(stop, row + strip_)};
        compute(last, rows, stages_[last].job.y + (image_ * height + rows.begin) * stages_[last].out_row());
      }
      begin += stop - first;
    }
  }

 private:
  // These rows of the stage's result lie at the front of its buffer afterwards.
  void produce(size_t stage, Rows rows) {
    Rows& held = held_[stage];
    const int64_t width = stages_[stage].out_row();
    int64_t from = rows.begin;
    if (held.begin <= rows.begin && rows.begin < held.end) {
      from = std::min(held.end, rows.end);
      if (scratch_ != nullptr && held.begin != rows.begin)
        std::memmove(buffers_[stage], buffers_[stage] + (rows.begin - held.begin) * width,
                     static_cast<size_t>((held.end - rows.begin) * width) * sizeof(float));
    }
    rows_needed_[stage] = std::max({rows_needed_[stage], rows.count(), held.end - rows.begin});
    held = {rows.begin, std::max(from, rows.end)};
    if (from < rows.end) compute(stage, {from, rows.end}, buffers_[stage] + (from - rows.begin) * width);
  }

  void compute(size_t stage, Rows rows, float* to) {
    const Stage& s = stages_[stage];
    ConvJob job = s.job;
    int64_t above = 0;
    const Rows read = rows_read(job.shape, rows, above);
    const int64_t in_row = job.shape.width * job.shape.channels;
    if (stage > 0) {
      produce(stage - 1, read);
      job.x = buffers_[stage - 1];
    } else {
      job.x += (image_ * job.shape.height + read.begin) * in_row;
    }
    job.shape.batch = 1;
    job.shape.height = read.count();
    job.shape.pad_top = above;
    job.shape.out_height = rows.count();
    job.y = to;
    // Operands are addressed by pixels of the whole result.
    std::array<ops::cpu::Operand, kMaxOperands> operands = s.operands;
    const int64_t first = (image_ * s.job.shape.out_height + rows.begin) * job.shape.out_width;
    const size_t count = job.program.operands.size();
    for (size_t i = 0; i < count; ++i)
      if (operands[i].spread == ops::cpu::Spread::Row || operands[i].spread == ops::cpu::Spread::Full) {
        operands[i].data += first % operands[i].period * operands[i].row_stride;
        operands[i].period = std::numeric_limits<int64_t>::max();
      }
    job.program.operands = std::span(operands).first(count);
    if (scratch_ == nullptr)
      scratch_needed_ = std::max(scratch_needed_, dense_kernels().conv_scratch(job, 1));
    else
      dense_kernels().conv(job, scratch_, nullptr);
  }

  std::span<const Stage> stages_;
  int64_t strip_;
  void* scratch_;
  int64_t image_ = 0;
  std::array<float*, kMaxStages> buffers_{};
  std::array<Rows, kMaxStages> held_{};
  std::array<int64_t, kMaxStages> rows_needed_{};
  size_t scratch_needed_ = 0;
};

Result<const Tensor*> stage_input(const Call& call, const StagePlan& plan, size_t i) {
  const int at = i < plan.inputs.size() ? plan.inputs[i] : -1;
  if (at < 0) return call.invalid("body; input {} of a convolution is absent", i);
  return call.tensor(at);
}

Result<> bind_stage(const Call& call, const StagePlan& plan, const Dims& x, Stage& stage, Dims& result) {
  const ConvPlan& conv = *plan.conv;
  ASSIGN_OR_RETURN(ConvShape shape, conv.window.over(call, x));
  shape.out_channels = conv.out_channels;
  shape.groups = conv.groups;
  if (shape.channels < 1 || shape.channels % conv.groups != 0)
    return call.invalid("input; got {}, need channels that {} groups divide", to_string(x), conv.groups);
  if (!serves(conv.algorithm, shape)) return call.invalid("algorithm; it does not serve {} here", to_string(x));
  TRY(count_elements(Dims{conv.out_channels, shape.channels / conv.groups, shape.kernel_height, shape.kernel_width}));
  ASSIGN_OR_RETURN(const Tensor* w, stage_input(call, plan, 1));
  const size_t need = dense_kernels().packed_conv_bytes(shape, conv.algorithm, conv.factors);
  if (w->dtype() != DType::U8 || w->bytes() != need)
    return call.invalid("packed weight; got {} of {} bytes, need u8 of {} for {} channels", to_string(w->dtype()),
                        w->bytes(), need, shape.channels);
  ConvJob& job = stage.job;
  job.shape = shape;
  job.algorithm = conv.algorithm;
  job.factors = conv.factors;
  job.w = w->raw();
  job.x_stride = shape.channels;
  job.y_stride = shape.out_channels;
  if (plan.inputs.size() > 2 && plan.inputs[2] >= 0) {
    ASSIGN_OR_RETURN(const Tensor* bias, stage_input(call, plan, 2));
    if (bias->dtype() != DType::F32 || bias->size() != conv.out_channels)
      return call.invalid("bias; got {}{}, need f32[{}]", to_string(bias->dtype()), to_string(bias->dims()),
                          conv.out_channels);
    job.bias = bias->data<float>();
  }
  result = conv.window.result(shape, conv.out_channels);
  const auto& wanted = conv.steps.operand_inputs;
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSIGN_OR_RETURN(const Tensor* operand, stage_input(call, plan, static_cast<size_t>(wanted[i])));
    if (operand->dtype() != DType::F32 || !spread_over(operand->dims(), result, stage.operands[i]))
      return call.invalid("operand; got {}{}, need f32 that broadcasts to {}", to_string(operand->dtype()),
                          to_string(operand->dims()), to_string(result));
    stage.operands[i].data = operand->data<float>();
  }
  job.program = {conv.steps.steps, std::span(stage.operands).first(wanted.size())};
  return {};
}

// Rows of the last result at a time, so that what lies between stays small.
int64_t strip_rows(std::span<const Stage> stages) {
  int64_t bytes = 0, per_row = 1;
  for (size_t i = stages.size() - 1; i > 0; --i) {
    per_row *= stages[i].job.shape.stride_height;
    bytes += per_row * stages[i - 1].out_row() * static_cast<int64_t>(sizeof(float));
  }
  return std::max<int64_t>(1, kStripBytes / std::max<int64_t>(1, bytes));
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_conv_chain(const graph::Node& node, int64_t opset,
                                                     std::span<const Tensor* const>) {
  const graph::Graph* body = node.graph("body");
  if (body == nullptr || body->nodes.size() < 2 || body->nodes.size() > kMaxStages ||
      body->inputs.size() != node.inputs.size())
    return fail(ErrorKind::Invalid, "attribute 'body'; need a graph of 2 to {} nodes with the node's inputs",
                kMaxStages);
  auto plan = std::make_unique<ChainPlan>();
  graph::ValueId before = body->inputs.empty() ? graph::kNoValue : body->inputs[0];
  for (const graph::Node& inner : body->nodes) {
    if (inner.domain != graph::kInternalDomain || inner.op_type != "Conv" || inner.inputs.size() < 2 ||
        inner.outputs.size() != 1 || inner.inputs[0] != before)
      return fail(ErrorKind::Invalid, "attribute 'body'; need convolutions, each of the one before");
    StagePlan& stage = plan->stages.emplace_back();
    ASSIGN_OR_RETURN(auto prepared, prepare_conv(inner, opset, {}));
    stage.conv.reset(static_cast<ConvPlan*>(prepared.release()));
    const WindowPlan& window = stage.conv->window;
    const int64_t extent = (window.kernel[0] - 1) * window.dilation[0] + 1;
    if (window.axes != 2 || stage.conv->algorithm == ConvAlgorithm::Winograd || window.pad_begin[0] >= extent ||
        window.pad_end[0] >= extent)
      return fail(ErrorKind::Invalid,
                  "attribute 'body'; a convolution over images with small pads is needed, not Winograd's");
    for (const graph::ValueId id : inner.inputs) {
      const auto at = std::ranges::find(body->inputs, id);
      stage.inputs.push_back(id == graph::kNoValue      ? -1
                             : at != body->inputs.end() ? static_cast<int>(at - body->inputs.begin())
                                                        : kBefore);
    }
    before = inner.outputs[0];
  }
  return plan;
}

Result<> run_conv_chain(Call& call) {
  const auto& plan = *static_cast<const ChainPlan*>(call.prepared());
  ASSIGN_OR_RETURN(const Tensor* x, floats(call, 0));
  std::array<Stage, kMaxStages> stages;
  const size_t count = plan.stages.size();
  Dims dims = x->dims();
  for (size_t i = 0; i < count; ++i) {
    Dims result;
    TRY(bind_stage(call, plan.stages[i], dims, stages[i], result));
    dims = result;
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, dims));
  if (y->size() == 0) return {};
  stages[0].job.x = x->data<float>();
  stages[count - 1].job.y = y->mutable_data<float>();

  const std::span<const Stage> used = std::span(stages).first(count);
  const int64_t rows = dims[0] * stages[count - 1].job.shape.out_height, strip = strip_rows(used);
  const int threads = static_cast<int>(std::min<int64_t>(threads_of(call), rows));
  const auto share = [&](int part) { return rows * part / threads; };
  // What every thread's walk needs, before one of them begins.
  size_t scratch = 0;
  std::array<int64_t, kMaxStages> room{};
  for (int part = 0; part < threads; ++part) {
    Walk dry(used, strip, nullptr);
    dry.run(share(part), share(part + 1));
    scratch = std::max(scratch, dry.scratch_needed());
    for (size_t i = 0; i + 1 < count; ++i) room[i] = std::max(room[i], dry.rows_needed(i));
  }
  const auto rounded = [](size_t bytes) { return (bytes + 4095) / 4096 * 4096 + 64; };
  size_t bytes = rounded(scratch) + 64;
  std::array<size_t, kMaxStages> at{};
  for (size_t i = 0; i + 1 < count; ++i) {
    at[i] = bytes;
    bytes += rounded(static_cast<size_t>(room[i] * stages[i].out_row()) * sizeof(float));
  }
  ASSIGN_OR_RETURN(const auto memory, KernelScratch::make(call, bytes * static_cast<size_t>(threads)));
  const auto walk = [&](int part) {
    std::byte* mine = static_cast<std::byte*>(memory.data()) + static_cast<size_t>(part) * bytes;
    Walk real(used, strip, mine);
    for (size_t i = 0; i + 1 < count; ++i) real.set_buffer(i, reinterpret_cast<float*>(mine + at[i]));
    real.run(share(part), share(part + 1));
  };
  if (threads == 1)
    walk(0);
  else
    call.pool()->parallel([&](int part, int) {
      if (part < threads) walk(part);
    });
  return {};
}

}  // namespace hearth::operators::fused

#include "ops/conformance/run_case.h"

#include <algorithm>
#include <cstring>

#include "tensor/quant_blocks.h"

namespace hearth::ops::conformance {
namespace {

// Fills padding and outputs before the run. As floats it is NaN: whoever reads what is not there gives it away.
constexpr std::byte kUnwritten{0xff};

// How a tensor of a case lies in device memory: rows with padding between them.
struct Placement {
  int64_t rows = 1, row_bytes = 0, row_stride_bytes = 0;
  size_t bytes() const { return static_cast<size_t>(rows * row_stride_bytes); }
};

Placement placement_of(const CaseTensor& t) {
  Placement p;
  if (t.dims.empty()) return p;
  const RowsOf r = rows_of(t);
  p.rows = r.rows;
  p.row_bytes = r.rows == 0 ? 0 : bytes_of(t.dtype, r.columns);
  p.row_stride_bytes = r.rows == 0 ? 0 : bytes_of(t.dtype, r.columns + t.row_padding);
  return p;
}

// The image of a tensor in device memory, from its dense bytes (none: all unwritten).
std::vector<std::byte> spread(const CaseTensor& t, const Placement& p) {
  std::vector<std::byte> image(p.bytes(), kUnwritten);
  if (t.bytes.empty()) return image;
  for (int64_t r = 0; r < p.rows; ++r)
    std::memcpy(image.data() + r * p.row_stride_bytes, t.bytes.data() + r * p.row_bytes,
                static_cast<size_t>(p.row_bytes));
  return image;
}

TensorView view_of(const CaseTensor& t, void* data) {
  TensorView v = view(data, t.dtype, t.dims);
  if (t.dims.size() < 2 || t.row_padding == 0) return v;
  int i = std::min(t.strided, v.rank - 1) - 1;
  v.strides[i] += t.row_padding;
  for (; i > 0; --i) v.strides[i - 1] = v.strides[i] * v.dims[i];
  return v;
}

class Runner {
 public:
  Runner(Device& device, const OpCase& c) : device_(device), case_(c) {}

  Result<CaseRun> run() {
    HearthOpCall call{};
    for (size_t i = 0; i < case_.inputs.size(); ++i)
      if (!case_.inputs[i].absent) {
        ASSIGN_OR_RETURN(call.inputs[i], input(case_.inputs[i]));
      }
    for (size_t i = 0; i < case_.outputs.size(); ++i) {
      const bool shared = i == 0 && case_.in_place >= 0;
      if (shared)
        call.outputs[i] = call.inputs[case_.in_place];
      else {
        ASSIGN_OR_RETURN(call.outputs[i], place(case_.outputs[i]));
      }
    }
    std::vector<std::byte> attributes(case_.op->attributes_size);
    for (size_t i = 0; i < case_.op->attributes.size(); ++i) {
      const AttributeInfo& a = case_.op->attributes[i];
      const float real = static_cast<float>(case_.attributes[i]);
      const int32_t whole = static_cast<int32_t>(case_.attributes[i]);
      std::memcpy(attributes.data() + a.offset, a.is_float ? static_cast<const void*>(&real) : &whole, 4);
    }
    call.attributes = attributes.data();
    TRY(device_.run(case_.op->op, call));
    TRY(device_.synchronize());
    CaseRun done{.kernel = std::string(device_.last_kernel())};
    for (size_t i = 0; i < case_.outputs.size(); ++i) {
      ASSIGN_OR_RETURN(CaseTensor output, collect(case_.outputs[i], call.outputs[i].data));
      done.outputs.push_back(std::move(output));
    }
    return done;
  }

 private:
  Result<void*> upload(const std::vector<std::byte>& image) {
    ASSIGN_OR_RETURN(auto buffer, device_.allocate(std::max<size_t>(image.size(), 1)));  // "absent" has no address
    buffers_.push_back(std::move(buffer));
    TRY(device_.upload(buffers_.back().data(), image.data(), image.size()));
    return buffers_.back().data();
  }

  Result<TensorView> place(const CaseTensor& t) {
    ASSIGN_OR_RETURN(void* data, upload(spread(t, placement_of(t))));
    return view_of(t, data);
  }

  Result<TensorView> input(const CaseTensor& t) {
    if (case_.pack_sources > 0 && (t.name == "w" || t.name == "table")) return packed(t);
    return place(t);
  }

  // The weight as the device wants it, made of row blocks stacked the way fused projections are.
  Result<TensorView> packed(const CaseTensor& t) {
    const int64_t n = t.dims[0], k = t.dims[1];
    const PackedForm form = device_.packed_form(t.dtype, n, k);
    std::vector<TensorView> sources;
    const int64_t parts = std::min<int64_t>(case_.pack_sources, n);
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t first = n * i / parts, last = n * (i + 1) / parts;
      sources.push_back(view(t.bytes.data() + first * bytes_of(t.dtype, k), t.dtype, {last - first, k}));
    }
    std::vector<std::byte> image(form.bytes);
    TRY(device_.pack(sources, image.data()));
    ASSIGN_OR_RETURN(void* data, upload(image));
    TensorView v = view(data, form.dtype, {n, k});
    v.layout = static_cast<int32_t>(form.layout);
    return v;
  }

  Result<CaseTensor> collect(const CaseTensor& t, const void* data) {
    const Placement p = placement_of(t);
    std::vector<std::byte> image(p.bytes());
    TRY(device_.download(image.data(), data, image.size()));
    CaseTensor out = t;
    out.bytes.resize(static_cast<size_t>(p.rows * p.row_bytes));
    for (int64_t r = 0; r < p.rows; ++r) {
      const std::byte* row = image.data() + r * p.row_stride_bytes;
      if (p.row_bytes > 0) std::memcpy(out.bytes.data() + r * p.row_bytes, row, static_cast<size_t>(p.row_bytes));
      for (int64_t i = p.row_bytes; i < p.row_stride_bytes; ++i)
        if (row[i] != kUnwritten)
          return fail(ErrorKind::Internal, "[{}] {} wrote {} bytes behind the end of row {} of {}", case_.op->name,
                      device_.last_kernel(), i - p.row_bytes + 1, r, t.name);
    }
    return out;
  }

  Device& device_;
  const OpCase& case_;
  std::vector<Buffer> buffers_;
};

}  // namespace

Result<CaseRun> run_case(Device& device, const OpCase& c) {
  return Runner(device, c).run();
}

}  // namespace hearth::ops::conformance

// run_model MODEL: loads a model, says what it takes and gives, and runs it: once, as a batch, measured, with a
// deadline. Inputs of 32-bit floats are filled with 0, 1/8, 2/8 …; sizes that the model leaves open are 1.
#include <cstdio>
#include <pyflame_rt/pyflame_rt.hpp>
#include <string>

namespace rt = pyflame_rt;

namespace {

rt::Tensor ramp(const rt::PortInfo& port) {
  rt::Shape shape = port.shape;
  for (int64_t& size : shape)
    if (size < 0) size = 1;
  rt::Tensor tensor(port.dtype, shape);  // zeroed
  if (port.dtype == rt::DataType::Float32)
    for (size_t i = 0; i < tensor.size(); ++i) tensor.data<float>()[i] = static_cast<float>(i % 8) / 8;
  return tensor;
}

void print(const std::string& name, const rt::Tensor& tensor) {
  std::printf("%s %s[%zu]:", name.c_str(), rt::to_string(tensor.type()).c_str(), tensor.size());
  if (tensor.type() == rt::DataType::Float32)
    for (size_t i = 0; i < tensor.size() && i < 8; ++i) std::printf(" %.6g", tensor.data<float>()[i]);
  std::printf("\n");
}

void run(const std::string& path) {
  rt::SessionOptions options;
  options.num_threads = 2;
  options.memory_limit_mb = 4096;
  rt::InferenceSession session(path, options);

  rt::Feeds feeds;
  for (const rt::PortInfo& input : session.inputs()) {
    std::printf("input %s: %s\n", input.name.c_str(), input.type.c_str());
    feeds.emplace_back(input.name, ramp(input));
  }
  const auto outputs = session.run(feeds);
  for (size_t i = 0; i < outputs.size(); ++i) print(session.outputs()[i].name, outputs[i].tensor());

  // Three samples, stacked by two at most; a result for each.
  const auto batch = session.run_batch({feeds, feeds, feeds}, 2);
  std::printf("batch of %zu\n", batch.size());

  rt::Profile profile;
  session.run_with_profiling(feeds, profile);
  for (const auto& op : profile.operations)
    std::printf("op %s: %.0f us (%.1f%%)\n", op.op_type.c_str(), op.duration_us, op.percentage);

  const auto latency = rt::Benchmark(session).measure_latency(feeds, 2, 20);
  std::printf("p50 %.3f ms, p99 %.3f ms\n", latency.p50_ms, latency.p99_ms);

  // Every run can be stopped: by a token from another thread, or by a deadline.
  rt::RunOptions limits;
  limits.timeout = std::chrono::milliseconds(0);
  try {
    session.run(feeds, {}, limits);
  } catch (const rt::Error& error) {
    std::printf("stopped: %s\n", error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: run_model MODEL.onnx\n");
    return 2;
  }
  try {
    run(argv[1]);
  } catch (const rt::Error& error) {
    std::fprintf(stderr, "run_model: %s\n", error.what());
    return 1;
  }
}

#include "pyflame_rt/core/stream.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace pyflame_rt {

namespace {

// Names of one state at both ends differ by an affix only.
constexpr std::pair<const char*, const char*> kStateAffixes[] = {
    {"present", "past"},
    {"_out", "_in"},
    {"_out", ""},
    {"out_", "in_"},
    {"out_", ""},
    {"_n", "_0"},
    {"n", "0"},
    {"n", ""},
    {"N", ""},
    {"new_", ""},
    {"next_", ""},
    {"next_", "prev_"},
    {"output_", "input_"},
    {"_output", "_input"},
};

bool same_type(const PortInfo& a, const PortInfo& b) {
  return a.dtype == b.dtype && (!a.has_shape || !b.has_shape || a.shape.size() == b.shape.size());
}

bool names_match(const std::string& output, const std::string& input) {
  if (output == input) return true;
  for (const auto& [out, in] : kStateAffixes)
    for (size_t at = output.find(out); at != std::string::npos; at = output.find(out, at + 1)) {
      std::string candidate = output;
      if (candidate.replace(at, std::strlen(out), in) == input) return true;
    }
  return false;
}

std::map<std::string, std::string> find_states(const InferenceSession& session) {
  std::map<std::string, std::string> states;
  std::set<std::string> taken;
  for (const PortInfo& output : session.outputs())
    for (const PortInfo& input : session.inputs())
      if (!states.count(output.name) && !taken.count(input.name) && same_type(output, input) &&
          names_match(output.name, input.name)) {
        states.emplace(output.name, input.name);
        taken.insert(input.name);
      }
  return states;
}

const PortInfo* find_port(const std::vector<PortInfo>& ports, const std::string& name) {
  const auto at = std::find_if(ports.begin(), ports.end(), [&](const PortInfo& port) { return port.name == name; });
  return at != ports.end() ? &*at : nullptr;
}

// A state that grows from chunk to chunk (keys and values of the past) begins empty; any other open size is a batch of
// one.
bool grows(const std::string& symbol) {
  return symbol.find("past") != std::string::npos || symbol.find("seq") != std::string::npos ||
         symbol.find("len") != std::string::npos;
}

[[noreturn]] void wrong(const std::string& text) {
  throw Error(ErrorCode::InvalidArgument, "[Stream] " + text);
}

}  // namespace

struct Stream::Impl {
  InferenceSession& session;
  StreamOptions options;
  std::map<std::string, std::string> states;  // output → input
  PortInfo signal;
  size_t axis = 0;
  std::map<std::string, Value> carried;  // by input
  // Samples not yet consumed, as the signal lies with its axis last: `rows` runs of `buffered` samples each.
  std::vector<std::vector<char>> rows;
  Shape sizes;  // of the signal but for the axis, fixed by the first samples
  DataType type = DataType::Undefined;
  size_t width = 0;

  Impl(InferenceSession& owner, const StreamOptions& wanted) : session(owner), options(wanted) {
    if (options.chunk_size < 0) wrong(fmt::format("chunk_size; got {}, need at least 0", options.chunk_size));
    if (options.overlap < 0 || (options.chunk_size > 0 && options.overlap >= options.chunk_size))
      wrong(fmt::format("overlap; got {}, need 0 to chunk_size - 1 ({})", options.overlap, options.chunk_size - 1));
    if (options.chunk_size == 0 && options.overlap > 0) wrong("overlap needs a chunk_size");
    if (options.stateful) states = options.states.empty() ? find_states(session) : options.states;
    for (const auto& [output, input] : states) {
      if (find_port(session.outputs(), output) == nullptr) wrong(fmt::format("no output is called '{}'", output));
      if (find_port(session.inputs(), input) == nullptr) wrong(fmt::format("no input is called '{}'", input));
    }
    find_signal();
    reset();
  }

  void find_signal() {
    std::vector<std::string> candidates;
    for (const PortInfo& input : session.inputs()) {
      const bool is_state =
          std::any_of(states.begin(), states.end(), [&](const auto& s) { return s.second == input.name; });
      const bool is_constant = std::any_of(options.constants.begin(), options.constants.end(),
                                           [&](const auto& c) { return c.first == input.name; });
      if (!is_state && !is_constant) candidates.push_back(input.name);
    }
    if (options.input.empty()) {
      if (candidates.size() != 1)
        wrong(fmt::format(
            "which input is the signal? {}; set `input`, and give the others as `constants` or `states`",
            candidates.empty() ? "none is left" : fmt::format("there are {}", fmt::join(candidates, ", "))));
      options.input = candidates[0];
    }
    const PortInfo* port = find_port(session.inputs(), options.input);
    if (port == nullptr) wrong(fmt::format("no input is called '{}'", options.input));
    signal = *port;
    if (!signal.has_shape || signal.shape.empty())
      wrong(fmt::format("the rank of input '{}' is not known or 0; need a signal with a dimension", signal.name));
    const int rank = static_cast<int>(signal.shape.size()),
              wanted = options.axis < 0 ? options.axis + rank : options.axis;
    if (wanted < 0 || wanted >= rank) wrong(fmt::format("axis; got {}, need {} to {}", options.axis, -rank, rank - 1));
    axis = static_cast<size_t>(wanted);
  }

  void reset() {
    rows.clear();
    sizes.clear();
    carried.clear();
    for (const auto& [output, input] : states) {
      const PortInfo& port = *find_port(session.inputs(), input);
      Shape shape = port.shape;
      for (size_t i = 0; i < shape.size(); ++i)
        if (shape[i] < 0) shape[i] = grows(port.symbols[i]) ? 0 : 1;
      carried[input] = Tensor(port.dtype, shape);
    }
  }

  // Samples lie with the axis anywhere; rows hold them with the axis last.
  void append(const Tensor& given) {
    Tensor samples = given;
    Shape shape = given.shape();
    if (shape.size() == 1 && signal.shape.size() > 1) {  // a plain signal: the other sizes are 1
      Shape full(signal.shape.size(), 1);
      full[axis] = shape[0];
      shape = full;
    }
    if (shape.size() != signal.shape.size())
      wrong(fmt::format("rank of the samples; got {}, need {} or 1", shape.size(), signal.shape.size()));
    if (given.type() != signal.dtype)
      wrong(fmt::format("type of the samples; got {}, need {}", to_string(given.type()), to_string(signal.dtype)));
    Shape others = shape;
    others[axis] = 0;
    if (sizes.empty()) {
      sizes = others;
      type = given.type();
      width = element_size(type);
    } else if (sizes != others) {
      wrong(fmt::format("sizes of the samples; got [{}], need those of the samples before ([{}], axis {} free)",
                        fmt::join(shape, ", "), fmt::join(sizes, ", "), axis));
    }
    size_t outer = 1, inner = 1;
    for (size_t i = 0; i < axis; ++i) outer *= static_cast<size_t>(shape[i]);
    for (size_t i = axis + 1; i < shape.size(); ++i) inner *= static_cast<size_t>(shape[i]);
    // One row per index before the axis: its samples follow one another whatever lies behind the axis.
    rows.resize(outer);
    const size_t run = static_cast<size_t>(shape[axis]) * inner * width;
    const char* from = static_cast<const char*>(samples.raw());
    for (size_t row = 0; row < outer; ++row)
      rows[row].insert(rows[row].end(), from + row * run, from + (row + 1) * run);
    sample_bytes = inner * width;
  }
  size_t sample_bytes = 0;

  size_t buffered() const { return rows.empty() || sample_bytes == 0 ? 0 : rows[0].size() / sample_bytes; }

  std::map<std::string, Value> run_chunk(size_t samples, size_t consumed, const RunOptions& how) {
    Shape shape = sizes;
    shape[axis] = static_cast<int64_t>(samples);
    Tensor chunk(type, shape);
    const size_t run = samples * sample_bytes;
    for (size_t row = 0; row < rows.size(); ++row) {
      const size_t have = std::min(run, rows[row].size());
      if (have > 0) std::memcpy(static_cast<char*>(chunk.raw()) + row * run, rows[row].data(), have);
    }
    Feeds feeds = options.constants;
    feeds.emplace_back(options.input, chunk);
    for (const auto& [input, value] : carried) feeds.emplace_back(input, value);
    const auto values = session.run(feeds, {}, how);
    std::map<std::string, Value> results;
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string& name = session.outputs()[i].name;
      const auto state = states.find(name);
      if (state != states.end())
        carried[state->second] = values[i];
      else
        results.emplace(name, values[i]);
    }
    // Only now: a failed run leaves the samples where they were.
    for (auto& row : rows)
      row.erase(row.begin(), row.begin() + static_cast<ptrdiff_t>(std::min(row.size(), consumed * sample_bytes)));
    return results;
  }
};

Stream::Stream(InferenceSession& session, const StreamOptions& options)
    : impl_(std::make_unique<Impl>(session, options)) {}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;

std::vector<std::map<std::string, Value>> Stream::process(const Tensor& samples, const RunOptions& options) {
  Impl& stream = *impl_;
  stream.append(samples);
  std::vector<std::map<std::string, Value>> results;
  if (stream.options.chunk_size == 0) {
    const size_t all = stream.buffered();
    results.push_back(stream.run_chunk(all, all, options));
    return results;
  }
  const auto chunk = static_cast<size_t>(stream.options.chunk_size),
             step = chunk - static_cast<size_t>(stream.options.overlap);
  while (stream.buffered() >= chunk) results.push_back(stream.run_chunk(chunk, step, options));
  return results;
}

std::vector<std::map<std::string, Value>> Stream::flush(const RunOptions& options) {
  Impl& stream = *impl_;
  std::vector<std::map<std::string, Value>> results;
  // What a full chunk left behind as its overlap has been seen already.
  if (stream.options.chunk_size == 0 || stream.buffered() <= static_cast<size_t>(stream.options.overlap))
    return results;
  results.push_back(stream.run_chunk(static_cast<size_t>(stream.options.chunk_size), stream.buffered(), options));
  return results;
}

void Stream::reset() {
  impl_->reset();
}

const std::string& Stream::input() const {
  return impl_->options.input;
}

const std::map<std::string, std::string>& Stream::states() const {
  return impl_->states;
}

}  // namespace pyflame_rt

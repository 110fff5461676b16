// Packs the constant weights of convolutions and matrix products for the kernels of this machine
// (ops/cpu/dense.h): what the pass pack_weights is given.
#pragma once

#include <memory>

#include "ops/cpu/dense.h"
#include "ops/cpu/thread_pool.h"
#include "passes/pipeline.h"

namespace hearth::runtime {

// The pass decides how each weight is packed and makes room for it; write() fills all the rooms at once, on all
// threads, and gives the pages of model files that it has read back to the system.
class WeightPacker {
 public:
  // `factors`: the type of the packed numbers, where the algorithm has a choice. Weights that several nodes share are
  // packed once.
  explicit WeightPacker(ops::cpu::Factors factors);
  ~WeightPacker();
  WeightPacker(const WeightPacker&) = delete;
  WeightPacker& operator=(const WeightPacker&) = delete;

  // For passes::Options::pack; refers to this.
  passes::Pack pass();
  // Until then the packed constants hold nothing. Once, when the passes are through. Limit when there is no memory.
  Result<> write(ops::cpu::ThreadPool& pool);

 private:
  class Planner;
  std::unique_ptr<Planner> planner_;
};

}  // namespace hearth::runtime

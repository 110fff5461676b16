// The operators that passes make: domain `hearth`, version 1 (graph/internal_operators.h).
#include "graph/internal_operators.h"
#include "operators/fused/plan.h"

namespace hearth::operators {

namespace {

constexpr KernelEntry entry(std::string_view op_type, Result<> (*run)(Call&), decltype(KernelEntry::prepare) prepare) {
  return {graph::kInternalDomain,
          op_type,
          static_cast<int>(graph::kInternalOpset),
          static_cast<int>(graph::kInternalOpset) + 1,
          run,
          prepare};
}

constexpr KernelEntry kTable[] = {
    entry("Conv", fused::run_conv, fused::prepare_conv),
    entry("ConvChain", fused::run_conv_chain, fused::prepare_conv_chain),
    entry("MatMul", fused::run_matmul, fused::prepare_matmul),
    entry("Pointwise", fused::run_pointwise, fused::prepare_pointwise),
    entry("Attention", fused::run_attention, fused::prepare_attention),
    entry("LayerNormalization", fused::run_layer_normalization, fused::prepare_layer_normalization),
    entry("MaxPool", fused::run_max_pool, fused::prepare_max_pool),
    entry("AveragePool", fused::run_average_pool, fused::prepare_average_pool),
    entry("QuantisedConv", fused::run_quantised_conv, fused::prepare_quantised_conv),
    entry("QuantisedMatMul", fused::run_quantised_matmul, fused::prepare_quantised_matmul),
    entry("GlobalAveragePool", fused::run_global_average_pool, nullptr),
};

}  // namespace

std::span<const KernelEntry> fused_kernels() {
  return kTable;
}

}  // namespace hearth::operators

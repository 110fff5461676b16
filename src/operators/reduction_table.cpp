#include "operators/reduction/kernels.h"

namespace hearth::operators {

namespace {

constexpr KernelEntry kTable[] = {
    {.op_type = "ReduceL1", .run = reduce},
    {.op_type = "ReduceL2", .run = reduce},
    {.op_type = "ReduceLogSum", .run = reduce},
    {.op_type = "ReduceLogSumExp", .run = reduce},
    {.op_type = "ReduceMax", .run = reduce},
    {.op_type = "ReduceMean", .run = reduce},
    {.op_type = "ReduceMin", .run = reduce},
    {.op_type = "ReduceProd", .run = reduce},
    {.op_type = "ReduceSum", .run = reduce},
    {.op_type = "ReduceSumSquare", .run = reduce},
    {.op_type = "ArgMax", .run = arg_max},
    {.op_type = "ArgMin", .run = arg_min},
    {.op_type = "Softmax", .run = softmax},
    {.op_type = "LogSoftmax", .run = log_softmax},
    {.op_type = "Hardmax", .run = hardmax},
    {.op_type = "CumSum", .run = cum_sum},
    {.op_type = "CumProd", .run = cum_prod},
    {.op_type = "TopK", .run = top_k},
    {.op_type = "LayerNormalization", .run = layer_normalization},
    {.op_type = "RMSNormalization", .run = rms_normalization},
    {.op_type = "GroupNormalization", .run = group_normalization},
    {.op_type = "InstanceNormalization", .run = instance_normalization},
    {.op_type = "BatchNormalization", .run = batch_normalization},
    {.op_type = "MeanVarianceNormalization", .run = mean_variance_normalization},
    {.op_type = "LpNormalization", .run = lp_normalization},
    {.op_type = "LRN", .run = lrn},
    {.op_type = "NegativeLogLikelihoodLoss", .run = negative_log_likelihood_loss},
    {.op_type = "SoftmaxCrossEntropyLoss", .run = softmax_cross_entropy_loss},
};

}  // namespace

std::span<const KernelEntry> reduction_kernels() {
  return kTable;
}

}  // namespace hearth::operators

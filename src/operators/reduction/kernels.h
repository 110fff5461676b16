// The kernels of this folder; reduction_table.cpp lists them.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

Result<> reduce(Call& call);
Result<> arg_max(Call& call);
Result<> arg_min(Call& call);
Result<> softmax(Call& call);
Result<> log_softmax(Call& call);
Result<> hardmax(Call& call);
Result<> cum_sum(Call& call);
Result<> cum_prod(Call& call);
Result<> top_k(Call& call);
Result<> layer_normalization(Call& call);
Result<> rms_normalization(Call& call);
Result<> group_normalization(Call& call);
Result<> instance_normalization(Call& call);
Result<> batch_normalization(Call& call);
Result<> mean_variance_normalization(Call& call);
Result<> lp_normalization(Call& call);
Result<> lrn(Call& call);
Result<> negative_log_likelihood_loss(Call& call);
Result<> softmax_cross_entropy_loss(Call& call);

}  // namespace hearth::operators

// The kernels of this family; operators/matrix_table.cpp says which operator versions each one serves.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

// Products.
Result<> run_matmul(Call& call);
Result<> run_gemm(Call& call);
Result<> run_matmul_integer(Call& call);
Result<> run_qlinear_matmul(Call& call);
Result<> run_einsum(Call& call);
Result<> run_det(Call& call);
// The right factor packed, when it is constant float32.
Result<std::unique_ptr<Prepared>> prepare_matmul(const graph::Node& node, int64_t opset,
                                                 std::span<const Tensor* const> constants);
Result<std::unique_ptr<Prepared>> prepare_gemm(const graph::Node& node, int64_t opset,
                                               std::span<const Tensor* const> constants);

// Convolutions.
Result<> run_conv(Call& call);
Result<> run_conv_integer(Call& call);
Result<> run_qlinear_conv(Call& call);
Result<> run_conv_transpose(Call& call);
Result<> run_deform_conv(Call& call);
Result<> run_causal_conv_with_state(Call& call);
// The weights packed, when they are constant float32.
Result<std::unique_ptr<Prepared>> prepare_conv(const graph::Node& node, int64_t opset,
                                               std::span<const Tensor* const> constants);

// Pooling.
Result<> run_average_pool(Call& call);
Result<> run_max_pool(Call& call);
Result<> run_lp_pool(Call& call);
Result<> run_global_average_pool(Call& call);
Result<> run_global_max_pool(Call& call);
Result<> run_global_lp_pool(Call& call);
Result<> run_max_unpool(Call& call);

// Recurrent networks.
Result<> run_rnn(Call& call);
Result<> run_lstm(Call& call);
Result<> run_gru(Call& call);
// The weights packed, when they are constant float32.
Result<std::unique_ptr<Prepared>> prepare_rnn(const graph::Node& node, int64_t opset,
                                              std::span<const Tensor* const> constants);
Result<std::unique_ptr<Prepared>> prepare_lstm(const graph::Node& node, int64_t opset,
                                               std::span<const Tensor* const> constants);
Result<std::unique_ptr<Prepared>> prepare_gru(const graph::Node& node, int64_t opset,
                                              std::span<const Tensor* const> constants);

// Attention.
Result<> run_attention(Call& call);
Result<> run_flex_attention(Call& call);
Result<> run_linear_attention(Call& call);
Result<> run_rotary_embedding(Call& call);

// Signals.
Result<> run_dft(Call& call);
Result<> run_stft(Call& call);
Result<> run_blackman_window(Call& call);
Result<> run_hamming_window(Call& call);
Result<> run_hann_window(Call& call);
Result<> run_mel_weight_matrix(Call& call);

}  // namespace hearth::operators

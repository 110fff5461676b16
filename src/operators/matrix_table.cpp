// The operator versions that the kernels of operators/matrix serve. A kernel that looks the same in several versions
// has one entry from the first of them on: later versions added types, or attributes whose defaults are the old
// meaning.
#include "operators/matrix/kernels.h"

namespace hearth::operators {

std::span<const KernelEntry> matrix_kernels() {
  static constexpr int kEver = 1 << 20;
  static constexpr KernelEntry kTable[] = {
      // Products.
      {"", "MatMul", 1, kEver, run_matmul, prepare_matmul},
      {"", "Gemm", 1, kEver, run_gemm, prepare_gemm},
      {"", "MatMulInteger", 10, kEver, run_matmul_integer},
      {"", "QLinearMatMul", 10, kEver, run_qlinear_matmul},
      {"", "Einsum", 12, kEver, run_einsum},
      {"", "Det", 11, kEver, run_det},
      // Convolutions.
      {"", "Conv", 1, kEver, run_conv, prepare_conv},
      {"", "ConvInteger", 10, kEver, run_conv_integer},
      {"", "QLinearConv", 10, kEver, run_qlinear_conv},
      {"", "ConvTranspose", 1, kEver, run_conv_transpose},
      {"", "DeformConv", 19, kEver, run_deform_conv},
      {"", "CausalConvWithState", 27, kEver, run_causal_conv_with_state},
      // Pooling. Version 1 of the Lp pools had a fraction for p.
      {"", "AveragePool", 1, kEver, run_average_pool},
      {"", "MaxPool", 1, kEver, run_max_pool},
      {"", "LpPool", 2, kEver, run_lp_pool},
      {"", "GlobalAveragePool", 1, kEver, run_global_average_pool},
      {"", "GlobalMaxPool", 1, kEver, run_global_max_pool},
      {"", "GlobalLpPool", 2, kEver, run_global_lp_pool},
      {"", "MaxUnpool", 9, kEver, run_max_unpool},
      // Recurrent networks. Before version 7 they had the attribute output_sequence.
      {"", "RNN", 7, kEver, run_rnn, prepare_rnn},
      {"", "LSTM", 7, kEver, run_lstm, prepare_lstm},
      {"", "GRU", 7, kEver, run_gru, prepare_gru},
      // Attention.
      {"", "Attention", 23, kEver, run_attention},
      {"", "LinearAttention", 27, kEver, run_linear_attention},
      {"", "RotaryEmbedding", 23, kEver, run_rotary_embedding},
      {"ai.onnx.preview", "FlexAttention", 1, kEver, run_flex_attention},
      // Signals.
      {"", "DFT", 17, kEver, run_dft},
      {"", "STFT", 17, kEver, run_stft},
      {"", "BlackmanWindow", 17, kEver, run_blackman_window},
      {"", "HammingWindow", 17, kEver, run_hamming_window},
      {"", "HannWindow", 17, kEver, run_hann_window},
      {"", "MelWeightMatrix", 17, kEver, run_mel_weight_matrix},
  };
  return kTable;
}

}  // namespace hearth::operators

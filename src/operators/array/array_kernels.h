// The kernels of this folder; array_table.cpp says which operator versions they serve.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

Result<> run_affine_grid(Call& call);
Result<> run_center_crop_pad(Call& call);
Result<> run_col2im(Call& call);
Result<> run_compress(Call& call);
Result<> run_concat(Call& call);
Result<> run_constant(Call& call);
Result<> run_constant_of_shape(Call& call);
Result<> run_depth_to_space(Call& call);
Result<> run_expand(Call& call);
Result<> run_eye_like(Call& call);
Result<> run_flatten(Call& call);
Result<> run_gather(Call& call);
Result<> run_gather_elements(Call& call);
Result<> run_gather_nd(Call& call);
Result<> run_grid_sample(Call& call);
Result<> run_image_decoder(Call& call);
Result<> run_max_roi_pool(Call& call);
Result<> run_non_max_suppression(Call& call);
Result<> run_non_zero(Call& call);
Result<> run_one_hot(Call& call);
Result<> run_pad(Call& call);
Result<> run_range(Call& call);
Result<> run_reshape(Call& call);
Result<> run_resize(Call& call);
Result<> run_reverse_sequence(Call& call);
Result<> run_roi_align(Call& call);
Result<> run_scatter_elements(Call& call);
Result<> run_scatter_nd(Call& call);
Result<> run_shape(Call& call);
Result<> run_size(Call& call);
Result<> run_slice(Call& call);
Result<> run_space_to_depth(Call& call);
Result<> run_split(Call& call);
Result<> run_squeeze(Call& call);
Result<> run_tensor_scatter(Call& call);
Result<> run_tf_idf_vectorizer(Call& call);
Result<std::unique_ptr<Prepared>> prepare_tf_idf_vectorizer(const graph::Node& node, int64_t opset,
                                                            std::span<const Tensor* const> constants);
Result<> run_tile(Call& call);
Result<> run_transpose(Call& call);
Result<> run_trilu(Call& call);
Result<> run_unique(Call& call);
Result<> run_unsqueeze(Call& call);
Result<> run_upsample(Call& call);

}  // namespace hearth::operators

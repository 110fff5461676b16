#include "operators/array/array_kernels.h"

namespace hearth::operators {

std::span<const KernelEntry> array_kernels() {
  static constexpr KernelEntry kTable[] = {
      {.op_type = "AffineGrid", .since = 20, .run = run_affine_grid},
      {.op_type = "CenterCropPad", .since = 18, .run = run_center_crop_pad},
      {.op_type = "Col2Im", .since = 18, .run = run_col2im},
      {.op_type = "Compress", .since = 9, .run = run_compress},
      {.op_type = "Concat", .run = run_concat},
      {.op_type = "Constant", .run = run_constant},
      {.op_type = "ConstantOfShape", .since = 9, .run = run_constant_of_shape},
      {.op_type = "DepthToSpace", .run = run_depth_to_space},
      {.op_type = "Expand", .since = 8, .run = run_expand},
      {.op_type = "EyeLike", .since = 9, .run = run_eye_like},
      {.op_type = "Flatten", .run = run_flatten},
      {.op_type = "Gather", .run = run_gather, .reads_stored = 1u << 0},
      {.op_type = "GatherElements", .since = 11, .run = run_gather_elements},
      {.op_type = "GatherND", .since = 11, .run = run_gather_nd},
      {.op_type = "GridSample", .since = 16, .run = run_grid_sample},
      {.op_type = "ImageDecoder", .since = 20, .run = run_image_decoder},
      {.op_type = "MaxRoiPool", .run = run_max_roi_pool},
      {.op_type = "NonMaxSuppression", .since = 10, .run = run_non_max_suppression},
      {.op_type = "NonZero", .since = 9, .run = run_non_zero},
      {.op_type = "OneHot", .since = 9, .run = run_one_hot},
      {.op_type = "Pad", .run = run_pad},
      {.op_type = "Range", .since = 11, .run = run_range},
      {.op_type = "Reshape", .run = run_reshape},
      {.op_type = "Resize", .since = 10, .run = run_resize},
      {.op_type = "ReverseSequence", .since = 10, .run = run_reverse_sequence},
      {.op_type = "RoiAlign", .since = 10, .run = run_roi_align},
      {.op_type = "Scatter", .since = 9, .run = run_scatter_elements},
      {.op_type = "ScatterElements", .since = 11, .run = run_scatter_elements},
      {.op_type = "ScatterND", .since = 11, .run = run_scatter_nd},
      {.op_type = "Shape", .run = run_shape},
      {.op_type = "Size", .run = run_size},
      {.op_type = "Slice", .run = run_slice},
      {.op_type = "SpaceToDepth", .run = run_space_to_depth},
      {.op_type = "Split", .run = run_split},
      {.op_type = "Squeeze", .run = run_squeeze},
      {.op_type = "TensorScatter", .since = 24, .run = run_tensor_scatter},
      {.op_type = "TfIdfVectorizer", .since = 9, .run = run_tf_idf_vectorizer, .prepare = prepare_tf_idf_vectorizer},
      {.op_type = "Tile", .run = run_tile},
      {.op_type = "Transpose", .run = run_transpose},
      {.op_type = "Trilu", .since = 14, .run = run_trilu},
      {.op_type = "Unique", .since = 11, .run = run_unique},
      {.op_type = "Unsqueeze", .run = run_unsqueeze},
      {.op_type = "Upsample", .run = run_upsample},
  };
  return kTable;
}

}  // namespace hearth::operators

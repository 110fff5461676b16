// Operators on images: rules the operator's own suite does not reach, and numbers that nobody should believe.
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

using Floats = std::vector<float>;

Tensor floats(std::initializer_list<float> numbers) {
  return tensor<float>({static_cast<int64_t>(numbers.size())}, numbers);
}
Tensor ints(std::initializer_list<int64_t> numbers) {
  return tensor<int64_t>({static_cast<int64_t>(numbers.size())}, numbers);
}

TEST(Resize, OldVersionsPickByTheDirection) {
  const Tensor row = tensor<float>({4}, {1, 2, 3, 4});
  TestCall shrink("Resize", 10, {row, floats({0.6f})});
  ASSERT_TRUE(shrink.run());
  EXPECT_EQ(values<float>(shrink.out()), (Floats{1, 3}));  // 1 / 0.6 is 1.67: up
  TestCall grow("Resize", 10, {row, floats({1.5f})});
  ASSERT_TRUE(grow.run());
  EXPECT_EQ(values<float>(grow.out()), (Floats{1, 1, 2, 3, 3, 4}));
  TestCall upsample("Upsample", 7, {row});
  ASSERT_TRUE(upsample.with("scales", graph::Attribute::Data(std::vector<float>{1.5f})).run());
  EXPECT_EQ(values<float>(upsample.out()), values<float>(grow.out()));
  EXPECT_NE(TestCall("Upsample", 9, {row, floats({0.5f})}).error().find("at least 1"), std::string::npos);
}

TEST(Resize, ScalesAreSinglePrecision) {
  auto ten = Tensor::allocate(DType::F32, {10});
  ASSERT_TRUE(ten);
  std::fill_n(ten->mutable_data<float>(), 10, 1.0f);
  TestCall call("Resize", 13, {*ten, Value(), floats({0.7f})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out().dims(), (Dims{7}));
}

TEST(Resize, IntegersRoundAndSaturate) {
  TestCall call("Resize", 13, {tensor<uint8_t>({2}, {0, 255}), Value(), floats({4})});
  ASSERT_TRUE(call.with("mode", std::string("cubic")).run());
  const auto got = values<uint8_t>(call.out());
  EXPECT_EQ(got.front(), 0);  // the cubic curve goes below 0 and above 255 at the ends
  EXPECT_EQ(got.back(), 255);
  using C = std::complex<float>;
  TestCall complex("Resize", 13, {tensor<C>({2}, {C(0, 4), C(4, 0)}), Value(), floats({2})});
  ASSERT_TRUE(complex.with("mode", std::string("linear")).run());
  EXPECT_EQ(values<C>(complex.out()), (std::vector<C>{C(0, 4), C(1, 3), C(3, 1), C(4, 0)}));
}

TEST(Resize, AnInfinityStaysWhereItIs) {
  TestCall call("Resize", 13, {tensor<float>({3}, {1, INFINITY, 3}), Value(), Value(), ints({5})});
  ASSERT_TRUE(call.with("mode", std::string("linear"))
                  .with("coordinate_transformation_mode", std::string("align_corners"))
                  .run());
  EXPECT_EQ(values<float>(call.out()), (Floats{1, INFINITY, INFINITY, INFINITY, 3}));
}

TEST(Resize, StringsAreOnlyPicked) {
  const Tensor words = tensor<std::string>({2}, {"a", "b"});
  TestCall nearest("Resize", 13, {words, Value(), floats({2})});
  ASSERT_TRUE(nearest.run());
  EXPECT_EQ(values<std::string>(nearest.out()), (std::vector<std::string>{"a", "a", "b", "b"}));
  EXPECT_NE(
      TestCall("Resize", 13, {words, Value(), floats({2})}).with("mode", std::string("linear")).error().find("string"),
      std::string::npos);
}

TEST(Resize, RefusesSizesThatMakeNoSense) {
  const Tensor row = tensor<float>({2}, {1, 2});
  const auto error = [&](Value scales, Value sizes) {
    return TestCall("Resize", 13, {row, Value(), std::move(scales), std::move(sizes)}).error();
  };
  EXPECT_NE(error(floats({0}), {}).find("scale; got 0"), std::string::npos);
  EXPECT_NE(error(floats({std::nanf("")}), {}).find("scale; got nan"), std::string::npos);
  EXPECT_NE(error(floats({1e30f}), {}).find("need at most"), std::string::npos);
  EXPECT_NE(error({}, ints({-1})).find("got -1"), std::string::npos);
  EXPECT_NE(error({}, {}).find("neither"), std::string::npos);
  EXPECT_NE(error(floats({2}), ints({4})).find("both"), std::string::npos);
  EXPECT_NE(error(floats({2, 2}), {}).find("one for each axis"), std::string::npos);
  TestCall nothing("Resize", 13, {*Tensor::allocate(DType::F32, {0}), Value(), Value(), ints({2})});
  EXPECT_NE(nothing.error().find("no elements"), std::string::npos);
}

TEST(GridSample, PointsThatAreNoNumbersAreOutside) {
  const Tensor image = tensor<float>({1, 1, 1, 2}, {1, 2});
  const Tensor grid = tensor<float>({1, 1, 3, 2}, {std::nanf(""), 0, INFINITY, 0, -1e30f, 0});
  const auto sampled = [&](const std::string& padding, const std::string& mode) {
    TestCall call("GridSample", 20, {image, grid});
    EXPECT_TRUE(call.with("padding_mode", padding).with("mode", mode).run());
    return values<float>(call.out());
  };
  for (const char* mode : {"linear", "nearest", "cubic"}) {
    EXPECT_EQ(sampled("zeros", mode), (Floats{0, 0, 0})) << mode;
    const auto border = sampled("border", mode);
    EXPECT_FLOAT_EQ(border[1], 2) << mode;
    EXPECT_FLOAT_EQ(border[2], 1) << mode;
    for (const float value : sampled("reflection", mode)) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(GridSample, MoreTapsThanAreFoundAtATime) {
  // A cubic point of three axes has 64 taps; 20,000 points do not fit in one chunk.
  auto image = Tensor::allocate(DType::F32, {1, 2, 2, 2, 2});
  auto grid = Tensor::allocate(DType::F32, {1, 20000, 1, 1, 3});
  ASSERT_TRUE(image && grid);
  for (int i = 0; i < 16; ++i) image->mutable_data<float>()[i] = i < 8 ? 1.0f : 2.0f;
  std::fill_n(grid->mutable_data<float>(), 60000, 0.0f);
  TestCall call("GridSample", 20, {*image, *grid});
  ASSERT_TRUE(call.with("mode", std::string("cubic")).with("padding_mode", std::string("border")).run());
  for (int64_t i = 0; i < 40000; ++i) ASSERT_NEAR(call.out().data<float>()[i], i < 20000 ? 1 : 2, 1e-5) << i;
}

TEST(AffineGrid, ServesHalfPrecision) {
  TestCall call("AffineGrid", 20, {tensor_of<Half>({1, 2, 3}, {1, 0, 0, 0, 1, 0}), ints({1, 1, 2, 2})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(doubles<Half>(call.out()), (std::vector<double>{-0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5}));
  EXPECT_NE(TestCall("AffineGrid", 20, {tensor<float>({1, 2, 3}, {1, 0, 0, 0, 1, 0}), ints({2, 1, 2, 2})})
                .error()
                .find("need [2, 2, 3]"),
            std::string::npos);
}

TEST(RoiAlign, RefusesRegionsBeyondReason) {
  const Tensor image = tensor<float>({1, 1, 2, 2}, {1, 2, 3, 4});
  const auto error = [&](float right, int64_t batch) {
    return TestCall("RoiAlign", 16, {image, tensor<float>({1, 4}, {0, 0, right, 1}), ints({batch})}).error();
  };
  EXPECT_EQ(error(2, 0), "");
  EXPECT_NE(error(1e30f, 0).find("samples a bin"), std::string::npos);
  EXPECT_NE(error(std::nanf(""), 0).find("finite"), std::string::npos);
  EXPECT_NE(error(2, 1).find("batch index; got 1"), std::string::npos);
}

TEST(MaxRoiPool, DividesRegionsIntoBins) {
  const Tensor image = tensor<float>({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  TestCall call("MaxRoiPool", 7, {image, tensor<float>({1, 5}, {0, 0, 0, 2, 2})});
  ASSERT_TRUE(call.with("pooled_shape", {2, 2}).run());
  EXPECT_EQ(values<float>(call.out()), (Floats{5, 6, 8, 9}));  // the bins overlap in the middle
  TestCall outside("MaxRoiPool", 7, {image, tensor<float>({1, 5}, {0, 10, 10, 12, 12})});
  ASSERT_TRUE(outside.with("pooled_shape", {1, 1}).run());
  EXPECT_EQ(values<float>(outside.out()), (Floats{0}));
  TestCall wrong("MaxRoiPool", 7, {image, tensor<float>({1, 5}, {-1, 0, 0, 2, 2})});
  EXPECT_NE(wrong.with("pooled_shape", {1, 1}).error().find("batch index"), std::string::npos);
}

TEST(NonMaxSuppression, IgnoresScoresThatAreNoNumbers) {
  const Tensor boxes = tensor<float>({1, 3, 4}, {0, 0, 1, 1, 0, 0, 1, 1, 5, 5, 6, 6});
  TestCall call("NonMaxSuppression", 11,
                {boxes, tensor<float>({1, 1, 3}, {0.5f, std::nanf(""), 0.9f}), ints({3}), floats({0.5f})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int64_t>(call.out()), (std::vector<int64_t>{0, 0, 2, 0, 0, 0}));
  TestCall none("NonMaxSuppression", 11, {boxes, tensor<float>({1, 1, 3}, {1, 1, 1})});
  ASSERT_TRUE(none.run());
  EXPECT_EQ(none.out().dims(), (Dims{0, 3}));  // max_output_boxes_per_class is 0 by default
}

// ---- images
// -----------------------------------------------------------------------------------------------------------

Tensor bytes_of_text(const std::string& text) {
  auto made = Tensor::allocate(DType::U8, {static_cast<int64_t>(text.size())});
  CHECK(made);
  std::copy(text.begin(), text.end(), made->mutable_data<uint8_t>());
  return *made;
}
using Bytes = std::vector<uint8_t>;

// `text` decoded as `format`; {} and a message when it is refused.
Bytes decoded(const std::string& text, const std::string& format = "RGB") {
  TestCall call("ImageDecoder", 20, {bytes_of_text(text)});
  const auto done = call.with("pixel_format", format).run();
  EXPECT_TRUE(done) << done.error().message;
  return done ? values<uint8_t>(call.out()) : Bytes{};
}

TEST(ImageDecoder, ReadsPortableMaps) {
  EXPECT_EQ(decoded(std::string("P6 1 2 255\n\1\2\3\4\5\6", 17)), (Bytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decoded(std::string("P6 1 1 255\n\1\2\3", 14), "BGR"), (Bytes{3, 2, 1}));
  EXPECT_EQ(decoded("P2 # grey, as text\n2 1 15\n0 15"), (Bytes{0, 0, 0, 255, 255, 255}));
  EXPECT_EQ(decoded("P1 2 1\n01", "Grayscale"), (Bytes{255, 0}));
  EXPECT_EQ(decoded("P4 2 1\n\x40", "Grayscale"), (Bytes{255, 0}));
}

// 2 x 1 pixels of 24 bits: red, green.
std::string small_bmp() {
  std::string file(54, '\0');
  file.replace(0, 2, "BM");
  file[10] = 54, file[14] = 40, file[18] = 2, file[22] = 1, file[26] = 1, file[28] = 24;
  return file + std::string("\0\0\xff\0\xff\0\0\0", 8);
}

TEST(ImageDecoder, ReadsBitmaps) {
  EXPECT_EQ(decoded(small_bmp()), (Bytes{255, 0, 0, 0, 255, 0}));
  std::string compressed = small_bmp();
  compressed[30] = 1;
  EXPECT_NE(TestCall("ImageDecoder", 20, {bytes_of_text(compressed)}).error().find("BMP with compression 1"),
            std::string::npos);
}

TEST(ImageDecoder, DamagedBytesAreAnEmptyImage) {
  const std::string bmp = small_bmp();
  for (size_t length = 0; length < bmp.size() - 2; ++length) {
    TestCall call("ImageDecoder", 20, {bytes_of_text(bmp.substr(0, length))});
    ASSERT_TRUE(call.run()) << length;
    ASSERT_EQ(call.out().dims(), (Dims{0, 0, 3})) << length;
  }
  for (const std::string& text : {std::string(), std::string("P6 9999999 9999999 255\n"), std::string("P6 1 1 255\n\1"),
                                  std::string("hello"), std::string("\xff\xd8\xff\xe0"),
                                  std::string("\x89PNG\r\n\x1a\nxxxx"), std::string("II*\0\xff\xff\xff\xff", 8)}) {
    TestCall call("ImageDecoder", 20, {bytes_of_text(text)});
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.out().size(), 0);
  }
}

TEST(ImageDecoder, NamesTheFormatsItDoesNotRead) {
  const auto error = [](const std::string& text) {
    TestCall call("ImageDecoder", 20, {bytes_of_text(text)});
    const auto done = call.run();
    return done ? std::string() : done.error().message;
  };
  EXPECT_NE(error("RIFFxxxxWEBPVP8 ").find("WebP"), std::string::npos);
  EXPECT_NE(error(std::string("\0\0\0\x0cjP  \r\n", 10)).find("JPEG 2000"), std::string::npos);
}

}  // namespace
}  // namespace hearth::operators

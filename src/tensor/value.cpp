#include "tensor/value.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>

#include "base/file.h"
#include "tensor/dtype.h"

namespace hearth {

static_assert(sizeof(std::string) == info(DType::String).block_bytes);

Dims::Dims(std::span<const int64_t> sizes) {
  CHECK(fits(sizes.size()));
  std::ranges::copy(sizes, sizes_);
  rank_ = static_cast<int>(sizes.size());
}

void Dims::push_back(int64_t size) {
  insert(rank_, size);
}

void Dims::insert(int at, int64_t size) {
  CHECK(rank_ < HEARTH_MAX_RANK && at >= 0 && at <= rank_);
  std::copy_backward(sizes_ + at, sizes_ + rank_, sizes_ + rank_ + 1);
  sizes_[at] = size;
  ++rank_;
}

void Dims::erase(int at) {
  CHECK(at >= 0 && at < rank_);
  std::copy(sizes_ + at + 1, sizes_ + rank_, sizes_ + at);
  --rank_;
}

std::string to_string(const Dims& dims) {
  return fmt::format("[{}]", fmt::join(dims.begin(), dims.end(), ", "));
}

Result<int64_t> count_elements(std::span<const int64_t> dims) {
  int64_t count = 1;
  bool none = false;
  for (const int64_t size : dims) {
    if (size < 0) return fail(ErrorKind::Invalid, "[tensor] size of a dimension; got {}, need at least 0", size);
    none |= size == 0;
    // Sizes beside a zero still have to be sane: a kernel may multiply some of them.
    if (size > 0 && count > kMaxTensorElements / size)
      return fail(ErrorKind::Limit, "[tensor] elements; got [{}], need at most {}", fmt::join(dims, ", "),
                  kMaxTensorElements);
    if (size > 0) count *= size;
  }
  return none ? 0 : count;
}

namespace {

// Weights of a large model are written once while it loads: large pages take a fault each 2 MB instead of each 4 KB.
constexpr size_t kLargePage = size_t{2} << 20, kLargeTensor = 2 * kLargePage;

class HeapMemory final : public TensorMemory {
 public:
  Result<std::shared_ptr<std::byte>> allocate(size_t bytes) override {
    const std::align_val_t alignment{bytes >= kLargeTensor ? kLargePage : 64};
    void* data = ::operator new(std::max<size_t>(bytes, 1), alignment, std::nothrow);
    if (data == nullptr) return fail(ErrorKind::Limit, "[memory] the system has no {} bytes", bytes);
    if (bytes >= kLargeTensor) madvise(data, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);  // a wish, no more
    return std::shared_ptr<std::byte>(static_cast<std::byte*>(data),
                                      [alignment](std::byte* p) { ::operator delete(p, alignment); });
  }
};

}  // namespace

TensorMemory& heap_memory() {
  static HeapMemory memory;
  return memory;
}

Result<Tensor> Tensor::allocate(DType dtype, const Dims& dims, TensorMemory& memory) {
  if (is_quantised(dtype)) return fail(ErrorKind::Invalid, "[tensor] {} has no elements of its own", to_string(dtype));
  Tensor tensor;
  ASSIGN_OR_RETURN(tensor.size_, count_elements(dims));
  tensor.dtype_ = dtype;
  tensor.dims_ = dims;
  if (dtype == DType::String) {
    const auto count = static_cast<size_t>(tensor.size_);
    ASSIGN_OR_RETURN(auto room, memory.allocate(tensor.bytes()));  // counts against the budget and finds absurd sizes
    auto* strings = reinterpret_cast<std::string*>(room.get());
    std::uninitialized_value_construct_n(strings, count);
    auto owner = std::shared_ptr<const void>(strings, [room = std::move(room), count](const void* p) {
      std::destroy_n(static_cast<std::string*>(const_cast<void*>(p)), count);
    });
    tensor.data_ = strings;
    tensor.owner_ = std::move(owner);
    return tensor;
  }
  ASSIGN_OR_RETURN(auto room, memory.allocate(tensor.bytes()));
  tensor.data_ = room.get();
  tensor.owner_ = std::move(room);
  return tensor;
}

namespace {

// The elements of a deferred tensor, shared by all handles to it.
struct Deferred {
  explicit Deferred(StridedFloats made_of) : elements(std::move(made_of)) {}
  StridedFloats elements;
  std::mutex lock;
  std::shared_ptr<std::byte> room;          // under `lock`
  std::atomic<const void*> data = nullptr;  // room's, once it is filled
};

Result<const void*> written(Deferred& deferred) {
  const void* data = deferred.data.load(std::memory_order_acquire);
  if (data != nullptr) return data;
  const std::scoped_lock held(deferred.lock);
  if (deferred.room != nullptr) return deferred.room.get();
  const StridedFloats& elements = deferred.elements;
  ASSIGN_OR_RETURN(auto room, heap_memory().allocate(static_cast<size_t>(elements.size()) * sizeof(float)));
  elements.write(reinterpret_cast<float*>(room.get()));
  elements.release();
  deferred.room = std::move(room);
  deferred.data.store(deferred.room.get(), std::memory_order_release);
  return deferred.room.get();
}

Deferred& deferred_of(const std::shared_ptr<const void>& owner) {
  return *static_cast<Deferred*>(const_cast<void*>(owner.get()));
}

}  // namespace

void Tensor::release() const {
  if (deferred_) return deferred_of(owner_).elements.release();
  if (mapped_) release_pages({static_cast<const std::byte*>(data_), bytes()});
}

Tensor Tensor::defer(StridedFloats elements, const Dims& dims) {
  const auto count = count_elements(dims);
  CHECK(count && *count > 0 && *count == elements.size());
  Tensor tensor;
  tensor.data_ = elements.from;
  tensor.owner_ = std::make_shared<Deferred>(std::move(elements));
  tensor.dims_ = dims;
  tensor.size_ = *count;
  tensor.borrowed_ = tensor.deferred_ = true;
  return tensor;
}

const StridedFloats* Tensor::deferred() const {
  return deferred_ ? &deferred_of(owner_).elements : nullptr;
}

Result<> Tensor::write_out() const {
  if (deferred_) TRY(written(deferred_of(owner_)));
  return {};
}

const void* Tensor::written_out() const {
  const auto data = written(deferred_of(owner_));
  CHECK(data);  // who must be able to say that there is no memory calls write_out()
  return *data;
}

Tensor Tensor::borrow(const void* data, DType dtype, const Dims& dims, std::shared_ptr<const void> owner, bool mapped) {
  static constexpr std::byte kNothing[1] = {};
  const auto count = count_elements(dims);
  CHECK(count);
  Tensor tensor;
  tensor.data_ = data != nullptr ? data : kNothing;
  tensor.owner_ = std::move(owner);
  tensor.dims_ = dims;
  tensor.size_ = *count;
  tensor.dtype_ = dtype;
  tensor.borrowed_ = true;
  tensor.mapped_ = mapped;
  return tensor;
}

Tensor Tensor::reshaped(const Dims& dims) const {
  const auto count = count_elements(dims);
  CHECK(count && *count == size_);
  Tensor other = *this;
  other.dims_ = dims;
  return other;
}

Result<Tensor> Tensor::clone(TensorMemory& memory) const {
  ASSIGN_OR_RETURN(Tensor copy, allocate(dtype_, dims_, memory));
  if (dtype_ == DType::String)
    std::ranges::copy(strings(), copy.mutable_data<std::string>());
  else if (size_ > 0)
    std::memcpy(copy.mutable_raw(), raw(), bytes());
  return copy;
}

const Sequence* Value::sequence() const {
  const auto* held = std::get_if<std::shared_ptr<const Sequence>>(&data_);
  return held != nullptr ? held->get() : nullptr;
}

const Map* Value::map() const {
  const auto* held = std::get_if<std::shared_ptr<const Map>>(&data_);
  return held != nullptr ? held->get() : nullptr;
}

}  // namespace hearth

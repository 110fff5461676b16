// The checksums of the sections, the table and the trailer are made right first, so that the fuzzer gets behind them.
#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "import/pfm/format.h"
#include "import/pfm/read_pfm.h"
#include "tensor/checksum.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth;
  using import::pfm::Section;
  using import::pfm::Trailer;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= sizeof(Trailer)) {
    Trailer trailer;
    const size_t end = size - sizeof trailer;
    std::memcpy(&trailer, bytes.data() + end, sizeof trailer);
    if (trailer.table_offset <= end) {
      trailer.table_bytes = end - trailer.table_offset;
      for (size_t at = trailer.table_offset; at + sizeof(Section) <= end; at += sizeof(Section)) {
        Section section;
        std::memcpy(&section, bytes.data() + at, sizeof section);
        if (section.offset <= end && section.bytes <= end - section.offset)
          section.checksum = checksum(std::string_view(bytes).substr(section.offset, section.bytes));
        std::memcpy(bytes.data() + at, &section, sizeof section);
      }
      trailer.table_checksum = checksum(std::string_view(bytes).substr(trailer.table_offset, trailer.table_bytes));
    }
    trailer.file_bytes = size;
    trailer.checksum = checksum({reinterpret_cast<const char*>(&trailer), offsetof(Trailer, checksum)});
    std::memcpy(bytes.data() + end, &trailer, sizeof trailer);
  }
  (void)import::read_pfm(std::as_bytes(std::span(bytes)), nullptr);
  return 0;
}

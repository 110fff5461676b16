#include "base/build_id.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstring>
#include <span>

namespace hearth {

namespace {

struct Search {
  uintptr_t inside;  // an address of the module that is meant
  std::string found;
};

std::string id_in_notes(std::span<const unsigned char> notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) head;
    std::memcpy(&head, notes.data(), sizeof head);
    notes = notes.subspan(sizeof head);
    const auto padded = [](size_t bytes) { return (bytes + 3) / 4 * 4; };
    const size_t name = padded(head.n_namesz), content = padded(head.n_descsz);
    if (name > notes.size() || content > notes.size() - name) break;
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && std::memcmp(notes.data(), "GNU", 4) == 0) {
      std::string hex;
      for (const unsigned char byte : notes.subspan(name, head.n_descsz)) hex += fmt::format("{:02x}", byte);
      return hex;
    }
    notes = notes.subspan(name + content);
  }
  return {};
}

int visit(dl_phdr_info* module, size_t, void* context) {
  auto& search = *static_cast<Search*>(context);
  const std::span headers(module->dlpi_phdr, module->dlpi_phnum);
  bool ours = false;
  for (const auto& header : headers)
    ours |= header.p_type == PT_LOAD && search.inside - (module->dlpi_addr + header.p_vaddr) < header.p_memsz;
  if (!ours) return 0;
  for (const auto& header : headers)
    if (header.p_type == PT_NOTE && search.found.empty())
      search.found =
          id_in_notes({reinterpret_cast<const unsigned char*>(module->dlpi_addr + header.p_vaddr), header.p_memsz});
  return 1;
}

}  // namespace

std::string build_id() {
  Search search{reinterpret_cast<uintptr_t>(&visit), {}};
  dl_iterate_phdr(visit, &search);
  return search.found;
}

}  // namespace hearth

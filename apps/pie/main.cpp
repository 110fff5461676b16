#include "pie/command_line.h"

int main(int argc, char** argv) {
  return hearth::pie::run_command_line(argc, argv);
}

#include "flame/command_line.h"

int main(int argc, char** argv) {
  return hearth::flame::run_command_line(argc, argv);
}

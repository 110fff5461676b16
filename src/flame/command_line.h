// The `flame` program: words to commands, errors to exit codes.
#pragma once

namespace hearth::flame {

// The whole of main(). 0 done, 1 an error, 2 wrong usage, 130 ended by Ctrl-C.
int run_command_line(int argc, char** argv);

}  // namespace hearth::flame

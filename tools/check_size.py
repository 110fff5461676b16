#!/usr/bin/env python3
"""No source file over 800 lines; files over the soft limit (400, headers 200) are listed. Tables (.inc) and generated files are apart."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HARD, SOFT, SOFT_HEADER = 800, 400, 200


def main() -> int:
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    over = []
    for name in files:
        path = ROOT / name
        if path.suffix not in (".h", ".hpp", ".cpp", ".rs", ".py") or "/generated/" in name or not path.exists():
            continue
        lines = path.read_text(errors="replace").count("\n")
        soft = SOFT_HEADER if path.suffix in (".h", ".hpp") else SOFT
        if lines > soft:
            over.append((lines, name))
    for lines, name in sorted(over, reverse=True):
        print(f"{'over the hard limit of 800' if lines > HARD else 'over the soft limit'}: {name} has {lines} lines")
    return 1 if any(lines > HARD for lines, _ in over) else 0


if __name__ == "__main__":
    sys.exit(main())

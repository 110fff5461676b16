#!/usr/bin/env python3
"""How long our own C++ takes to build: cold (no compiler cache) and after touching one leaf file.

Cold is measured twice: what `./dev run` builds (pie and the guests), which has a limit, then everything, tests included.
The Rust library comes from its cache and is not counted.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLD_LIMIT_S, TOUCH_LIMIT_S = 360, 20
LEAF = "src/ops/ref/softcap.cpp"


def timed(command: list[str], **options) -> float:
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cargo", default="cargo")
    parser.add_argument("--leaf", default=LEAF, help=f"the file to touch (default {LEAF})")
    parser.add_argument("--only", choices=["cold", "touch"], help="one of the two")
    options = parser.parse_args()
    jobs = str(os.cpu_count())
    with tempfile.TemporaryDirectory(prefix="hearth-build-") as folder:
        build = ["ninja", "-C", folder, "-j", jobs]
        environment = os.environ | {"CCACHE_DISABLE": "1"}
        timed(["cmake", "-G", "Ninja", "-B", folder, "-DCMAKE_BUILD_TYPE=Release", f"-DHEARTH_CARGO={options.cargo}"])
        timed(build + ["hearth_rs_build"])
        cold = timed(build + ["pie", "inferlets"], env=environment)
        if options.only != "touch":
            print(f"cold build of pie and the guests, {jobs} jobs: {cold:.0f} s (limit {COLD_LIMIT_S} s)", flush=True)
            rest = timed(build, env=environment)
            print(f"cold build of everything, tests included: {cold + rest:.0f} s")
        os.utime(ROOT / options.leaf)
        touch = timed(build + ["pie"], env=environment)
        if options.only != "cold":
            print(f"touch {options.leaf}, rebuild and relink pie: {touch:.1f} s (limit {TOUCH_LIMIT_S} s)")
    sys.exit(cold > COLD_LIMIT_S or touch > TOUCH_LIMIT_S)


if __name__ == "__main__":
    main()

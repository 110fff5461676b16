#!/usr/bin/env python3
"""Holds the includes of src/ against the rooms declared in src/CMakeLists.txt.

A room may include only rooms of a lower level that it links; rooms on one level never see each other. Vendor headers
stay in the adapter folders of ADAPTERS. Apps and tests may include any room. Exit status 1 and one line per breach.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A vendor's headers, and the only places (below src/) that may include them.
ADAPTERS = {
    r"hearth_wasm": ("inferlet/wasm",),
    r"hearth_tokenizer": ("llm/tokenizer",),
    r"hearth_template": ("llm/chat_template",),
    r"hearth_grammar": ("llm/grammar",),
    r"hearth_component": ("pie/build", "pie/component"),
    r"curl/": ("net/",),
    r"openssl/": ("base/", "net/"),
    r"CLI/": ("cli/", "flame/", "pie/"),
    r"toml\+\+": ("pie/", "base/"),
    r"protozero/": ("import/onnx/",),
    r"re2/": ("operators/control/regex",),
    r"jpeglib|jerror": ("operators/array/image/jpeg",),
    r"png\.h": ("operators/array/image/png",),
    r"immintrin|x86intrin|cpuid": ("ops/cpu/",),
}


def rooms() -> dict[str, tuple[int, set[str]]]:
    found = {}
    text = (ROOT / "src/CMakeLists.txt").read_text()
    for name, level, links in re.findall(r"^hearth_room\((\w+)\s+LEVEL\s+(\d+)\s+LINKS\s+([^)]*)\)", text, re.M):
        found[name] = (int(level), set(re.findall(r"hearth_(\w+)", links)))
    return found


def breaches() -> list[str]:
    declared, found = rooms(), []
    for name, (level, links) in declared.items():
        for link in links - declared.keys() - {"rs"}:
            found.append(f"src/CMakeLists.txt: {name} links {link}, which is no room")
        for link in links & declared.keys():
            if declared[link][0] >= level:
                found.append(f"src/CMakeLists.txt: {name} (level {level}) links {link} (level {declared[link][0]})")
    for folder in sorted((ROOT / "src").iterdir()):
        if folder.is_dir() and folder.name not in declared and any(folder.rglob("*.*")):
            found.append(f"src/{folder.name}: not declared as a room in src/CMakeLists.txt")
    for file in sorted((ROOT / "src").rglob("*")):
        if file.suffix not in (".h", ".cpp", ".inc"):
            continue
        path = file.relative_to(ROOT / "src")
        room = path.parts[0]
        for number, line in enumerate(file.read_text().splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not include:
                continue
            target = include.group(2)
            other = target.split("/")[0]
            if include.group(1) == '"' and other in declared and other != room and other not in declared[room][1]:
                found.append(f"src/{path}:{number}: {room} includes {target}, but does not link {other}")
            for pattern, places in ADAPTERS.items():
                if re.match(pattern, target) and not str(path).startswith(places):
                    found.append(f"src/{path}:{number}: {target} belongs in {' or '.join(places)}")
    return found


if __name__ == "__main__":
    lines = breaches()
    print("\n".join(lines) if lines else "layers: all includes stay within their rooms' links")
    sys.exit(1 if lines else 0)

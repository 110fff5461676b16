#!/usr/bin/env python3
"""Reads ctest's JUnit report: prints failed tests with their output and why tests were skipped, then `passed failed skipped`."""

import sys
import xml.etree.ElementTree as tree


def main() -> int:
    passed, failed, skipped = 0, [], {}
    for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
        output = (case.findtext("system-out") or "").strip()
        if case.find("failure") is not None or case.get("status") == "fail":
            failed.append((case.get("name"), output))
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            reasons = [line.strip() for line in output.splitlines() if "skip" in line.lower()]
            reason = next((line for line in reasons if not line.startswith("[")), None)
            reason = reason or (output.splitlines()[-1] if output else "no reason given")
            skipped.setdefault(reason[:160], []).append(case.get("name"))
        else:
            passed += 1
    for reason, names in skipped.items():
        print(f"skipped {len(names)}: {reason} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})")
    for name, output in failed:
        print(f"FAILED {name}")
        print("\n".join("    " + line for line in output.splitlines()[-30:]))
    print(passed, len(failed), sum(map(len, skipped.values())))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Runs the conformance cases and fails when a case file passes fewer cases than tests/conformance/passing.txt says.

    ratchet.py queries|rest [--weir build/weir] [--suite DIR] [--accept]

DIR holds queries.py, rest.py and their cases; without it ../shared/conformance beside the checkout is used, and when there
is none the run is skipped with a message. --accept writes the present counts into passing.txt.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PASSING = os.path.join(HERE, "passing.txt")
# rest.py needs Debian's python3-kafka, which only the system's Python sees.
SYSTEM_PYTHON = "/usr/bin/python3"


def read_passing():
    counts = {}
    if os.path.exists(PASSING):
        for line in open(PASSING, encoding="utf-8"):
            if line.strip() and not line.startswith("#"):
                kind, name, count = line.split()
                counts[kind, name] = int(count)
    return counts


def write_passing(counts):
    with open(PASSING, "w", encoding="utf-8") as f:
        f.write("# Cases that pass, by judge and case file; CI fails when one becomes fewer.\n")
        for (kind, name), count in sorted(counts.items()):
            f.write("%s %s %d\n" % (kind, name, count))


def runnable(kind, suite):
    """Names of the case files, one for each case that the judge runs."""
    if kind == "rest":
        out = subprocess.run([SYSTEM_PYTHON, os.path.join(suite, "rest.py"), "--list"], capture_output=True, text=True, check=True)
        return [line.split(" | ")[0] for line in out.stdout.split("\n") if " | " in line]
    sys.path.insert(0, suite)
    import cases  # the suite's own module
    found, _ = cases.read_cases(os.path.join(suite, "cases", "queries"), "*", lambda f, n: True)
    return [c[0] for c in found]


def judge(kind, suite, weir):
    """Passing cases by case file."""
    with tempfile.NamedTemporaryFile("r", suffix=".failures") as failures:
        command = [SYSTEM_PYTHON, os.path.join(suite, kind + ".py"), "--weir", weir, "--show", "0", "--failures", failures.name]
        out = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        print(out.stdout.strip().split("\n")[-1])
        counts = collections.Counter(runnable(kind, suite))
        for line in failures:
            if " | " in line:
                counts[line.split(" | ")[0]] -= 1
        return counts


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("kind", choices=["queries", "rest"])
    p.add_argument("--weir", default=os.path.join(ROOT, "build", "weir"))
    p.add_argument("--suite", default=os.path.join(os.path.dirname(ROOT), "shared", "conformance"))
    p.add_argument("--accept", action="store_true")
    a = p.parse_args()
    if not os.path.isdir(a.suite):
        print("conformance: skipped, there is no %s" % a.suite)
        return 0
    now = judge(a.kind, a.suite, a.weir)
    known = read_passing()
    fewer = [(name, count, now.get(name, 0)) for (kind, name), count in sorted(known.items())
             if kind == a.kind and now.get(name, 0) < count]
    if a.accept:
        known = {k: v for k, v in known.items() if k[0] != a.kind}
        known.update({(a.kind, name): count for name, count in now.items() if count > 0})
        write_passing(known)
        return 0
    for name, before, after in fewer:
        print("conformance: %s %s: %d cases pass, %d did before" % (a.kind, name, after, before))
    return 1 if fewer else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Checks what the house rules say and a machine can see (docs/contributing has the why of each).

    lint.py            check; exits 1 and lists what is wrong
    lint.py --ratchet  write tests/lint/ratchet.txt anew: it may only shrink

Checked: which folder includes which, file and function length, line length, banned calls, comments of public headers,
names of particular machines and left-over marks.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RATCHET = os.path.join(ROOT, "tests", "lint", "ratchet.txt")

# Who may include whom; never the other way round.
MAY_INCLUDE = {
    "base": {"base"},
    "broker": {"broker", "base"},
    "state": {"state", "base"},
    "engine": {"engine", "state", "base"},
    "sql": {"sql", "engine", "state", "base"},
    "grammar": {"grammar", "sql", "base"},
    "connect": {"connect", "engine", "broker", "state", "base"},
    "repl": {"repl", "base"},
    "server": {"server", "repl", "connect", "sql", "engine", "broker", "state", "base"},
}
# Third-party headers that only some folders may see.
CONFINED = {"sqlite3.h": {"state"}, "uv.h": {"server", "repl"}, "histedit.h": {"repl"},
            "librdkafka/rdkafka.h": {"connect"}, "nghttp2/nghttp2.h": {"server"}}
BANNED = {
    "strcpy": "use str, buf or memcpy with a checked size", "strcat": "use buf", "sprintf": "use snprintf or buf_printf",
    "gets": "never", "strtok": "use str_find", "alloca": "use an arena", "rand": "use base/rng", "srand": "use base/rng",
    "time": "take the time as an argument; base/clock at the edge", "gettimeofday": "base/clock", "setjmp": "errors are values",
    "longjmp": "errors are values", "system": "never", "atoi": "str_to_i64", "atol": "str_to_i64", "atof": "str_to_f64",
}
# Writing calls that belong to base/file alone (the design's rule for crash tests).
FILE_CALLS = {"pwrite", "pwritev", "ftruncate", "truncate", "fsync", "fdatasync", "rename", "unlink", "fallocate", "mkdir",
              "rmdir", "posix_fallocate", "sync_file_range", "fopen", "creat"}
# Files outside base/file that may write: the prompt's history and spool, and the edge.
FILE_CALLS_ALLOWED = ("base/file", "repl/", "tests/")
CLOCK_CALLS = {"clock_gettime", "clock_wall_ms", "clock_mono_ns"}
CLOCK_ALLOWED = ("base/clock", "base/log", "server/", "repl/", "tests/", "connect/cluster")
LINE_MAX, FILE_MAX, FUNCTION_MAX = 120, 700, 70

problems = []
over = {}


def problem(path, line, text):
    problems.append("%s:%d: %s" % (path, line, text))


def strip(text):
    """The text with comments and literals blanked out, of the same length."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_includes(path, text):
    folder = path.split("/")[0]
    for match in re.finditer(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, re.M):
        quoted, name = match.group(1) == '"', match.group(2)
        line = line_of(text, match.start())
        if name in CONFINED and folder not in CONFINED[name] and folder != "tests":
            problem(path, line, "<%s> may be included only by %s" % (name, ", ".join(sorted(CONFINED[name]))))
        if not quoted or folder not in MAY_INCLUDE or "/" not in name:
            continue
        target = name.split("/")[0]
        if target not in MAY_INCLUDE[folder]:
            problem(path, line, "%s/ may not include %s/ (\"%s\")" % (folder, target, name))


def check_calls(path, code):
    folder = path.split("/")[0]
    for match in re.finditer(r"(?<![\w.>])([a-z_]\w*)\s*\(", code):
        name = match.group(1)
        line = line_of(code, match.start())
        if name in BANNED:
            problem(path, line, "%s() is banned: %s" % (name, BANNED[name]))
        if name in FILE_CALLS and not path.startswith(FILE_CALLS_ALLOWED):
            problem(path, line, "%s() belongs to base/file" % name)
        if name in CLOCK_CALLS and not path.startswith(CLOCK_ALLOWED):
            problem(path, line, "%s(): below the edge, time is told (docs/architecture.md)" % name)
        if name == "getenv" and folder not in ("server", "repl", "tests"):
            problem(path, line, "getenv() only in server/ and repl/")


def check_functions(path, code):
    """Length of each function definition: from its first line to its closing brace in column 1."""
    lines = code.split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start + 1
            head = start - 1
            name = "?"
            while head > 0:
                found = re.search(r"(\w+)\s*\(", lines[head - 1])
                if found and not lines[head - 1].startswith(" "):
                    name = found.group(1)
                    break
                head -= 1
            if length > FUNCTION_MAX:
                over["function %s:%s" % (path, name)] = length
            start = None


def check_header(path, text, code):
    first = text.lstrip()
    if not first.startswith("/*"):
        problem(path, 1, "a header begins with a comment that says what it is for")
    lines = text.split("\n")
    bare = code.split("\n")
    depth = 0
    for number, line in enumerate(bare, 1):
        declares = depth == 0 and re.match(r"^(?!static|typedef|extern \"C\"|#|return|else)[A-Za-z_][\w\s\*]*\b\w+\s*\([^;{]*(\)|,)?", line)
        if declares and not line.startswith(" ") and "__attribute__" not in line.split("(")[0]:
            above = number - 2
            previous = lines[above].strip() if above >= 0 else ""
            documented = previous.endswith("*/") or (previous != "" and not previous.endswith("}"))
            if not documented:
                problem(path, number, "a public function has a comment above it: %s" % line.strip()[:60])
        depth += line.count("{") - line.count("}")


def check_marks(path, text):
    for match in re.finditer(r"\b(TODO|FIXME|XXX|HACK)\b", text):
        problem(path, line_of(text, match.start()), "left-over mark %s" % match.group(1))
    for match in re.finditer(r"(?<![\w.])/(work|farm|home/\w+)/", text):
        problem(path, line_of(text, match.start()), "a path of a particular machine")


def check_file(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    if not path.startswith("tests/lint/"):
        check_marks(path, text)
    if not path.endswith((".c", ".h")):
        return
    code = strip(text)
    lines = text.split("\n")
    if len(lines) > FILE_MAX:
        over["file %s" % path] = len(lines)
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            problem(path, number, "line of %d columns (at most %d)" % (len(line), LINE_MAX))
        if "\t" in line or line.rstrip() != line:
            problem(path, number, "tab or trailing space")
    check_includes(path, text)
    check_functions(path, code)
    check_calls(path, code)
    if path.endswith(".h"):
        check_header(path, text, code)


def read_ratchet():
    known = {}
    if os.path.exists(RATCHET):
        for line in open(RATCHET, encoding="utf-8"):
            if line.strip() and not line.startswith("#"):
                name, length = line.rsplit(None, 1)
                known[name] = int(length)
    return known


def main():
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\n")
    suffixes = (".c", ".h", ".re", ".y", ".py", ".sh", ".md", "Makefile", "run", ".js", ".sql")
    for path in sorted(set(files)):
        if path.endswith(suffixes) and os.path.exists(os.path.join(ROOT, path)):
            check_file(path)
    if "--ratchet" in sys.argv:
        with open(RATCHET, "w", encoding="utf-8") as f:
            f.write("# Files over %d and functions over %d lines that exist; the list may only shrink.\n" % (FILE_MAX, FUNCTION_MAX))
            for name in sorted(over):
                f.write("%s %d\n" % (name, over[name]))
        return 0
    known = read_ratchet()
    for name in sorted(over):
        if over[name] > known.get(name, 0):
            limit = known.get(name, FILE_MAX if name.startswith("file") else FUNCTION_MAX)
            problems.append("%s: %d lines (at most %d)" % (name, over[name], limit))
    for text in problems:
        print(text)
    print("lint: %d problems" % len(problems) if problems else "lint: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""What the programs of this folder share."""
import itertools
import os
import sys
import time
import traceback

names = itertools.count()


def fresh(prefix):
    return "%s-%d-%d" % (prefix, next(names), os.getpid())


def until(what, condition, seconds=20):
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "waited in vain for " + what
        time.sleep(0.05)


def main(module):
    """Runs every test_ function; prints "ok    NAME" or "FAIL  NAME: reason"."""
    failed = 0
    for name, test in list(module.items()):
        if not name.startswith("test_") or (len(sys.argv) > 2 and name not in sys.argv[2:]):
            continue
        try:
            test()
            print("ok    " + name, flush=True)
        except Exception as e:
            failed += 1
            print("FAIL  %s: %s %s" % (name, type(e).__name__, str(e).replace("\n", " ")), flush=True)
            traceback.print_exc()
    sys.stdout.flush()
    os._exit(1 if failed else 0)

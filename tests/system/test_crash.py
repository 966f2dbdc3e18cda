#!/usr/bin/python3
"""A short run of tests/crash/kill.py: exactly once over five deaths of the server (`make crash` does fifty)."""
import os
import sys
import time

import weir

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import kill


def test_every_result_is_exact_after_five_kills():
    kill.run(5, int(time.time()), 0.2, 1.0)


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

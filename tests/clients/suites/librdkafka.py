"""librdkafka's own test suite, of the version in @confluentinc/kafka-javascript 1.10.1 (2.15.1), against our server.

Modes: classic groups; the idempotent producer everywhere (-P); the consumer group protocol. A part is a list of tests that
fits into a shard; what upstream marks as a known issue is left out, local tests (without a broker) too.
"""
import os
import re
import shutil
import subprocess

import frame
from suites import tools

TOOLS = ["gcc", "g++", "make", "npm", "node"] + tools.TOOLS
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
# What the tests believe that they talk to; 4.2 would turn on those of share groups, which the server does not advertise.
KAFKA_VERSION = "4.1.0"
MODES = {"classic": ([], {}), "idempotent": (["-P"], {}), "consumer": ([], {"TEST_CONSUMER_GROUP_PROTOCOL": "consumer"})}
# First and last number of each part's tests; long ones stand alone.
PARTS = ["0000-0010", "0011-0017", "0018-0028", "0029-0032", "0033-0037", "0038-0041", "0042-0044", "0045-0052", "0053-0067",
         "0068-0080", "0081-0081", "0082-0092", "0093-0101", "0102-0103", "0104-0112", "0113-0113", "0114-0122", "0123-0191"]


def folder():
    def make(into):
        frame.run(["npm", "pack", "--silent", PACKAGE], cwd=into)
        package = next(f for f in os.listdir(into) if f.endswith(".tgz"))
        frame.run(["tar", "xzf", package, "--strip-components=3", "package/deps/librdkafka"], cwd=into)
        for script in ("configure", "lds-gen.py"):
            os.chmod(os.path.join(into, script), 0o755)
        frame.run(["./configure", "--disable-curl", "--enable-devel", "--disable-debug-symbols"], cwd=into)
        frame.run(["make", "-j2", "libs"], cwd=into)
        frame.run(["make", "-j2", "-C", "tests", "build"], cwd=into)
    return frame.installed(os.path.join(frame.CACHE, "librdkafka"), PACKAGE, make)


def install(cache):
    folder()
    tools.install(cache)


def numbers(part):
    """The tests of a part that need a broker, as the suite's own table has them."""
    with open(os.path.join(folder(), "tests", "test.c")) as f:
        table = f.read().split("struct test tests[] = {")[1].split("\n};")[0]
    first, last = part.split("-")
    found = re.findall(r"_TEST\((\d{4})_\w+,\s*([^,)]*)", table)
    return sorted({n for n, flags in found if first <= n <= last and "TEST_F_LOCAL" not in flags})


def work(mode, part):
    arguments, settings = MODES[mode]

    def tests(context):
        home = os.path.join(context.folder, "home")
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)
        wanted = numbers(part)
        with context.server() as server:
            with open(os.path.join(home, "test.conf"), "w") as f:
                f.write("metadata.broker.list=%s\n" % server.bootstrap)
            kafka = os.path.join(tools.shims())
            environment = dict(os.environ, TESTS=",".join(wanted), TEST_KAFKA_VERSION=KAFKA_VERSION,
                               LD_LIBRARY_PATH="%s/src:%s/src-cpp" % (folder(), folder()), KAFKA_PATH=kafka,
                               BROKERS=server.bootstrap, **settings)
            log = os.path.join(context.folder, "output.log")
            with open(log, "wb") as output:
                code = context.finish(subprocess.Popen(
                    [os.path.join(folder(), "tests", "test-runner"), "-p3", "-L", "-K", "-Q"] + arguments, cwd=home,
                    env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True))
        with open(log, errors="replace") as f:
            summary = re.sub(r"\033\[[0-9;]*m", "", f.read())
        lines = re.findall(r"(?m)^\| (\d{4}_\w+) +\| +(\w+) \| +[\d.]+s \|(.*)$", summary)
        if not lines:
            yield "(the program)", "ended with %s and without a summary, see %s" % (code, log)
        for test, state, more in lines:
            # What a flag leaves out was not asked for; a test that skips itself has to be on the list.
            if test[:4] in wanted and "negative test flags" not in more:
                yield test, None if state == "PASSED" else "%s %s, see %s" % (state, more.strip(), log)
    return tests


def shards():
    return [frame.Shard("librdkafka", mode, part, work(mode, part)) for mode in MODES for part in PARTS]

"""What the client suites share: the cache, toolchains, servers, and the running of shards.

A suite is a module of tests/clients/suites. It has TOOLS (the programs that it needs, or paths of files), install(cache)
(brings the clients into a folder of the cache; does nothing when they are there) and shards(), a list of Shard. A shard
takes at most nine minutes; its work is a function that is given a Context and yields (test, error text or None). A test that prints for itself
writes lines "ok    NAME ..." and "FAIL  NAME: reason" (Context.program reads them).
"""
import collections
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
import weir  # noqa: E402 - found by the line above

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir-clients")
SHARD_SECONDS = 540
# What every suite's server is told; suites were written for three brokers, hence the clamp.
OPTIONS = {"replication.factor.clamp": "true", "num.partitions": "4", "group.initial.rebalance.delay.ms": "0"}

Shard = collections.namedtuple("Shard", "suite mode part work")


def name(shard):
    return "/".join((shard.suite, shard.mode, shard.part))


def missing(tools):
    """Those of the programs, or files given by their paths, that are not there."""
    return [tool for tool in tools if not (os.path.exists(tool) if "/" in tool else shutil.which(tool))]


def run(arguments, **more):
    """Runs an installing command; its output is shown only when it fails."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise RuntimeError("%s failed:\n%s" % (" ".join(arguments), done.stdout.decode(errors="replace")[-4000:]))
    return done.stdout.decode(errors="replace")


def installed(folder, key, make):
    """The folder that make() fills, unless it did before: one for each key, text that names what is in it.

    Checkouts of different versions use the cache at the same time, hence a folder for each key, and the lock.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    folder += "-" + digest[:12]
    stamp = os.path.join(folder, ".weir-installed")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(stamp):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            make(folder)
            with open(stamp, "w") as f:
                f.write(digest)
    return folder


def read(*path):
    with open(os.path.join(HERE, *path)) as f:
        return f.read()


def not_applicable():
    """{(suite, test): reason} of the list of tests that cannot apply to a single node."""
    reasons = {}
    for line in read("not-applicable.txt").splitlines():
        if line.strip() and not line.startswith("#"):
            suite, test, reason = line.split(None, 2)
            reasons[suite, test] = reason
    return reasons


class Context:
    """What a shard's work is given: a folder for its logs, the time it has, and servers."""

    def __init__(self, folder):
        self.folder = folder
        self.deadline = time.time() + SHARD_SECONDS - 20
        os.makedirs(folder, exist_ok=True)

    def seconds(self):
        return max(1, self.deadline - time.time())

    def server(self, **settings):
        """A fresh server; settings are given with _ for the dots of their names."""
        options = dict(OPTIONS, **{k.replace("_", "."): v for k, v in settings.items()})
        return Server([o for k, v in options.items() for o in ("--set", "%s=%s" % (k, v))],
                      os.path.join(self.folder, "server.log"))

    def scram_server(self, user, password):
        """A server whose clients have to log in with SCRAM-SHA-256 or 512 as the user, made while logins were off."""
        from suites import tools
        server = self.server()
        server.start()
        try:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                tools.Tools(server).run("kafka-configs", "--entity-type", "users", "--entity-name", user, "--alter",
                                        "--add-config", "%s=[password=%s]" % (mechanism, password))
        except BaseException:
            server.kill()
            raise
        server.stop()
        server.options += ["--set", "sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512"]
        return server

    def program(self, arguments, **more):
        """Runs a program that reports its tests by lines; yields (test, error or None). Its end is a test too."""
        log = os.path.join(self.folder, "output.log")
        failed = []
        with open(log, "wb") as output:
            code = self.finish(subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT,
                                                start_new_session=True, **more))
        with open(log, errors="replace") as f:
            for line in f:
                if line.startswith("ok    "):
                    yield line.split()[1], None
                elif line.startswith("FAIL  "):
                    test, _, reason = line[6:].strip().partition(": ")
                    failed.append(test)
                    yield test, reason or "see " + log
        if code and not failed:
            yield "(the program)", "ended with %s, see %s" % (code, log)

    def finish(self, process):
        """Waits for a process within the shard's time, ends its whole group after that; its exit code."""
        try:
            return process.wait(self.seconds())
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "the time limit"


class Server(weir.Server):
    """A server whose log stays in the shard's folder."""

    def __init__(self, options, log):
        super().__init__(options=options)
        self.log_path = log
        open(log, "w").close()

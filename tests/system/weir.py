"""A Weir server for a test: its own data folder and free loopback ports; plain assertions.

    with weir.Server() as server:
        server.kcat("-L")
        server.sql("SHOW TOPICS;")

A test file is a program: it runs every function whose name begins with test_, prints one line for each, and exits
non-zero when one failed.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", os.path.join(ROOT, "build", "weir"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=10.0, pause=0.02):
    """Waits until condition() is true and returns its value."""
    deadline = time.time() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.time() > deadline:
            raise AssertionError("timed out waiting for " + what)
        time.sleep(pause)


class Server:
    def __init__(self, data=None, options=()):
        self.own = data is None
        self.data = data or tempfile.mkdtemp(prefix="weir-test-")
        self.http, self.kafka = free_port(), free_port()
        self.http_list = self.kafka_list = None  # for --http and --kafka; None: the one port of each
        self.options = list(options)
        self.process = None
        self.log_path = os.path.join(self.data, "server.log") if self.own else self.data.rstrip("/") + ".log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            sys.stderr.write(self.log()[-4000:])
        if self.process and self.process.poll() is None:
            self.stop()
        if self.own:
            shutil.rmtree(self.data, ignore_errors=True)

    @property
    def bootstrap(self):
        return "127.0.0.1:%d" % self.kafka

    def start(self, seconds=10.0):
        """Starts it and waits until it answers."""
        self.spawn()
        wait_for("the server", self.answers, seconds)

    def spawn(self):
        self.output = open(self.log_path, "ab")
        self.process = subprocess.Popen([WEIR, "serve", "--data", self.data, "--http", self.http_list or "127.0.0.1:%d" % self.http,
                                         "--kafka", self.kafka_list or self.bootstrap] + self.options,
                                        stdout=self.output, stderr=self.output)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("the server ended with %d:\n%s" % (self.process.returncode, self.log()[-2000:]))
        try:
            return self.request("GET", "/info")[0] == 200
        except OSError:
            return False

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        assert code == 0, "the server ended with %d:\n%s" % (code, self.log()[-2000:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def request(self, method, path, body=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def sql(self, text, properties=None, status=200):
        """POST /ksql; the entities."""
        got, body = self.request("POST", "/ksql", {"ksql": text, "streamsProperties": properties or {}})
        assert got == status, "%s answered %d: %s" % (text, got, body)
        return json.loads(body)

    def query(self, text, properties=None, timeout=20):
        """POST /query; the rows of a query that ends."""
        got, body = self.request("POST", "/query", {"ksql": text, "streamsProperties": properties or {}}, timeout)
        assert got == 200, "%s answered %d: %s" % (text, got, body)
        return [m["row"]["columns"] for m in json.loads(body) if m and "row" in m]

    def kcat(self, *args, stdin=None, check=True, timeout=30):
        """Runs kcat against the server and returns its standard output."""
        done = subprocess.run(["kcat", "-b", self.bootstrap] + list(args), input=stdin, capture_output=True, timeout=timeout)
        assert not check or done.returncode == 0, "kcat %s: %s" % (" ".join(args), done.stderr.decode(errors="replace"))
        return done.stdout


def main(module):
    failed = 0
    wanted = sys.argv[1:]
    for name, test in list(vars(module).items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        started = time.time()
        try:
            test()
            print("ok    %s (%.1f s)" % (name, time.time() - started), flush=True)
        except Exception:
            failed += 1
            print("FAIL  %s" % name, flush=True)
            traceback.print_exc()
    sys.exit(1 if failed else 0)

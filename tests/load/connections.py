#!/usr/bin/python3
"""A server with thousands of connections, and then a thousand clients of each hostile kind beside them.

    connections.py --weir build/weir [--idle 10000] [--active 1000] [--partitions 5000] [--hostile 1000] [--kinds a,b] [--tls]

One well-behaved client, a process of its own, produces and fetches all the time: with nobody else, with the crowd, and
with each hostile kind. The server's memory has a bound in each phase, and the well-behaved client may be so many times
slower than it was with the crowd alone: never an absolute time. The exit code says whether all of it held.
"""
import argparse
import heapq
import multiprocessing
import os
import random
import resource
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import weir  # noqa: E402
from test_bad_input_kafka import API_VERSIONS, CREATE_TOPICS, FETCH, METADATA, batch, header, produce, string  # noqa: E402

MB = 1 << 20
DESCRIPTORS = 20000
TOPIC_PARTITIONS = 100
BIG = 64 * MB  # what lies in the topic that is fetched and not read


def framed(request):
    return struct.pack(">i", len(request)) + request


def versions():
    return framed(header(API_VERSIONS, 0))


def metadata(topics):
    names = b"" if topics is None else b"".join(string(t) for t in topics)
    return framed(header(METADATA, 4) + struct.pack(">i", -1 if topics is None else len(topics)) + names + b"\x00")


def fetch(topic, partition, offset, wait_ms=0, min_bytes=0, max_bytes=MB):
    return framed(header(FETCH, 4) + struct.pack(">iiiib", -1, wait_ms, min_bytes, max_bytes, 0) + struct.pack(">i", 1) +
                  string(topic) + struct.pack(">i", 1) + struct.pack(">iqi", partition, offset, max_bytes))


def create(topic, partitions):
    return framed(header(CREATE_TOPICS, 2) + struct.pack(">i", 1) + string(topic) + struct.pack(">ih", partitions, 1) +
                  struct.pack(">ii", 0, 0) + struct.pack(">i", 60000) + b"\x00")


class Blocking:
    """A plain connection for one request at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, frame):
        self.socket.sendall(frame)
        need, got = 4, b""
        while len(got) < need:
            part = self.socket.recv(need - len(got) if need > 4 else 1 << 16)
            if not part:
                raise ConnectionError("the server closed the connection of a well-behaved client")
            got += part
            if len(got) >= 4:
                need = 4 + struct.unpack_from(">i", got)[0]
        return got[4:]


def nice_loops(function):
    """The crowd and the attackers take what the others leave: it is the server's time that is measured, not theirs."""
    def run(*args):
        os.nice(10)
        function(*args)
    return run


# ---- the well-behaved client ---------------------------------------------------------------------------------------

def well_behaved(port, pipe):
    """Small records, and from time to time a large batch. It answers each line of the pipe with the times since the last."""
    small, large = framed(produce("good", batch(b"x" * 100), acks=1)), framed(produce("good", batch(b"y" * 900000), acks=1, partition=1))
    c = Blocking(port)
    times, large_times, turn = [], [], 0
    try:
        while True:
            if pipe.poll():
                if pipe.recv() is None:
                    return
                pipe.send((times, large_times))
                times, large_times = [], []
            began = time.perf_counter()
            answer = c.ask(small)
            # Behind the correlation id: one topic's name, one partition's number, its error, its offset.
            error, offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len("good") + 4 + 4)
            if error != 0:
                raise ConnectionError("a produce request was answered with error %d" % error)
            c.ask(fetch("good", 0, offset))
            times.append(time.perf_counter() - began)
            turn += 1
            if turn % 50 == 0:
                began = time.perf_counter()
                c.ask(large)
                large_times.append(time.perf_counter() - began)
            time.sleep(0.003)
    except (OSError, ConnectionError) as e:
        pipe.send(str(e))


class WellBehaved:
    def __init__(self, port):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=well_behaved, args=(port, theirs), daemon=True)
        self.process.start()

    def times(self):
        """The times since the last call: of small ones and of large ones."""
        self.pipe.send(True)
        if not self.pipe.poll(60):
            raise AssertionError("the well-behaved client is held up for a minute")
        got = self.pipe.recv()
        assert not isinstance(got, str), got
        return got

    def end(self):
        self.process.kill()
        self.process.join()


# ---- crowds: many connections in one process -----------------------------------------------------------------------

class Conn:
    def __init__(self, sock):
        self.socket, self.out, self.at, self.want, self.got = sock, b"", 0, 0, bytearray()
        self.closed = self.waiting = False
        self.step = 0


class Crowd:
    """Connections on one epoll; what is done with them is the subclass's."""
    buffer = None  # SO_RCVBUF and SO_SNDBUF, for those who want the kernel to keep little

    def __init__(self, port, n):
        self.port, self.n = port, n
        self.epoll = select.epoll()
        self.conns = {}
        self.timers = []
        self.ticket = 0
        self.refused = self.lost = 0

    def connect(self):
        s = socket.socket()
        if self.buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.buffer)
        s.settimeout(30)
        s.connect(("127.0.0.1", self.port))
        s.setblocking(False)
        c = Conn(s)
        self.conns[s.fileno()] = c
        self.epoll.register(s.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        return c

    def later(self, seconds, c):
        self.ticket += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.ticket, c))

    def close(self, c):
        if c.closed:
            return
        c.closed = True
        self.conns.pop(c.socket.fileno(), None)
        c.socket.close()
        self.lost += 1

    def send(self, c, data):
        c.out, c.at = data, 0
        self.push(c)

    def push(self, c):
        try:
            while c.at < len(c.out):
                c.at += c.socket.send(memoryview(c.out)[c.at:c.at + 4 * MB])
            if c.waiting:
                c.waiting = False
                self.interest(c)
            self.sent(c)
        except BlockingIOError:
            if not c.waiting:
                c.waiting = True
                self.interest(c)
        except OSError:
            self.close(c)

    def interest(self, c):
        self.epoll.modify(c.socket.fileno(), self.reads(c) | select.EPOLLRDHUP | (select.EPOLLOUT if c.waiting else 0))

    def reads(self, c):
        return select.EPOLLIN

    def readable(self, c):
        try:
            data = c.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(c)
            return
        c.got += data
        while len(c.got) >= 4:
            n = 4 + struct.unpack_from(">i", c.got)[0]
            if len(c.got) < n:
                return
            answer = bytes(c.got[4:n])
            del c.got[:n]
            self.answered(c, answer)

    def turn(self, seconds):
        if self.timers:
            seconds = max(0.0, min(seconds, self.timers[0][0] - time.monotonic()))
        for fd, events in self.epoll.poll(seconds):
            c = self.conns.get(fd)
            if not c:
                continue
            if events & select.EPOLLOUT:
                self.push(c)
            if events & select.EPOLLIN and not c.closed:
                self.readable(c)
            elif events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                self.close(c)
        while self.timers and self.timers[0][0] <= time.monotonic():
            c = heapq.heappop(self.timers)[2]
            if not c.closed:
                self.due(c)

    def run(self, pipe):
        """Connects all, says so, then goes on until the pipe says otherwise."""
        for i in range(self.n):
            try:
                self.start(self.connect())
            except OSError:
                self.refused += 1
            if i % 50 == 0:
                self.turn(0)
        while not self.ready():
            self.turn(0.1)
        pipe.send("ready")
        while True:
            self.turn(0.05)
            if pipe.poll():
                if pipe.recv() is None:
                    return
                pipe.send((len(self.conns), self.lost, self.refused))

    # What a kind does:
    def start(self, c):
        pass

    def sent(self, c):
        pass

    def answered(self, c, answer):
        pass

    def due(self, c):
        pass

    def ready(self):
        return True


class Idle(Crowd):
    """ApiVersions and Metadata once, then nothing. Each tenth asks for all topics."""
    done = 0

    def start(self, c):
        c.step = 1
        self.send(c, versions())

    def answered(self, c, answer):
        c.step += 1
        if c.step == 2:
            self.send(c, metadata(None if self.done % 10 == 0 else ["good"]))
        self.done += c.step == 3

    def ready(self):
        return self.done + self.lost + self.refused >= self.n


class Active(Crowd):
    """A small record every few seconds, and a fetch of it."""
    period, topics, done = 4.0, 1, 0

    def start(self, c):
        c.topic, c.partition = "t%d" % random.randrange(self.topics), random.randrange(TOPIC_PARTITIONS)
        c.record = framed(produce(c.topic, batch(b"a" * 100), acks=1, partition=c.partition))
        self.later(random.random() * self.period, c)

    def due(self, c):
        c.step = 1
        self.send(c, c.record)

    def answered(self, c, answer):
        c.step += 1
        if c.step == 2:
            self.send(c, fetch(c.topic, c.partition, 0, max_bytes=4096))
        else:
            self.done += 1
            self.later(self.period * (0.75 + random.random() / 2), c)

    def ready(self):
        return self.done >= self.n


class NeverReads(Crowd):
    """Asks for 64 MB and does not read them."""
    buffer = 8192

    def reads(self, c):
        return 0

    def start(self, c):
        self.send(c, self.request())
        self.interest(c)

    def request(self):
        return fetch("big", 0, 0, max_bytes=BIG)


class Pipelines(NeverReads):
    """Asks for the metadata of all topics again and again and reads no answer."""

    def request(self):
        return metadata(None) * 2000


class PipelinesFetch(NeverReads):
    """The same with fetches of 64 MB each."""

    def request(self):
        return fetch("big", 0, 0, max_bytes=BIG) * 1000


class PipelinesTls(Pipelines):
    """The same on an encrypted connection."""

    def start(self, c):
        c.socket.setblocking(True)
        self.epoll.unregister(c.socket.fileno())
        self.conns.pop(c.socket.fileno())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        c.socket = context.wrap_socket(c.socket)
        c.socket.setblocking(False)
        self.conns[c.socket.fileno()] = c
        self.epoll.register(c.socket.fileno(), 0)
        try:
            c.socket.send(metadata(None) * 400)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass


class OneByte(Crowd):
    """A byte a second of a request that never ends."""
    request = framed(produce("good", batch(b"s" * 3000), acks=1))

    def start(self, c):
        self.later(random.random(), c)

    def due(self, c):
        self.later(1.0, c)
        at = c.step % len(self.request)
        c.step += 1
        self.send(c, self.request[at:at + 1])


class OneByteHttp(OneByte):
    """The same on the HTTP port; who is closed comes again."""
    request = b"POST /ksql HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b" " * 100000

    def answered(self, c, answer):
        pass


class OneByteTls(OneByte):
    """The same in a TLS handshake."""
    request = bytes.fromhex("1603010200010001fc0303") + b"\x5a" * 501


class Announces(Crowd):
    """Announces 2 GB; the connection has to be closed at once."""

    def start(self, c):
        self.send(c, struct.pack(">i", 0x7fffffff) + b"x" * 100)

    def ready(self):
        return self.lost + self.refused == self.n


class AnnouncesAll(Crowd):
    """Announces 100 MB and sends nothing more: what is announced must cost nothing."""

    def start(self, c):
        self.send(c, struct.pack(">i", 100 * 1000 * 1000) + header(0, 7))


class Stops(Crowd):
    """Announces 100 MB, sends 99 and stops, or stands there as the server stops reading."""
    buffer = 65536
    body = bytes(1000 * 1000)

    def start(self, c):
        c.left = 99
        self.send(c, struct.pack(">i", 100 * 1000 * 1000) + header(0, 7))

    def sent(self, c):
        # One piece for each turn, so that all of them advance.
        if c.left > 0 and not c.waiting:
            c.left -= 1
            self.later(0, c)

    def due(self, c):
        self.send(c, self.body)


class Waits(Stops):
    """A fetch that waits for an hour, and behind it requests of 30 MB, whole ones."""
    whole = framed(header(0, 7) + bytes(30 * MB))
    parts = [whole[i:i + MB] for i in range(0, len(whole), MB)]

    def start(self, c):
        c.left = 90
        self.send(c, fetch("good", 5, 0, wait_ms=3600000, min_bytes=1 << 30))

    def due(self, c):
        self.send(c, self.parts[(89 - c.left) % len(self.parts)])


class StopsHttp(Stops):
    """The same over HTTP: 15 of 16 MB of a body."""

    def start(self, c):
        c.left = 15
        self.send(c, b"POST /ksql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16700000\r\n\r\n")


class PipelinesHttp(NeverReads):
    """Asks over HTTP again and again and reads no answer."""

    def request(self):
        return b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n" * 20000


KINDS = {"never-reads": (NeverReads, "kafka"), "pipelines": (Pipelines, "kafka"), "pipelines-fetch": (PipelinesFetch, "kafka"),
         "pipelines-tls": (PipelinesTls, "tls"),
         "one-byte": (OneByte, "kafka"), "one-byte-tls": (OneByteTls, "tls"), "one-byte-http": (OneByteHttp, "http"),
         "announces-2gb": (Announces, "kafka"), "announces-100mb": (AnnouncesAll, "kafka"), "stops-at-99mb": (Stops, "kafka"),
         "waits-with-30mb": (Waits, "kafka"), "stops-http": (StopsHttp, "http"), "pipelines-http": (PipelinesHttp, "http")}

# What HTTP clients make the server hold has a bound for each connection and none in all: a thousand of these take 15 GB.
UNBOUNDED = ("stops-http", "pipelines-http")


@nice_loops
def crowd_process(kind, port, n, settings, pipe):
    crowd = kind(port, n)
    vars(crowd).update(settings)
    crowd.run(pipe)


class CrowdProcess:
    def __init__(self, kind, port, n, **settings):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=crowd_process, args=(kind, port, n, settings, theirs), daemon=True)
        self.began = time.monotonic()
        self.process.start()

    def ready(self, seconds):
        """Waits until the connections are there; the seconds that it took, or None when it takes longer."""
        if not self.pipe.poll(seconds):
            return None
        self.pipe.recv()
        return time.monotonic() - self.began

    def counts(self):
        """How many connections there are, how many the server closed, how many it did not take."""
        self.pipe.send(True)
        return self.pipe.recv()

    def end(self):
        self.process.kill()
        self.process.join()


# ---- the server ----------------------------------------------------------------------------------------------------

def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


class Server(weir.Server):
    """With 20,000 descriptors, a port for TLS, and a look at its memory."""

    def __init__(self, options=()):
        super().__init__()
        self.tls = weir.free_port()
        self.kafka_list = "PLAINTEXT://127.0.0.1:%d,SSL://127.0.0.1:%d" % (self.kafka, self.tls)
        pem = os.path.join(self.data, "server.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pem + ".key",
                        "-out", pem + ".crt", "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
        with open(pem, "w") as both:
            for part in (".key", ".crt"):
                with open(pem + part) as f:
                    both.write(f.read())
        self.options = ["--set", "ssl.keystore.location=" + pem] + list(options)

    def start(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.output = open(self.log_path, "ab")
        self.process = subprocess.Popen([weir.WEIR, "serve", "--data", self.data, "--http", "127.0.0.1:%d" % self.http, "--kafka", self.kafka_list] +
                                        self.options, stdout=self.output, stderr=self.output, preexec_fn=limit_descriptors)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
        weir.wait_for("the server", self.answers)

    def port(self, which):
        return {"kafka": self.kafka, "tls": self.tls, "http": self.http}[which]

    def status(self, field):
        with open("/proc/%d/status" % self.process.pid) as f:
            return [int(line.split()[1]) / 1024 for line in f if line.startswith(field + ":")][0]

    def forget_peak(self):
        with open("/proc/%d/clear_refs" % self.process.pid, "w") as f:
            f.write("5")

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def cpu(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- measuring -----------------------------------------------------------------------------------------------------

def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))] if values else 0.0


class Sample:
    """What the well-behaved client saw in so many pieces: p99 is the median of the pieces' p99, which noise moves little."""

    def __init__(self, good, pieces, seconds, server):
        good.times()
        cpu, began = server.cpu(), time.monotonic()
        parts = []
        for _ in range(pieces):
            time.sleep(seconds)
            parts.append(good.times())
        small, large = [t for p in parts for t in p[0]], [t for p in parts for t in p[1]]
        assert len(small) >= pieces and large, "the well-behaved client is held up: %d requests, %d large ones" % (len(small), len(large))
        self.p50, self.max = quantile(small, 0.5), max(small)
        self.p99 = quantile([quantile(p[0], 0.99) for p in parts if p[0]], 0.5)
        self.large50, self.large_max = quantile(large, 0.5), max(large)
        self.cpu = (server.cpu() - cpu) / (time.monotonic() - began)

    def __str__(self):
        return "p50 %6.2f p99 %6.2f max %7.2f ms, 900 KB p50 %6.2f max %7.2f ms, CPU %3.0f %%" % (
            self.p50 * 1e3, self.p99 * 1e3, self.max * 1e3, self.large50 * 1e3, self.large_max * 1e3, self.cpu * 100)


class Run:
    def __init__(self, options):
        self.o = options
        self.failures = []

    def must(self, truth, text):
        if not truth:
            self.failures.append(text)
            print("FAIL  " + text, flush=True)

    def line(self, what, server, sample, more=""):
        print("%-16s RSS %6.1f MB, peak %6.1f MB, %5d descriptors, %s%s" % (
            what, server.status("VmRSS"), server.status("VmHWM"), server.descriptors(), sample, more), flush=True)

    def make_topics(self, server):
        c = Blocking(server.kafka)
        c.socket.settimeout(120)
        self.topics = max(1, self.o.partitions // TOPIC_PARTITIONS)
        began = time.monotonic()
        for i in range(self.topics):
            c.ask(create("t%d" % i, TOPIC_PARTITIONS))
        for name, n in (("good", 10), ("big", 1)):
            c.ask(create(name, n))
        print("%d partitions made in %.1f s" % (self.topics * TOPIC_PARTITIONS, time.monotonic() - began), flush=True)
        big = framed(produce("big", batch(b"z" * 990000), acks=1))
        for _ in range(BIG // 990000 + 1):
            c.ask(big)

    def crowd(self, server, good):
        idle = CrowdProcess(Idle, server.tls if self.o.tls else server.kafka, self.o.idle) if not self.o.tls else None
        if idle is None:
            idle = CrowdProcess(IdleTls, server.tls, self.o.idle)
        before = server.status("VmRSS")
        took = idle.ready(300)
        assert took is not None, "the idle connections are not served"
        alive, lost, refused = idle.counts()
        self.must(alive == self.o.idle, "%d of %d idle connections are served (%d closed, %d refused)" % (alive, self.o.idle, lost, refused))
        print("%d idle connections in %.1f s, %.1f KB each" % (alive, took, (server.status("VmRSS") - before) * 1024 / max(1, alive)), flush=True)
        active = CrowdProcess(Active, server.kafka, self.o.active, topics=self.topics)
        took = active.ready(300)
        assert took is not None, "the active connections are not served"
        return idle, active

    def hostile(self, server, good, name, base, memory):
        kind, port = KINDS[name]
        server.forget_peak()
        crowd = CrowdProcess(kind, server.port(port), self.o.hostile)
        took = crowd.ready(120)
        self.must(took is not None, "%s: not done in two minutes" % name)
        sample = Sample(good, self.o.pieces, self.o.seconds, server)
        alive, lost, refused = crowd.counts() if took is not None else (0, 0, 0)
        self.line(name, server, sample, ", %d there, %d closed" % (alive, lost))
        peak = server.status("VmHWM")
        self.must(peak <= memory, "%s: the server took %.0f MB, more than %.0f" % (name, peak, memory))
        self.must(sample.p50 <= base.p50 * self.o.ratio, "%s: p50 %.1f times as long" % (name, sample.p50 / base.p50))
        self.must(sample.p99 <= base.p99 * self.o.ratio, "%s: p99 %.1f times as long" % (name, sample.p99 / base.p99))
        self.must(sample.large50 <= base.large50 * self.o.ratio, "%s: 900 KB %.1f times as long" % (name, sample.large50 / base.large50))
        crowd.end()
        time.sleep(1)
        good.times()
        print("%-16s RSS %6.1f MB" % ("  after it", server.status("VmRSS")), flush=True)

    def all(self):
        with Server(self.o.set) as server:
            self.make_topics(server)
            good = WellBehaved(server.kafka)
            time.sleep(1)
            alone = Sample(good, self.o.pieces, self.o.seconds, server)
            self.line("alone", server, alone)
            crowds = self.crowd(server, good)
            base = Sample(good, self.o.pieces, self.o.seconds, server)
            self.line("with the crowd", server, base)
            memory = server.status("VmRSS") + self.o.memory
            for name in self.o.kinds:
                self.hostile(server, good, name, base, memory)
            for name, crowd in zip(("idle", "active"), crowds):
                alive, lost, refused = crowd.counts()
                self.must(lost == 0, "%d of the %s connections were closed" % (lost, name))
                crowd.end()
            good.end()
            time.sleep(2)
            print("%-16s RSS %6.1f MB, %d descriptors" % ("at the end", server.status("VmRSS"), server.descriptors()), flush=True)
            assert "too many open files" not in server.log().lower(), server.log()[-2000:]
        return not self.failures


class IdleTls(Idle):
    """The same over TLS: the handshakes one after the other."""

    def run(self, pipe):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        kept = []
        for _ in range(self.n):
            s = context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 30))
            for frame in (versions(), metadata(["good"])):
                s.sendall(frame)
                s.recv(1 << 16)
            kept.append(s)
        pipe.send("ready")
        while pipe.recv() is not None:
            pipe.send((len(kept), 0, 0))


def options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", default=weir.WEIR)
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--active", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=5000)
    parser.add_argument("--hostile", type=int, default=1000, help="clients of each hostile kind")
    parser.add_argument("--kinds", default=",".join(k for k in KINDS if k not in UNBOUNDED), type=lambda s: [k for k in s.split(",") if k], help="hostile kinds, with commas; not by default: " + ", ".join(UNBOUNDED))
    parser.add_argument("--pieces", type=int, default=8, help="pieces of a measurement")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a piece")
    parser.add_argument("--ratio", type=float, default=5.0, help="so many times slower may the well-behaved client become")
    parser.add_argument("--memory", type=float, default=512, help="MB that hostile clients may add")
    parser.add_argument("--tls", action="store_true", help="the idle connections are encrypted")
    parser.add_argument("--set", action="append", default=[], help="a setting of the server")
    o = parser.parse_args(arguments)
    unknown = [k for k in o.kinds if k not in KINDS]
    if unknown:
        parser.error("no such kind: " + ", ".join(unknown))
    o.set = [word for s in o.set for word in ("--set", s)]
    return o


def main():
    o = options()
    weir.WEIR = os.path.abspath(o.weir)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.exit(0 if Run(o).all() else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Hostile Kafka requests: each gets Kafka's code or a closed connection, and everyone else goes on."""
import random
import socket
import struct
import sys
import threading
import time

from kafka.record.default_records import DefaultRecordBatchBuilder

import weir

PRODUCE, FETCH, LIST_OFFSETS, METADATA, JOIN_GROUP, API_VERSIONS, CREATE_TOPICS = 0, 1, 2, 3, 11, 18, 19
UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE, UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_REQUIRED_ACKS = -1, 2, 3, 10, 21
UNSUPPORTED_VERSION, UNSUPPORTED_FOR_FORMAT, INVALID_RECORD = 35, 43, 87


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def header(key, version, correlation=7, client="bad"):
    return struct.pack(">hhi", key, version, correlation) + string(client)


def batch(*values, codec=0, producer=(-1, -1, -1)):
    b = DefaultRecordBatchBuilder(2, codec, False, producer[0], producer[1], producer[2], 1 << 20)
    for i, v in enumerate(values):
        b.append(i, 1700000000000 + i, b"k", v, [])
    return bytes(b.build())


def produce(topic, records, acks=-1, version=7, partition=0):
    data = struct.pack(">h", -1) + struct.pack(">hi", acks, 5000) + struct.pack(">i", 1) + string(topic)
    data += struct.pack(">ii", 1, partition) + struct.pack(">i", len(records)) + records
    return header(PRODUCE, version) + data


class Wire:
    """A bare connection to the Kafka port."""

    def __init__(self, server, seconds=5.0):
        self.socket = socket.create_connection(("127.0.0.1", server.kafka))
        self.socket.settimeout(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    def send(self, request):
        self.socket.sendall(struct.pack(">i", len(request)) + request)

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                return None
            data += part
        return data

    def answer(self):
        """The response behind its correlation id, or None when the server closed the connection."""
        try:
            size = self.read(4)
            return None if size is None else self.read(struct.unpack(">i", size)[0])[4:]
        except ConnectionResetError:
            return None

    def ask(self, request):
        try:
            self.send(request)
        except (ConnectionResetError, BrokenPipeError):
            return None
        return self.answer()

    def produce(self, topic, records, acks=-1, partition=0):
        """The error code for the only partition."""
        got = self.ask(produce(topic, records, acks, partition=partition))
        assert got is not None, "closed"
        at = 4 + 2 + len(topic) + 4 + 4
        return struct.unpack(">h", got[at:at + 2])[0]


class Neighbour(threading.Thread):
    """A well-behaved client that produces and reads the whole time; at the end nothing of it may be missing."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ending, self.sent, self.error = server, False, 0, None
        server.kcat("-P", "-t", "neighbour", "-p", "0", stdin=b"0\n")
        self.start()

    def run(self):
        with Wire(self.server) as wire:
            while not self.ending:
                self.sent += 1
                code = wire.produce("neighbour", batch(b"%d" % self.sent))
                if code != 0:
                    self.error = code
                    return
                time.sleep(0.005)

    def check(self):
        self.ending = True
        self.join()
        assert self.error is None, self.error
        got = self.server.kcat("-C", "-t", "neighbour", "-e", "-q").split()
        assert got == [b"%d" % i for i in range(self.sent + 1)], (len(got), self.sent)


class Attack:
    """A server with a neighbour; at the end both must be well and the log must hold no internal error."""

    def __init__(self, **options):
        self.options = options

    def __enter__(self):
        self.server = weir.Server(**self.options)
        self.server.__enter__()
        self.neighbour = Neighbour(self.server)
        return self.server

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.neighbour.check()
            assert self.server.request("GET", "/info")[0] == 200
        self.server.__exit__(kind, value, trace)


def test_versions_that_do_not_exist_are_refused_as_kafka_refuses_them():
    with Attack() as server:
        for version in (-1, 99, 32767):  # KIP-511: an answer of version 0 that names the versions of ApiVersions
            with Wire(server) as wire:
                got = wire.ask(header(API_VERSIONS, version))
                assert got is not None and struct.unpack(">h", got[:2])[0] == UNSUPPORTED_VERSION, (version, got)
                n = struct.unpack(">i", got[2:6])[0]
                keys = [struct.unpack(">hhh", got[6 + 6 * i:12 + 6 * i]) for i in range(n)]
                assert API_VERSIONS in [k for k, _, _ in keys], keys
                # The connection stays open for a request in a version that was named.
                assert struct.unpack(">h", wire.ask(header(API_VERSIONS, 0))[:2])[0] == 0
        with Wire(server) as wire:
            got = wire.ask(header(API_VERSIONS, 0))
        n = struct.unpack(">i", got[2:6])[0]
        table = [struct.unpack(">hhh", got[6 + 6 * i:12 + 6 * i]) for i in range(n)]
        assert n > 20
        for key, lowest, highest in table:
            for version in {lowest - 1, highest + 1, -1, 32767}:
                if key == API_VERSIONS or (lowest <= version <= highest):
                    continue
                with Wire(server) as wire:
                    assert wire.ask(header(key, version) + b"\x00" * 64) is None, (key, version)


def test_unknown_keys_close_the_connection():
    with Attack() as server:
        for key in (-1, 4, 5, 6, 7, 52, 999, 32767, -32768):
            with Wire(server) as wire:
                assert wire.ask(header(key, 0) + b"\x00" * 32) is None, key


def test_requests_cut_anywhere_close_the_connection_or_are_answered():
    with Attack() as server:
        whole = [produce("cut", batch(b"x")), header(METADATA, 4) + struct.pack(">i", 1) + string("cut") + b"\x00",
                 header(JOIN_GROUP, 2) + string("g") + struct.pack(">ii", 6000, 6000) + string("") + string("consumer") +
                 struct.pack(">i", 1) + string("range") + struct.pack(">i", 4) + b"\x00\x00\x00\x00",
                 header(CREATE_TOPICS, 2) + struct.pack(">i", 1) + string("cut2") + struct.pack(">ih", 1, 1) +
                 struct.pack(">ii", 0, 0) + struct.pack(">i", 1000) + b"\x01"]
        server.kcat("-P", "-t", "cut", stdin=b"0\n")
        for request in whole:
            for n in range(len(request)):
                with Wire(server) as wire:
                    assert wire.ask(request[:n]) is None, (n, request[:n])
        # Behind a request that is too long for its fields as well.
        for request in whole[1:3]:
            with Wire(server) as wire:
                wire.ask(request + b"\x00" * 5)
        assert server.kcat("-C", "-t", "cut", "-e", "-q") == b"0\n"


def test_counts_and_lengths_that_lie_are_not_believed():
    with Attack() as server:
        huge = [header(METADATA, 4) + struct.pack(">i", 0x7fffffff), header(METADATA, 4) + struct.pack(">i", -7),
                header(METADATA, 4) + struct.pack(">i", 1) + struct.pack(">h", 32767), header(METADATA, 9) + b"\x00\xff\xff\xff\xff\x0f",
                header(PRODUCE, 7) + struct.pack(">hhi", -1, -1, 100) + struct.pack(">i", 0x10000000),
                header(FETCH, 4) + struct.pack(">iiiib", -1, 100, 1, 0x7fffffff, 0) + struct.pack(">i", 0x7ffffff0),
                header(LIST_OFFSETS, 1) + struct.pack(">i", -1) + struct.pack(">i", 0x7fffffff)]
        for request in huge:
            with Wire(server) as wire:
                assert wire.ask(request) is None, request


def test_bad_batches_get_kafkas_codes_and_nothing_is_stored():
    with Attack() as server:
        server.kcat("-P", "-t", "b", "-p", "0", stdin=b"first\n")
        good = batch(b"value")

        def changed(at, data):
            return good[:at] + data + good[at + len(data):]

        def sealed(data):
            from kafka.record.util import calc_crc32c
            return data[:17] + struct.pack(">I", calc_crc32c(data[21:])) + data[21:]

        cases = [("a wrong CRC", changed(17, b"\x00\x00\x00\x01"), CORRUPT_MESSAGE),
                 ("a flipped value", changed(len(good) - 3, b"\xee"), CORRUPT_MESSAGE),
                 ("a batch that ends early", good[:-4], INVALID_RECORD),
                 ("half a header", good[:30], INVALID_RECORD),
                 ("a length below a header", changed(8, struct.pack(">i", 3)), CORRUPT_MESSAGE),
                 ("a negative length", changed(8, struct.pack(">i", -1)), CORRUPT_MESSAGE),
                 ("two batches", good + good, INVALID_RECORD),
                 ("a control batch", sealed(changed(21, struct.pack(">h", 0x20))), INVALID_RECORD),
                 ("more records than there are", sealed(changed(57, struct.pack(">i", 1000))), INVALID_RECORD),
                 ("fewer records than there are", sealed(changed(57, struct.pack(">i", 0))), INVALID_RECORD),
                 ("a negative count", sealed(changed(57, struct.pack(">i", -1))), INVALID_RECORD),
                 ("a last offset that does not fit", sealed(changed(23, struct.pack(">i", 55))), INVALID_RECORD)]
        with Wire(server) as wire:
            for what, data, code in cases:
                got = wire.produce("b", data)
                assert got == code, "%s: %d instead of %d" % (what, got, code)
            for codec in (1, 2, 3, 4):  # a body that is not what the attributes say
                got = wire.produce("b", sealed(changed(21, struct.pack(">h", codec))))
                assert got in (CORRUPT_MESSAGE, INVALID_RECORD), (codec, got)
            for codec in (5, 7):
                got = wire.produce("b", sealed(changed(21, struct.pack(">h", codec))))
                assert got == UNKNOWN_SERVER_ERROR, (codec, got)
            got = wire.produce("b", changed(16, b"\x01"))
            assert got in (INVALID_RECORD, UNSUPPORTED_FOR_FORMAT, CORRUPT_MESSAGE), got
            assert wire.produce("b", good, acks=7) == INVALID_REQUIRED_ACKS
            assert wire.produce("b", good, partition=55) == UNKNOWN_TOPIC
            assert wire.produce("b", batch(b"x" * 1100000)) == MESSAGE_TOO_LARGE
            assert wire.produce("b", good) == 0
        assert server.kcat("-C", "-t", "b", "-e", "-q").split() == [b"first", b"value"]


def test_garbage_is_answered_by_closing():
    with Attack() as server:
        dice = random.Random(5)
        lines = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 64, b"\xff" * 64,
                 b"SSH-2.0-OpenSSH_9.2\r\n"]
        lines += [dice.randbytes(dice.randrange(1, 400)) for _ in range(300)]
        for data in lines:
            with Wire(server, 2.0) as wire:
                try:
                    wire.socket.sendall(data)
                    wire.socket.shutdown(socket.SHUT_WR)
                    while wire.socket.recv(65536):
                        pass
                except (ConnectionResetError, BrokenPipeError, OSError) as e:
                    assert not isinstance(e, socket.timeout), data
        for _ in range(300):  # random bodies behind a good head
            request = header(dice.choice([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 22, 32, 36, 37]),
                             dice.randrange(0, 8)) + dice.randbytes(dice.randrange(0, 200))
            with Wire(server, 2.0) as wire:
                try:
                    wire.send(request)
                    wire.socket.shutdown(socket.SHUT_WR)
                    while wire.socket.recv(65536):
                        pass
                except (ConnectionResetError, BrokenPipeError):
                    pass


def test_slow_and_greedy_clients_hold_nobody_up():
    with Attack() as server:
        with Wire(server) as greedy:
            greedy.socket.sendall(struct.pack(">i", 0x7fffffff) + b"x" * 1000)
            assert greedy.answer() is None
        slow, request = Wire(server), header(METADATA, 4) + struct.pack(">i", 0) + b"\x00"
        data = struct.pack(">i", len(request)) + request
        head, tail = data[:-3], data[-3:]
        slow.socket.sendall(head)
        began = time.time()
        for i in range(3):
            slow.socket.sendall(tail[i:i + 1])
            assert server.kcat("-L")
            time.sleep(1)
        assert slow.answer() is not None and time.time() - began >= 3
        slow.socket.close()
        # One that asks and never reads: it does not grow, and its requests stop being taken.
        server.kcat("-P", "-t", "big", stdin=b"x" * 900000)
        lazy = Wire(server, 1.0)
        fetch = header(FETCH, 4) + struct.pack(">iiiib", -1, 100, 1, 0x3fffffff, 0) + struct.pack(">i", 1) + string("big") + \
            struct.pack(">i", 1) + struct.pack(">iqi", 0, 0, 0x3fffffff)
        try:
            for _ in range(100000):
                lazy.send(fetch)
        except socket.timeout:
            pass
        with open("/proc/%d/status" % server.process.pid) as f:
            rss = int([line for line in f if line.startswith("VmRSS")][0].split()[1])
        assert rss < 120000 or "san" in weir.WEIR, rss
        assert server.kcat("-C", "-t", "big", "-e", "-q", "-c", "1")
        lazy.socket.close()


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

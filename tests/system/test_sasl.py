#!/usr/bin/python3
"""Logging in with PLAIN and SCRAM by kcat, confluent-kafka and kafka-python."""
import hashlib
import socket
import struct
import sys

import weir

USERS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="secret" user_bob="b0b";'
OPTIONS = ["--set", "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512", "--set", "sasl.jaas.config=" + USERS]


def login(mechanism, user, password):
    return ["-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=" + mechanism,
            "-X", "sasl.username=" + user, "-X", "sasl.password=" + password]


class Raw:
    """Just enough of the protocol to make a SCRAM user, which no client of Debian's can."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.kafka), 10)

    def call(self, key, version, body, flexible=False):
        head = struct.pack(">hhih4s", key, version, 7, 4, b"test") + (b"\0" if flexible else b"")
        self.socket.sendall(struct.pack(">i", len(head + body)) + head + body)
        size = struct.unpack(">i", self.read(4))[0]
        return self.read(size)[5 if flexible else 4:]

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            assert more, "the connection was closed"
            data += more
        return data


def add_user(server, user, password, mechanism, digest):
    raw = Raw(server)
    assert raw.call(17, 1, struct.pack(">h5s", 5, b"PLAIN"))[:2] == b"\0\0"
    token = b"\0admin\0secret"
    assert raw.call(36, 1, struct.pack(">i", len(token)) + token)[:2] == b"\0\0"
    salt = b"some salt"
    key = hashlib.pbkdf2_hmac(digest, password.encode(), salt, 8192)
    compact = lambda b: bytes([len(b) + 1]) + b
    body = b"\1\2" + compact(user.encode()) + struct.pack(">bi", mechanism, 8192) + compact(salt) + compact(key) + b"\0\0"
    answer = raw.call(51, 0, body, True)
    assert answer[5 + 1 + len(user):][:2] == b"\0\0", answer


def test_kcat_logs_in_by_plain_and_by_scram():
    with weir.Server(options=OPTIONS) as server:
        server.kcat("-P", "-t", "t", *login("PLAIN", "bob", "b0b"), stdin=b"one\n")
        add_user(server, "carol", "pw-256", 1, "sha256")
        add_user(server, "dora", "pw-512", 2, "sha512")
        for mechanism, user, password in (("SCRAM-SHA-256", "carol", "pw-256"), ("SCRAM-SHA-512", "dora", "pw-512")):
            assert server.kcat("-C", "-t", "t", "-e", "-q", *login(mechanism, user, password)) == b"one\n"
        server.restart()
        assert server.kcat("-C", "-t", "t", "-e", "-q", *login("SCRAM-SHA-256", "carol", "pw-256")) == b"one\n"


def test_a_wrong_password_and_none_are_refused():
    import subprocess
    with weir.Server(options=OPTIONS) as server:
        for options in (login("PLAIN", "bob", "bob"), login("SCRAM-SHA-256", "nobody", "x"), []):
            done = subprocess.run(["kcat", "-b", server.bootstrap, "-L", "-m", "2"] + options, capture_output=True)
            assert done.returncode != 0, options
            if options:
                assert b"uthentication" in done.stderr, done.stderr


def test_kafka_python_logs_in_with_the_old_handshake():
    import kafka
    with weir.Server(options=OPTIONS) as server:
        options = dict(bootstrap_servers=server.bootstrap, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN",
                       sasl_plain_username="admin", sasl_plain_password="secret")
        producer = kafka.KafkaProducer(**options)
        producer.send("t", b"hello").get(10)
        producer.close()
        consumer = kafka.KafkaConsumer("t", auto_offset_reset="earliest", consumer_timeout_ms=5000, **options)
        assert next(iter(consumer)).value == b"hello"
        consumer.close()


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

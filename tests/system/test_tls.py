#!/usr/bin/python3
"""TLS: Kafka's clients over SSL and SASL_SSL, client certificates, several listeners, HTTPS, and clients that mean no good."""
import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import weir

USERS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="b0b";'


def openssl(folder, *args):
    subprocess.run(["openssl"] + list(args), cwd=folder, check=True, capture_output=True)


def make_ca(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".pem", "-days", "2", "-subj", "/CN=" + name)


def make_cert(folder, name, ca, subject, days="2"):
    """NAME.key, NAME.crt and both of them in NAME.pem."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".csr", "-subj", subject)
    with open(os.path.join(folder, "names"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
            "-days", days, "-extfile", "names", "-out", name + ".crt")
    with open(os.path.join(folder, name + ".pem"), "w") as both:
        for part in (name + ".key", name + ".crt"):
            with open(os.path.join(folder, part)) as f:
                both.write(f.read())


@contextlib.contextmanager
def certificates():
    folder = tempfile.mkdtemp(prefix="weir-tls-")
    try:
        make_ca(folder, "ca")
        make_ca(folder, "other")
        make_cert(folder, "server", "ca", "/CN=localhost")
        make_cert(folder, "alice", "ca", "/C=DE/O=Weir, Ltd/CN=alice")
        make_cert(folder, "bob", "ca", "/CN=bob")
        make_cert(folder, "late", "ca", "/CN=late", days="-1")
        make_cert(folder, "stranger", "other", "/CN=stranger")
        yield lambda name: os.path.join(folder, name)
    finally:
        shutil.rmtree(folder)


class Listeners(weir.Server):
    """A server with the named listeners: an address of its own for each."""

    def __init__(self, names, options=()):
        super().__init__(options=options)
        self.ports = {name: weir.free_port() for name in names}
        self.kafka_list = ",".join("%s://127.0.0.1:%d" % (name, port) for name, port in self.ports.items())

    def at(self, name):
        return "127.0.0.1:%d" % self.ports[name]


def pem_options(path):
    return ["--set", "ssl.keystore.location=" + path("server.pem")]


def kcat(bootstrap, *args, stdin=None, timeout=30):
    return subprocess.run(["kcat", "-b", bootstrap] + list(args), input=stdin, capture_output=True, timeout=timeout)


def ssl_options(path, client=None, ca="ca.pem"):
    options = ["-X", "security.protocol=ssl", "-X", "ssl.ca.location=" + path(ca)]
    if client:
        options += ["-X", "ssl.certificate.location=" + path(client + ".crt"), "-X", "ssl.key.location=" + path(client + ".key")]
    return options


def test_kcat_over_tls_and_by_two_listeners():
    with certificates() as path, Listeners(["PLAINTEXT", "SSL"], pem_options(path)) as server:
        for version in ("TLSv1.2", "TLSv1.3"):
            done = kcat(server.at("SSL"), "-P", "-t", "t", *ssl_options(path), stdin=b"by %s\n" % version.encode())
            assert done.returncode == 0, done.stderr
        wanted = b"by TLSv1.2\nby TLSv1.3\n"
        assert kcat(server.at("PLAINTEXT"), "-C", "-t", "t", "-e", "-q").stdout == wanted
        assert kcat(server.at("SSL"), "-C", "-t", "t", "-e", "-q", *ssl_options(path)).stdout == wanted
        for name, options in (("PLAINTEXT", []), ("SSL", ssl_options(path))):
            listed = json.loads(kcat(server.at(name), "-L", "-J", *options).stdout)
            assert [b["name"] for b in listed["brokers"]] == [server.at(name)], listed
            group = kcat(server.at(name), "-G", "g-" + name, "-e", "-q", "-X", "auto.offset.reset=earliest", "t", *options)
            assert group.stdout == wanted, group.stderr


def test_what_clients_are_told_is_the_listeners_own():
    names = ["INSIDE", "OUTSIDE", "SSL"]
    with certificates() as path:
        server = Listeners(names, pem_options(path) + ["--set", "listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"])
        server.options += ["--set", "kafka.advertised.listeners=OUTSIDE://localhost:%d,SSL://localhost:%d" %
                           (server.ports["OUTSIDE"], server.ports["SSL"])]
        with server:
            for name, host in (("INSIDE", "127.0.0.1"), ("OUTSIDE", "localhost"), ("SSL", "localhost")):
                options = ssl_options(path) if name == "SSL" else []
                listed = json.loads(kcat(server.at(name), "-L", "-J", *options).stdout)
                assert [b["name"] for b in listed["brokers"]] == ["%s:%d" % (host, server.ports[name])], listed
            import kafka.admin
            admin = kafka.admin.KafkaAdminClient(bootstrap_servers=server.at("OUTSIDE"))
            told = admin.describe_cluster()["brokers"]
            assert [(b["host"], b["port"]) for b in told] == [("localhost", server.ports["OUTSIDE"])], told
            resource = kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.BROKER, "1")
            configs = {e[0]: e[1] for e in admin.describe_configs([resource])[0].resources[0][4]}
            assert configs["listeners"] == server.kafka_list, configs["listeners"]
            assert configs["advertised.listeners"] == "INSIDE://%s,OUTSIDE://localhost:%d,SSL://localhost:%d" % (
                server.at("INSIDE"), server.ports["OUTSIDE"], server.ports["SSL"]), configs["advertised.listeners"]
            admin.close()
            found = call(raw(server, "OUTSIDE"), 10, 0, struct.pack(">h1s", 1, b"g"))
            assert found == struct.pack(">hih9si", 0, 1, 9, b"localhost", server.ports["OUTSIDE"]), found


def test_a_listener_on_all_addresses_tells_the_one_that_was_used():
    port = weir.free_port()
    server = weir.Server()
    server.kafka_list = "0.0.0.0:%d" % port
    with server:
        listed = json.loads(kcat("127.0.0.1:%d" % port, "-L", "-J").stdout)
        assert [b["name"] for b in listed["brokers"]] == ["127.0.0.1:%d" % port], listed
        assert "listener PLAINTEXT on 0.0.0.0:%d can be reached from other machines" % port in server.log()


def test_confluent_kafka_moves_megabytes_over_tls():
    import confluent_kafka
    with certificates() as path, Listeners(["SSL"], pem_options(path)) as server:
        common = {"bootstrap.servers": server.at("SSL"), "security.protocol": "SSL", "ssl.ca.location": path("ca.pem")}
        producer = confluent_kafka.Producer(dict(common, **{"linger.ms": 5, "message.max.bytes": 1000000}))
        values = [os.urandom(size) for size in [1, 100, 1000, 16384, 16385, 65536, 300000, 900000] * 12]
        failed = []
        for value in values:
            producer.produce("big", value, on_delivery=lambda error, message: error and failed.append(error))
            producer.poll(0)
        assert producer.flush(60) == 0 and not failed, failed
        consumer = confluent_kafka.Consumer(dict(common, **{"group.id": "g", "auto.offset.reset": "earliest"}))
        consumer.subscribe(["big"])
        got = []
        deadline = time.time() + 60
        while len(got) < len(values) and time.time() < deadline:
            for message in consumer.consume(100, 1.0):
                assert not message.error(), message.error()
                got.append(message.value())
        consumer.close()
        assert got == values


def test_sasl_over_tls():
    import kafka
    options = ["--set", "listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN",
               "--set", "listener.name.sasl_ssl.plain.sasl.jaas.config=" + USERS]
    with certificates() as path, Listeners(["PLAINTEXT", "SASL_SSL"], pem_options(path) + options) as server:
        common = dict(bootstrap_servers=server.at("SASL_SSL"), security_protocol="SASL_SSL", sasl_mechanism="PLAIN",
                      sasl_plain_username="bob", sasl_plain_password="b0b", ssl_cafile=path("ca.pem"))
        producer = kafka.KafkaProducer(**common)
        producer.send("t", b"hello").get(10)
        producer.close()
        consumer = kafka.KafkaConsumer("t", auto_offset_reset="earliest", consumer_timeout_ms=5000, group_id="g", **common)
        assert next(iter(consumer)).value == b"hello"
        consumer.close()
        # The other listener lets everybody in, and this one nobody by another protocol or password.
        assert kcat(server.at("PLAINTEXT"), "-C", "-t", "t", "-e", "-q").stdout == b"hello\n"
        login = ["-X", "sasl.mechanism=PLAIN", "-X", "sasl.username=bob", "-X", "ssl.ca.location=" + path("ca.pem")]
        for protocol, password in (("sasl_ssl", "bob"), ("sasl_plaintext", "b0b"), ("ssl", "b0b")):
            done = kcat(server.at("SASL_SSL"), "-L", "-m", "2", "-X", "security.protocol=" + protocol,
                        "-X", "sasl.password=" + password, *login)
            assert done.returncode != 0, (protocol, password)


def test_client_certificates_are_checked():
    options = ["--set", "ssl.client.auth=required"]
    with certificates() as path:
        options += pem_options(path) + ["--set", "ssl.truststore.location=" + path("ca.pem")]
        with Listeners(["SSL"], options) as server:
            assert kcat(server.at("SSL"), "-P", "-t", "t", *ssl_options(path, "alice"), stdin=b"x\n").returncode == 0
            for client, reason in ((None, "peer did not return a certificate"), ("late", "certificate has expired"),
                                   ("stranger", "unable to get local issuer certificate")):
                done = kcat(server.at("SSL"), "-L", "-m", "2", *ssl_options(path, client))
                assert done.returncode != 0, client
                assert reason in server.log(), (reason, server.log())
            # And the client checks the server.
            done = kcat(server.at("SSL"), "-L", "-m", "2", *ssl_options(path, "alice", ca="other.pem"))
            assert done.returncode != 0 and b"certificate verify failed" in done.stderr, done.stderr


def test_the_principal_is_the_certificates_subject():
    guard = ["--set", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
             "--set", "ssl.client.auth=requested"]
    for more in (["--set", "super.users=User:CN=alice,O=Weir\\, Ltd,C=DE"],
                 ["--set", "super.users=User:ALICE", "--set", "ssl.principal.mapping.rules=RULE:^CN=(.*?),O=.*$/$1/U,DEFAULT"]):
        with certificates() as path:
            options = pem_options(path) + guard + more + ["--set", "ssl.truststore.location=" + path("ca.pem")]
            with Listeners(["SSL"], options) as server:
                assert kcat(server.at("SSL"), "-P", "-t", "t", *ssl_options(path, "alice"), stdin=b"x\n").returncode == 0
                for client in ("bob", None):
                    done = kcat(server.at("SSL"), "-C", "-t", "t", "-e", *ssl_options(path, client))
                    assert b"authorization failed" in done.stderr, (client, done)


def raw(server, name, path=None):
    plain = socket.create_connection(("127.0.0.1", server.ports[name]), 20)
    if not path:
        return plain
    return ssl.create_default_context(cafile=path("ca.pem")).wrap_socket(plain, server_hostname="localhost")


def call(s, key, version, body):
    request = struct.pack(">hhih4s", key, version, 7, 4, b"test") + body
    s.sendall(struct.pack(">i", len(request)) + request)
    return receive(s, struct.unpack(">i", receive(s, 4))[0])[4:]


def receive(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def log_in(s):
    assert call(s, 17, 1, struct.pack(">h5s", 5, b"PLAIN"))[:2] == b"\0\0"
    answer = call(s, 36, 1, struct.pack(">i8s", 8, b"\0bob\0b0b"))
    assert answer[:2] == b"\0\0", answer
    return struct.unpack(">q", answer[-8:])[0]


def test_a_login_ends_and_can_be_renewed():
    options = ["--set", "sasl.enabled.mechanisms=PLAIN", "--set", "sasl.jaas.config=" + USERS,
               "--set", "listener.name.sasl_ssl.plain.connections.max.reauth.ms=1500"]
    metadata = struct.pack(">i", 0)
    with certificates() as path, Listeners(["SASL_PLAINTEXT", "SASL_SSL"], pem_options(path) + options) as server:
        s = raw(server, "SASL_PLAINTEXT")
        assert log_in(s) == 0
        s = raw(server, "SASL_SSL", path)
        assert log_in(s) == 1500
        time.sleep(1.1)
        assert log_in(s) == 1500
        time.sleep(1)
        call(s, 3, 1, metadata)
        time.sleep(0.6)
        try:
            call(s, 3, 1, metadata)
            raise AssertionError("an expired login was served")
        except EOFError:
            pass
        assert "whose login has expired" in server.log()
        s = raw(server, "SASL_SSL", path)
        log_in(s)
        time.sleep(1.6)
        assert log_in(s) == 1500
        call(s, 3, 1, metadata)


def closed(s, seconds=20):
    """Waits for the server to hang up; what it still says comes back."""
    s.settimeout(seconds)
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            more = s.recv(4096)
            if not more:
                break
            said += more
    s.close()
    return said


def hello_of_client(path):
    """The first flight of a client."""
    context, out = ssl.create_default_context(cafile=path("ca.pem")), ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_a_connection_is_made_without_delay():
    """The client's last word of the handshake is acknowledged at once: one that waits for that loses no 40 ms."""
    with certificates() as path, Listeners(["SSL"], pem_options(path)) as server:
        times = []
        for _ in range(20):
            began = time.time()
            call(raw(server, "SSL", path), 3, 1, struct.pack(">i", 0))
            times.append(time.time() - began)
        assert min(times) < 0.035, times


def test_hostile_bytes_cost_only_their_connection():
    with certificates() as path, Listeners(["SSL"], pem_options(path)) as server:
        hello = hello_of_client(path)
        good = raw(server, "SSL", path)
        slow = [raw(server, "SSL") for _ in range(4)]
        slow[1].sendall(hello[:20])
        slow[2].sendall(hello)
        slow[3].sendall(b"\x16\x03\x03\0\1\0")
        began = time.time()
        request = struct.pack(">ihhih4s", 18, 3, 1, 7, 4, b"test") + struct.pack(">i", 0)
        for bad in (b"garbage\r\n" * 1000, request, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 70000,
                    hello + b"\x17\x03\x03\x40\0" + os.urandom(16384), hello * 3, b"\x80" * 20):
            s = raw(server, "SSL")
            with contextlib.suppress(ConnectionError):
                s.sendall(bad)
            closed(s)
            call(good, 3, 1, struct.pack(">i", 0))
        assert time.time() - began < 8, "hostile connections were not closed at once"
        for part in (hello, hello[:100], hello + b"\x15\x03\x03\0\2\1\0"):
            s = raw(server, "SSL")
            s.sendall(part)
            s.close()
        # Whoever starts a handshake and does not go on is closed in the end.
        for s in slow:
            closed(s, 30)
        assert 9 < time.time() - began < 25, time.time() - began
        call(good, 3, 1, struct.pack(">i", 0))
        # A frame that ends in the middle, within good TLS.
        good.sendall(struct.pack(">ihh", 1000, 3, 1))
        good.close()
        assert call(raw(server, "SSL", path), 3, 1, struct.pack(">i", 0))


def test_a_rush_of_handshakes_leaves_the_others_their_turn():
    with certificates() as path, Listeners(["PLAINTEXT", "SSL"], pem_options(path)) as server:
        hello = hello_of_client(path)
        good = raw(server, "PLAINTEXT")
        good.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(5):
            rush = [raw(server, "SSL") for _ in range(300)]
            for s in rush:
                s.sendall(hello)
            began = time.time()
            call(good, 3, 1, struct.pack(">i", 0))
            times.append(time.time() - began)
            for s in rush:
                s.close()
        # 300 handshakes take 100 ms and more; one answer does not wait for them.
        assert min(times) < 0.03, times


def test_old_versions_and_renegotiation_are_refused():
    with certificates() as path, Listeners(["SSL"], pem_options(path)) as server:
        def s_client(*args, stdin=b""):
            return subprocess.run(["openssl", "s_client", "-connect", server.at("SSL"), "-CAfile", path("ca.pem")] + list(args),
                                  input=stdin, capture_output=True, timeout=20)
        old = s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        assert b"alert" in old.stderr, old.stderr
        again = s_client("-tls1_2", stdin=b"R\n")
        assert b"no renegotiation" in again.stderr, again.stderr


class Https:
    """A keep-alive connection to the HTTP API over TLS."""

    def __init__(self, path, port, client=None):
        context = ssl.create_default_context(cafile=path("ca.pem"))
        if client:
            context.load_cert_chain(path(client + ".pem"))
        self.connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)

    def post(self, where, body):
        self.connection.request("POST", where, json.dumps(body))
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def sql(self, text):
        status, body = self.post("/ksql", {"ksql": text, "streamsProperties": {}})
        assert status == 200, body
        return json.loads(body)


def test_the_http_apis_over_tls():
    with certificates() as path:
        server = weir.Server(options=pem_options(path))
        port, guarded = weir.free_port(), weir.free_port()
        server.http_list = "http://127.0.0.1:%d,https://localhost:%d" % (server.http, port)
        with server:
            c = Https(path, port)
            text = "x" * 40000
            c.sql("CREATE STREAM s (k VARCHAR KEY, v VARCHAR) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
            for i in range(30):
                c.sql("INSERT INTO s (k, v) VALUES ('%d', '%s');" % (i, text))
            status, body = c.post("/query-stream", {
                "sql": "SELECT k, v FROM s EMIT CHANGES LIMIT 30;", "properties": {"auto.offset.reset": "earliest"}})
            assert status == 200
            assert [json.loads(line) for line in body.splitlines()[1:]] == [[str(i), text] for i in range(30)]
            assert server.sql("SHOW STREAMS;") == c.sql("SHOW STREAMS;")
            curl = subprocess.run(["curl", "-sS", "--http2", "-w", "%{http_version}", "--cacert", path("ca.pem"),
                                   "https://localhost:%d/info" % port], capture_output=True, timeout=20)
            assert curl.stdout.endswith(b"}2"), curl
            for bad in (b"GET /info HTTP/1.1\r\n\r\n", os.urandom(5000), hello_of_client(path)[:50]):
                s = socket.create_connection(("localhost", port), 20)
                s.sendall(bad)
                s.shutdown(socket.SHUT_WR)
                closed(s)
                c.sql("SHOW STREAMS;")
            server.restart()
            Https(path, port).sql("DESCRIBE s;")
        # Client certificates, and a server that speaks TLS only.
        only = weir.Server(options=pem_options(path) + ["--set", "ssl.client.authentication=REQUIRED",
                                                        "--set", "ssl.truststore.location=" + path("ca.pem")])
        only.http_list = "https://localhost:%d" % guarded
        only.answers = lambda: "is ready" in only.log()
        with only:
            Https(path, guarded, "alice").sql("SHOW STREAMS;")
            for client in (None, "stranger", "late"):
                try:
                    Https(path, guarded, client).sql("SHOW STREAMS;")
                    raise AssertionError("%s was let in" % client)
                except (ssl.SSLError, ConnectionError):
                    pass
        code, text = failing_start("--http", "https://127.0.0.1:0")
        assert code == 1 and "needs the server's key" in text, text
        code, text = failing_start("--http", "ftp://127.0.0.1:0")
        assert code == 1 and "ftp" in text, text


def failing_start(*options):
    with tempfile.TemporaryDirectory() as data:
        done = subprocess.run([weir.WEIR, "serve", "--data", data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"]
                              + list(options),
                              capture_output=True, timeout=20)
        return done.returncode, done.stderr.decode()


def test_stores_come_in_several_forms_and_wrong_ones_are_named():
    with certificates() as path:
        folder = path("")
        openssl(folder, "pkcs12", "-export", "-in", "server.crt", "-inkey", "server.key", "-certfile", "ca.pem",
                "-out", "server.p12", "-passout", "pass:secret")
        openssl(folder, "pkcs8", "-topk8", "-in", "server.key", "-out", "locked.key", "-passout", "pass:secret")
        flat = {}
        for name in ("server.key", "locked.key", "server.crt"):
            with open(path(name)) as f:
                flat[name] = f.read().replace("\n", " ")
        forms = (["ssl.keystore.location=" + path("server.p12"), "ssl.keystore.password=secret", "ssl.keystore.type=PKCS12"],
                 ["ssl.keystore.key=" + flat["server.key"], "ssl.keystore.certificate.chain=" + flat["server.crt"]],
                 ["ssl.keystore.key=" + flat["locked.key"], "ssl.key.password=secret", "ssl.keystore.type=PEM",
                  "ssl.keystore.certificate.chain=" + flat["server.crt"], "ssl.enabled.protocols=TLSv1.3"])
        for form in forms:
            options = [word for setting in form for word in ("--set", setting)]
            with Listeners(["SSL"], options) as server:
                assert kcat(server.at("SSL"), "-L", *ssl_options(path)).returncode == 0
        listen = ["--kafka", "SSL://127.0.0.1:0"]
        for settings, said in (([], "needs the server's key and certificate"),
                               (["ssl.keystore.location=" + path("ca.pem")], "holds no private key"),
                               (["ssl.keystore.location=" + path("nothing")], "nothing"),
                               (["ssl.keystore.location=" + path("server.p12"), "ssl.keystore.password=wrong"], "PKCS12"),
                               (["ssl.keystore.location=" + path("server.pem"), "ssl.client.auth=required"], "ssl.client.auth needs"),
                               (["ssl.keystore.location=" + path("server.pem"), "ssl.cipher.suites=RC5"], "RC5"),
                               (["ssl.keystore.key=" + flat["server.key"],
                                 "ssl.keystore.certificate.chain=" + open(path("alice.crt")).read()], "no certificate belongs")):
            code, text = failing_start(*(listen + [word for setting in settings for word in ("--set", setting)]))
            assert code == 1 and said in text, (settings, text)


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

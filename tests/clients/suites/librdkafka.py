"""librdkafka's own test suite, of the version in @confluentinc/kafka-javascript 1.10.1 (2.15.1), against our server.

Modes: classic groups; the idempotent producer everywhere (-P); the consumer group protocol. A part is a list of tests that
fits into a shard; local tests (without a broker) are left out.
"""
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import frame
from suites import tools

# Without RapidJSON some tests skip themselves.
TOOLS = ["openssl", "gcc", "g++", "make", "npm", "node", "/usr/include/rapidjson/schema.h"] + tools.TOOLS
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
# What the tests believe that they talk to; 4.2 would turn on those of share groups, which the server does not advertise.
KAFKA_VERSION = "4.1.0"
# Parts of tests that want something special: no topics made by their use, a login, or TLS with client certificates.
SPECIAL = {"noautocreate": ["-s", "noautocreate"], "login": [], "tls": []}
# Sub-tests that run by themselves: what else the first two try is for share groups and OAUTHBEARER, and all of 0113 takes
# longer than a shard may.
LOGIN = {"0135_sasl_credentials": ["do_test:"],
         "0142_reauthentication": ["do_test_consumer", "do_test_producer", "do_test_txn_producer", "do_test_reauth_failure"]}
LONG = {"0113-0113": r"\b([a-tv-z]_\w+)\(", "0113-changes": r"\b(u_\w+)\("}
SASL_IS_SET = """*test_conf_get(NULL, "sasl.mechanism") != '\\0'"""
MODES = {"classic": ([], {}), "idempotent": (["-P"], {}), "consumer": ([], {"TEST_CONSUMER_GROUP_PROTOCOL": "consumer"})}
# First and last number of each part's tests; long ones stand alone, as do 0086, which measures a tenth of a second, and 0076:
# it closes a socket that the client goes on using and closes again, by then perhaps the socket or pipe of a test beside it,
# whose connection then never hears an answer.
PARTS = ["0000-0010", "0011-0017", "0018-0028", "0029-0032", "0033-0037", "0038-0041", "0042-0044", "0045-0052", "0053-0067",
         "0068-0075", "0076-0076", "0077-0080", "0081-0081", "0082-0085", "0086-0086", "0087-0092", "0093-0101", "0102-0103",
         "0104-0112", "0113-0113", "0113-changes", "0114-0122", "0123-0191"]


def folder():
    def make(into):
        frame.run(["npm", "pack", "--silent", PACKAGE], cwd=into)
        package = next(f for f in os.listdir(into) if f.endswith(".tgz"))
        frame.run(["tar", "xzf", package, "--strip-components=3", "package/deps/librdkafka"], cwd=into)
        # 0113 leaves its Java client out where there is a SASL mechanism, but there always is, by default.
        path = os.path.join(into, "tests", "0113-cooperative_rebalance.cpp")
        program = frame.read(path)
        assert SASL_IS_SET in program
        with open(path, "w") as f:
            f.write(program.replace(SASL_IS_SET, "test_needs_auth()"))
        for script in ("configure", "lds-gen.py"):
            os.chmod(os.path.join(into, script), 0o755)
        frame.run(["./configure", "--disable-curl", "--enable-devel", "--disable-debug-symbols"], cwd=into)
        frame.run(["make", "-j2", "libs"], cwd=into)
        frame.run(["make", "-j2", "-C", "tests", "build"], cwd=into)
        frame.run(["make", "-s", "-C", "tests/java", "KAFKA_PATH=" + tools.shims()], cwd=into)
    return frame.installed(os.path.join(frame.CACHE, "librdkafka"), PACKAGE + " with RapidJSON and Java in 0113", make)


def install(cache):
    folder()
    tools.install(cache)


def wanted(part):
    """The names of a part's tests that need a broker, as the suite's own table has them."""
    with open(os.path.join(folder(), "tests", "test.c")) as f:
        table = f.read().split("struct test tests[] = {")[1].split("\n};")[0]
    names = []
    for entry in re.split(r"\b_TEST\(", table)[1:]:
        name, flags = re.match(r"(\w+),\s*([^,)]*)", entry).groups()
        special = ("noautocreate" if '.scenario = "noautocreate"' in entry else "login" if name in LOGIN
                   else "tls" if name == "0097_ssl_verify" else None)
        if "TEST_F_LOCAL" not in flags and (part == special if special or part in SPECIAL else in_part(part, name)):
            names.append(name)
    return names


def subtests_of(part):
    """{test: names of sub-tests} of a part of LONG, in the order of the test's program."""
    with open(os.path.join(folder(), "tests", "0113-cooperative_rebalance.cpp")) as f:
        main = re.search(r"(?s)int main_0113_cooperative_rebalance\(.*?\n}", f.read()).group(0)
    return {"0113_cooperative_rebalance": list(dict.fromkeys(re.findall(LONG[part], main)))}


def in_part(part, name):
    first, last = part.split("-")
    return first <= name[:4] <= last


def told(output, name):
    """None when the runner's output says that a test passed, else what it says of it."""
    end = re.search(r"=== Test %s (\w+) ===" % name, output)
    if end and end.group(1) == "PASSED":
        return None
    said = re.search(r'(?m)^### Test "%s\b.*\n.*' % name, output) or re.search(r"(?m)^\[%s\b.*SKIP.*" % name, output)
    said = said or re.search(r"(?m)^\| %s .*" % name, output)
    return said.group(0)[:400] if said else "without a result"


def set_up(context, part, subtest):
    """A server, the settings of its clients, and what else their environment holds."""
    if part == "tls":
        return with_tls(context)
    if part == "login":
        server = context.scram_server("tester", "tester-password")
        server.options += ["--set", "connections.max.reauth.ms=6000"]
        return server, {"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "tester",
                        "sasl.password": "tester-password"}, {}
    # Kafka's default delay: some tests count on it that members who come in a row are in the group's first generation.
    # A member of 0113 that does not poll is waited for until its session ends; with the new protocol the broker says when.
    server = context.server(auto_create_topics_enable="false" if part == "noautocreate" else "true",
                            group_consumer_session_timeout_ms="10000" if part in LONG else "45000",
                            group_initial_rebalance_delay_ms="3000", allow_everyone_if_no_acl_found="true",
                            authorizer_class_name="org.apache.kafka.metadata.authorizer.StandardAuthorizer")
    client = {}
    if subtest == "o_java_interop":
        # A JVM that has just begun has to ask for its assignment before the other member gave up its part and is back,
        # else a round is over before the test looks. Kafka's answers linger for 5 ms (group.coordinator.append.linger.ms).
        client["metadata.broker.list"] = late(server.kafka)
        server.options += ["--set", "kafka.advertised.listeners=" + client["metadata.broker.list"]]
    return server, client, {}


def late(port):
    """The address of a proxy whose answers take a while."""
    def carry(source, target, seconds):
        try:
            while data := source.recv(65536):
                time.sleep(seconds)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()

    def serve():
        while True:
            client = listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", port))
            for arguments in ((client, server, 0), (server, client, 0.05)):
                threading.Thread(target=carry, args=arguments, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


def with_tls(context):
    """A server that asks for certificates, and the files that the test wants to find, of a name for each form."""
    home, password = os.path.join(context.folder, "tls"), "key-password"
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)

    def openssl(*arguments):
        frame.run(("openssl",) + arguments, cwd=home)
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", ca + ".key", "-out", ca + ".pem", "-subj", "/CN=" + ca)
    with open(os.path.join(home, "names"), "w") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile",
                "names", "-out", name + ".pem")
    for name, parts in (("both.pem", ("server.key", "server.pem")), ("all.pem", ("ca.pem", "other.pem"))):
        with open(os.path.join(home, name), "w") as f:
            f.write("".join(frame.read(home, p) for p in parts))
    openssl("rsa", "-in", "client.key", "-aes256", "-passout", "pass:" + password, "-out", "client.locked.key")
    openssl("rsa", "-in", "client.key", "-outform", "der", "-out", "client.key.der")
    for name in ("ca", "client"):
        openssl("x509", "-in", name + ".pem", "-outform", "der", "-out", name + ".der")
    openssl("pkcs12", "-export", "-inkey", "client.key", "-in", "client.pem", "-certfile", "ca.pem", "-passout",
            "pass:" + password, "-out", "client.p12")
    # TLS 1.2, where a refused certificate ends the handshake.
    at = {name: os.path.join(home, name) for name in os.listdir(home)}
    server = context.server(ssl_keystore_location=at["both.pem"], ssl_truststore_location=at["ca.pem"],
                            ssl_client_auth="required", ssl_enabled_protocols="TLSv1.2")
    server.kafka_list = "SSL://" + server.bootstrap
    # librdkafka tells of a handshake that is refused within its first call, as it happens when the server is quick or the
    # client is not, by an error that the test does not expect.
    client = {"metadata.broker.list": late(server.kafka), "security.protocol": "ssl", "ssl.ca.location": at["ca.pem"], "ssl.certificate.location": at["client.pem"],
              "ssl.key.location": at["client.locked.key"], "ssl.key.password": password}
    return server, client, {
        "SSL_password": password, "SSL_pkcs": at["client.p12"], "SSL_pub_der": at["client.der"], "SSL_pub_pem": at["client.pem"],
        "SSL_priv_der": at["client.key.der"], "SSL_priv_pem": at["client.locked.key"], "SSL_ca_der": at["ca.der"],
        "SSL_all_cas_pem": at["all.pem"], "SSL_client_auth": "required"}


def run(context, part, names, more, arguments):
    """Runs a part's tests of these names against a fresh server; yields as a shard does."""
    log = os.path.join(context.folder, "output%s.log" % more.get("SUBTESTS", "").strip(":"))
    server, client, of_server = set_up(context, part, more.get("SUBTESTS"))
    with server, open(log, "wb") as output:
        configuration = os.path.join(context.folder, "test.conf")
        with open(configuration, "w") as f:
            f.write("".join("%s=%s\n" % i for i in {"metadata.broker.list": server.bootstrap, **client}.items()))
        environment = dict(os.environ, TESTS=",".join(n[:4] for n in names), TEST_KAFKA_VERSION=KAFKA_VERSION,
                           RDKAFKA_TEST_CONF=configuration, KAFKA_PATH=tools.shims(),
                           BROKERS=client.get("metadata.broker.list", server.bootstrap),
                           LD_LIBRARY_PATH="%s/src:%s/src-cpp" % (folder(), folder()), **more, **of_server)
        context.finish(subprocess.Popen(["./test-runner", "-p3", "-L"] + arguments + SPECIAL.get(part, []), env=environment,
                                        cwd=os.path.join(folder(), "tests"), stdout=output, stderr=subprocess.STDOUT,
                                        start_new_session=True))
    with open(log, errors="replace") as f:
        output = re.sub(r"\033\[[0-9;]*m", "", f.read())
    for name in names:
        error = told(output, name)
        if not error and "SUBTESTS" in more and not re.search(r"\[ %s.*: PASS" % more["SUBTESTS"], output):
            error = "no sub-test %s passed" % more["SUBTESTS"]
        yield name, error and "%s (see %s)" % (error, log)


def work(mode, part):
    arguments, settings = MODES[mode]

    def tests(context):
        pieces = LOGIN if part == "login" else subtests_of(part) if part in LONG else {}
        if not pieces:
            yield from run(context, part, wanted(part), settings, arguments)
        for name, subtests in pieces.items():
            for subtest in subtests:
                for _, error in run(context, part, [name], dict(settings, SUBTESTS=subtest), arguments):
                    yield "%s/%s" % (name, subtest.strip(":")), error
    return tests


def shards():
    return [frame.Shard("librdkafka", mode, part, work(mode, part)) for mode in MODES for part in PARTS + list(SPECIAL)]

"""Go clients: franz-go's own tests of pkg/kgo (its exactly-once ETL over all balancers too), and our program with sarama."""
import os
import re
import shutil
import subprocess

import frame
from suites import tools

TOOLS = ["go"] + tools.TOOLS
KGO = "github.com/twmb/franz-go/pkg/kgo"


def folder():
    def make(into):
        for name in ("go.mod", "go.sum", "main.go"):
            shutil.copy(os.path.join(frame.HERE, "golang", name), into)
        frame.run(["go", "build", "-o", "sarama", "."], cwd=into)
        frame.run(["go", "test", "-c", "-o", "kgo.test", KGO], cwd=into)
    return frame.installed(os.path.join(frame.CACHE, "golang"),
                           "".join(frame.read("golang", f) for f in ("go.mod", "go.sum", "main.go")), make)


def install(cache):
    folder()
    tools.install(cache)


def sarama(context):
    with context.server() as server:
        yield from context.program([os.path.join(folder(), "sarama"), server.bootstrap])


def franz(arguments):
    def tests(context):
        # Some tests read the package's sources; Go's module cache has them.
        source = frame.run(["go", "list", "-f", "{{.Dir}}", KGO], cwd=folder()).strip()
        log = os.path.join(context.folder, "output.log")
        with context.server() as server, open(log, "wb") as output:
            environment = dict(os.environ, KGO_SEEDS=server.bootstrap, KGO_TEST_RF="1", KGO_TEST_RECORDS="50000",
                               KGO_TEST_STABLE_FETCH="true")
            code = context.finish(subprocess.Popen(
                [os.path.join(folder(), "kgo.test"), "-test.v", "-test.timeout=9m"] + arguments, cwd=source, env=environment,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True))
        yield from results(log, code)
    return tests


def scram(context):
    """The two tests that log in; a wrong password has to be told from a lost connection."""
    log = os.path.join(context.folder, "output.log")
    with context.scram_server("kgo", "kgo-password") as server, open(log, "wb") as output:
        environment = dict(os.environ, KGO_SEEDS=server.bootstrap, KGO_TEST_SCRAM_SEEDS=server.bootstrap,
                           KGO_TEST_SCRAM="kgo:kgo-password", KGO_TEST_RF="1")
        code = context.finish(subprocess.Popen([os.path.join(folder(), "kgo.test"), "-test.v", "-test.run=^TestSCRAM"],
                                               env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=context.folder,
                                               start_new_session=True))
    yield from results(log, code)


def results(log, code):
    failed = False
    with open(log, errors="replace") as f:
        for state, test in re.findall(r"(?m)^ *--- (PASS|FAIL|SKIP): (\S+)", f.read()):
            failed = failed or state == "FAIL"
            yield test, None if state == "PASS" else "%s, see %s" % (state, log)
    if code and not failed:
        yield "(the program)", "ended with %s, see %s" % (code, log)


def shards():
    etl = "^Test(GroupETL|TxnEtl)$"
    return [frame.Shard("sarama", "all", "all", sarama),
            frame.Shard("franz-go", "scram", "login", scram),
            frame.Shard("franz-go", "all", "etl", franz(["-test.run=" + etl])),
            frame.Shard("franz-go", "all", "rest", franz(["-test.run=^Test", "-test.skip=%s|^TestSCRAM" % etl]))]

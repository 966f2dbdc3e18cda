#!/usr/bin/python3
"""The prompt against a stand-in server: scripts and pipes, editing on a terminal, completion, Ctrl-C, history."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

import mock_ksql
import weir

try:
    import pyte
except ImportError:
    pyte = None


def run(server, *args, stdin=b"", code=0):
    done = subprocess.run([weir.WEIR, "--server", server.url] + list(args), input=stdin, capture_output=True, timeout=20)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def test_a_statement_by_option_prints_a_table():
    with mock_ksql.Server() as server:
        out, err = run(server, "-e", "show streams;")
        assert out.split("\n")[1] == "|Stream Name|Kafka Topic|Key Format|Value Format|Windowed|", out
        assert "|PAGEVIEWS  |pageviews  |KAFKA     |JSON        |false   |" in out
        assert err == ""


def test_rows_come_as_table_json_and_csv():
    with mock_ksql.Server() as server:
        table, _ = run(server, "-e", "SELECT * FROM T;")
        assert "|café  |1   |{\"X\":2}|" in table, table
        lines, _ = run(server, "--output", "json", "-e", "SELECT * FROM T;")
        assert [json.loads(line) for line in lines.strip().split("\n")] == [
            {"NAME": "café", "N": 1, "B`Q": {"X": 2}}, {"NAME": 'a, "b"', "N": None, "B`Q": None}], lines
        csv, _ = run(server, "--output", "csv", "-e", "SELECT * FROM T;")
        assert csv == 'NAME,N,B`Q\r\ncafé,1,"{""X"":2}"\r\n"a, ""b""",,\r\n', csv


def test_piped_text_has_no_prompt_and_ends_at_an_error():
    with mock_ksql.Server() as server:
        out, err = run(server, stdin=b"create stream a\n (b int); -- why; not\nBOGUS 'a;b';\nSELECT 1;\n", code=1)
        assert out == "Stream created\n", out
        assert err == "line 1:1: Syntax Error\nUnknown statement 'BOGUS'\n  BOGUS 'a;b';\n  ^^^^^\n", err
        assert len(server.server.requests) == 2


def test_session_statements_travel_with_the_next_request():
    with mock_ksql.Server() as server:
        script = b"SET 'auto.offset.reset' = 'earliest'; DEFINE Name='it''s'; DEFINE gone='x'; UNDEFINE gone; CREATE STREAM ${name};"
        out, _ = run(server, "-d", "other=1", stdin=script)
        assert "Successfully changed local property 'auto.offset.reset' to 'earliest'." in out, out
        path, request = server.server.requests[-1]
        assert path == "/ksql" and request["streamsProperties"] == {"auto.offset.reset": "earliest"}, request
        assert request["sessionVariables"] == {"name": "it's", "other": "1"}, request
        run(server, "-e", "SET 'bogus'='1';", code=1)


def test_scripts_run_scripts():
    with mock_ksql.Server() as server, tempfile.TemporaryDirectory() as folder:
        inner, outer = os.path.join(folder, "inner.sql"), os.path.join(folder, "outer.sql")
        with open(inner, "w") as f:
            f.write("/* one; */ CREATE STREAM A (B INT); CREATE STREAM C (D INT)")
        with open(outer, "w") as f:
            f.write("RUN SCRIPT '%s';\nPRINT t;" % inner)
        out, _ = run(server, "-f", outer)
        assert out == "Stream created\nStream created\nrowtime: N/A, key: <null>, value: 1, partition: 0\n", out
        with open(inner, "w") as f:
            f.write("RUN SCRIPT '%s';" % inner)
        _, err = run(server, "-f", inner, code=1)
        assert "scripts run scripts" in err


def test_a_push_query_streams_until_its_limit():
    with mock_ksql.Server() as server:
        out, _ = run(server, "-o", "json", "-e", "SELECT * FROM S EMIT CHANGES LIMIT 2;")
        assert out == '{"A":"row 0","B":0}\n{"A":"row 1","B":1}\n', out
        out, _ = run(server, "--query-row-limit", "3", "-o", "csv", "-e", "SELECT * FROM S EMIT CHANGES;")
        assert out.split() == ["A,B", "row", "0,0", "row", "1,1", "row", "2,2"], out


def test_no_server_is_a_clear_error():
    done = subprocess.run([weir.WEIR, "--server", "http://127.0.0.1:1", "-e", "SHOW STREAMS;"], capture_output=True, timeout=20)
    assert done.returncode == 1 and b"cannot reach the server at http://127.0.0.1:1: Connection refused" in done.stderr, done


def test_without_a_server_it_brings_its_own():
    with tempfile.TemporaryDirectory() as folder:
        script = b"""SET 'auto.offset.reset'='earliest';
            CREATE STREAM S (K STRING KEY, A INT, B ARRAY<STRUCT<C DOUBLE>>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
            INSERT INTO S (K, A, B) VALUES ('x', 1, ARRAY[STRUCT(C := 1.5)]);
            INSERT INTO S (K, A) VALUES ('x', 2);
            CREATE TABLE T AS SELECT K, COUNT(*) AS N FROM S GROUP BY K EMIT CHANGES;
            SELECT A, K, B FROM S EMIT CHANGES LIMIT 2;"""

        def own(*args, stdin=b""):
            done = subprocess.run([weir.WEIR, "--data", folder, "-o", "json"] + list(args), input=stdin, capture_output=True,
                                  timeout=30)
            assert done.returncode == 0, done
            return done.stdout.decode()

        out = own(stdin=script)
        assert out.endswith('{"A":1,"K":"x","B":[{"C":1.5}]}\n{"A":2,"K":"x","B":null}\n'), out
        # The query went on being a query: the next prompt finds its table.
        weir.wait_for("the count", lambda: own("-e", "SELECT N, K FROM T WHERE K = 'x';") == '{"N":2,"K":"x"}\n')


class Terminal:
    """The prompt on a pseudo-terminal of 80 by 40."""

    def __init__(self, server, history="/dev/null"):
        self.screen = pyte.Screen(80, 40)
        self.stream = pyte.ByteStream(self.screen)
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", WEIR_HISTORY=history, LC_ALL="C.UTF-8")
            os.execv(weir.WEIR, [weir.WEIR, "--server", server.url])
        self.pid = pid
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))

    def read(self, seconds=0.05):
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.stream.feed(data)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self, pattern, seconds=10):
        deadline = time.time() + seconds
        while not re.search(pattern, self.text()):
            assert time.time() < deadline, "waited for %r; the screen shows:\n%s" % (pattern, self.text())
            self.read()

    def close(self):
        self.send("\x04")
        deadline = time.time() + 10
        while time.time() < deadline:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("the prompt did not end:\n" + self.text())


def test_statements_of_several_lines_are_edited_and_recalled():
    with mock_ksql.Server() as server, tempfile.TemporaryDirectory() as folder:
        history = os.path.join(folder, "history")
        t = Terminal(server, history)
        t.wait("weir>$")
        t.send("create streem x\r")
        t.wait(r"  \.\.\.$")
        t.send("(a int);")
        t.send("\x1b[A")           # up, into the first line
        t.send("\x1b[H" + "\x1b[C" * 11 + "\x1b[3~" + "a")  # stre[e]m -> stream
        t.send("\x1b[F\x1b[B\r")   # to its end, down, Enter
        t.wait("Stream created")
        assert server.server.requests[-1][1]["ksql"] == "create stream x\n(a int);", server.server.requests[-1]
        assert t.close() == 0
        t = Terminal(server, history)
        t.wait("weir>$")
        t.send("\x1b[A")
        t.wait(r"weir> create stream x\n  \.\.\. \(a int\);")
        t.send("\x15\x1b[A\x15")
        t.send("\x03")
        t.wait(r"\^C\nweir>")
        t.send("\x12reate")        # search
        t.wait("create stream x")
        t.send("\r")
        t.wait("Stream created")
        assert t.close() == 0


def test_keywords_and_names_are_completed():
    with mock_ksql.Server() as server:
        t = Terminal(server)
        t.wait("weir>$")
        t.send("sel\t")
        t.wait("weir> SELECT")
        t.send("view\t")
        t.wait("weir> SELECT VIEWTIME")
        t.send("fr\tpag\t")
        t.wait("weir> SELECT VIEWTIME FROM PAGEVIEWS")
        t.send("\x15" + "DESCRIBE \t")
        t.wait("weir> DESCRIBE PAGEVIEWS")
        t.send("\x15select U\t\t")
        t.wait("UCASE +.*USERID|USERID")
        t.send("\x03")
        assert t.close() == 0


def test_ctrl_c_ends_a_query_and_not_the_prompt():
    with mock_ksql.Server() as server:
        t = Terminal(server)
        t.wait("weir>$")
        t.send("select * from s emit changes;\r")
        t.wait(r"row 3")
        t.send("\x03")
        t.wait("Query terminated\nweir>$")
        weir.wait_for("the server to see it", lambda: server.server.dropped == 1)
        t.send("show streams;\r")
        t.wait("PAGEVIEWS")
        assert t.close() == 0


def test_wide_characters_keep_the_cursor_in_place():
    with mock_ksql.Server() as server:
        t = Terminal(server)
        t.wait("weir>$")
        t.send("show '漢字漢字' ü" + "x" * 70)
        t.send("\x01" + "\x1b[C" * 6 + "A\x05!")
        t.wait("x!")
        flat = t.text().replace("\n", "").replace(" ", "")
        assert "show'A漢字漢字'ü" + "x" * 70 + "!" in flat, t.text()
        t.send("\x15\x03")
        assert t.close() == 0


def test_a_pasted_text_waits_for_enter():
    with mock_ksql.Server() as server:
        t = Terminal(server)
        t.wait("weir>$")
        t.send("\x1b[200~create stream a\n(b int);\ncreate stream c (d int);\x1b[201~")
        t.wait(r"c \(d int\);")
        assert server.server.requests == []
        t.send("\r")
        t.wait("Stream created\nStream created")
        t.send("output json\r")
        t.wait("Output format set to JSON")
        t.send("help\r")
        t.wait("own commands")
        t.send("exit\r")
        assert t.close_after_exit() == 0


def close_after_exit(self):
    deadline = time.time() + 10
    while time.time() < deadline:
        self.read()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
    raise AssertionError("the prompt did not end:\n" + self.text())


Terminal.close_after_exit = close_after_exit

if __name__ == "__main__":
    if pyte is None:
        for name in [n for n in globals() if n.startswith("test_") and "Terminal" in globals()[n].__code__.co_names]:
            print("skip  %s (python3-pyte is missing)" % name)
            del globals()[name]
    sys.exit(weir.main(sys.modules[__name__]))

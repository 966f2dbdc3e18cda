"""A stand-in for a server that speaks ksqlDB's REST API, to test the prompt by itself: canned answers, no engine."""
import http.server
import json
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value):
        body = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_GET(self):
        self.server.paths.append(self.path)
        if self.path == "/info":
            self.answer(200, {"KsqlServerInfo": {"version": "0", "kafkaClusterId": "k", "ksqlServiceId": "default_",
                                                 "serverStatus": "RUNNING"}})
        elif self.path == "/is_valid_property/auto.offset.reset":
            self.answer(200, True)
        else:
            self.answer(400, {"@type": "generic_error", "error_code": 40000, "message": "Not recognizable as ksql"})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, request))
        text = request.get("ksql") or request.get("sql")
        if self.path == "/ksql":
            self.statement(text)
        elif text.upper().startswith("PRINT"):
            self.stream(["rowtime: N/A, key: <null>, value: 1, partition: 0\n"])
        elif "EMIT" in text.upper():
            self.push(text)
        else:
            self.stream(['[{"header":{"queryId":"query_1","schema":"`NAME` STRING KEY, `N` BIGINT, `B``Q` STRUCT<`X` INTEGER>"}},\n',
                         '{"row":{"columns":["caf\u00e9",1,{"X":2}]}},\n{"row":{"columns":["a, \\"b\\"",null,null]}}]'])

    def stream(self, pieces):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def push(self, text):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk('[{"header":{"queryId":"transient_1","schema":"`A` STRING, `B` INTEGER"}},\n')
        try:
            n = 0
            while "LIMIT" not in text.upper() or n < 2:
                self.chunk('{"row":{"columns":["row %d",%d]}},\n' % (n, n))
                n += 1
                time.sleep(0.05)
            self.chunk('{"finalMessage":"Limit Reached"}]')
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.dropped += 1
            self.close_connection = True

    def statement(self, text):
        upper = text.upper()
        field = {"name": "VIEWTIME", "schema": {"type": "BIGINT", "fields": None, "memberSchema": None}}
        key = {"name": "USERID", "type": "KEY", "schema": {"type": "STRING", "fields": None, "memberSchema": None}}
        if "EXTENDED" in upper and "STREAMS" in upper:
            self.answer(200, [{"@type": "source_descriptions", "statementText": text, "warnings": [],
                               "sourceDescriptions": [{"name": "PAGEVIEWS", "fields": [key, field]}]}])
        elif "STREAMS" in upper:
            self.answer(200, [{"@type": "streams", "statementText": text, "warnings": [],
                               "streams": [{"type": "STREAM", "name": "PAGEVIEWS", "topic": "pageviews", "keyFormat": "KAFKA",
                                            "valueFormat": "JSON", "isWindowed": False}]}])
        elif "TABLES" in upper:
            self.answer(200, [{"@type": "source_descriptions", "sourceDescriptions": [], "warnings": []}])
        elif "FUNCTIONS" in upper:
            self.answer(200, [{"@type": "function_names", "functions": [{"name": "UCASE", "type": "SCALAR", "category": "STRING"}],
                               "warnings": []}])
        elif upper.startswith("CREATE"):
            self.answer(200, [{"@type": "currentStatus", "statementText": text, "commandId": "stream/`X`/create",
                               "commandStatus": {"status": "SUCCESS", "message": "Stream created", "queryId": None},
                               "commandSequenceNumber": 1, "warnings": []}])
        elif upper.startswith("BOGUS"):
            self.answer(400, {"@type": "statement_error", "error_code": 40001, "message": "line 1:1: Syntax Error\nUnknown statement 'BOGUS'",
                              "statementText": text, "entities": []})
        else:
            self.answer(200, [])


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # a client that leaves early is what some tests are about


class Server:
    def __enter__(self):
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.requests, self.server.paths, self.server.dropped = [], [], 0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()

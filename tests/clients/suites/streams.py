"""Kafka Streams with exactly_once_v2 and a standalone Connect worker, of the newest 4.x."""
import os
import shutil
import subprocess
import time

import frame
from suites import java, tools

TOOLS = java.TOOLS


def install(cache):
    java.classes("platform", "streams")
    tools.install(cache)


def word_count(context):
    state = os.path.join(context.folder, "state")
    shutil.rmtree(state, ignore_errors=True)
    with context.server() as server:
        yield from context.program(["java"] + java.JVM + [
            "-cp", "%s:%s/*" % (java.classes("platform", "streams"), java.jars("platform")), "WordCount", server.bootstrap, state])


def properties(path, **settings):
    with open(path, "w") as f:
        for name, value in settings.items():
            f.write("%s=%s\n" % (name.replace("_", "."), value))
    return path


class Worker:
    """A standalone worker that reads one file into a topic and writes the topic into another."""

    def __init__(self, context, server):
        self.folder = os.path.join(context.folder, "connect")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.log = os.path.join(context.folder, "output.log")
        converter = "org.apache.kafka.connect.storage.StringConverter"
        self.source, self.sink = os.path.join(self.folder, "in.txt"), os.path.join(self.folder, "out.txt")
        open(self.source, "w").close()
        self.files = [
            properties(os.path.join(self.folder, "worker.properties"), bootstrap_servers=server.bootstrap,
                       key_converter=converter, value_converter=converter, offset_flush_interval_ms=500,
                       offset_storage_file_filename=os.path.join(self.folder, "offsets"),
                       listeners="http://127.0.0.1:%d" % frame.weir.free_port()),
            properties(os.path.join(self.folder, "source.properties"), name="source", topic="connected", file=self.source,
                       connector_class="org.apache.kafka.connect.file.FileStreamSourceConnector", tasks_max=1),
            properties(os.path.join(self.folder, "sink.properties"), name="sink", topics="connected", file=self.sink,
                       connector_class="org.apache.kafka.connect.file.FileStreamSinkConnector", tasks_max=1)]

    def __enter__(self):
        self.output = open(self.log, "ab")
        self.process = subprocess.Popen([os.path.join(tools.shims(), "bin", "connect-standalone.sh")] + self.files,
                                        stdout=self.output, stderr=self.output)
        return self

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()

    def write(self, lines):
        with open(self.source, "a") as f:
            f.write("".join(line + "\n" for line in lines))

    def written(self):
        if not os.path.exists(self.sink):
            return []
        with open(self.sink) as f:
            return f.read().splitlines()


def file_connectors(context):
    with context.server() as server:
        server.kcat("-L")
        lines = ["line %d" % i for i in range(2000)]
        worker = Worker(context, server)
        try:
            worker.write(lines[:1000])
            with worker:
                frame.weir.wait_for("the first half", lambda: len(worker.written()) >= 1000, 90)
                worker.write(lines[1000:1500])
                frame.weir.wait_for("what was appended", lambda: len(worker.written()) >= 1500, 60)
                time.sleep(2)
            assert worker.written() == lines[:1500]
            yield "lines_go_through_the_topic", None
            with worker:
                worker.write(lines[1500:])
                frame.weir.wait_for("the rest", lambda: len(worker.written()) >= 2000, 90)
                time.sleep(1)
            assert worker.written() == lines, "lines were lost or came twice"
            yield "a_restarted_worker_goes_on_where_it_was", None
        except AssertionError as e:
            yield "file_connectors", "%s, see %s" % (e, worker.log)


def shards():
    return [frame.Shard("streams", "exactly-once-v2", "word-count", word_count),
            frame.Shard("connect", "standalone", "files", file_connectors)]

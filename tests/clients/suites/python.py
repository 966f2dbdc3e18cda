"""Python clients of PyPI, each in a virtual environment of its own, by our programs of tests/clients/python."""
import os

import frame

TOOLS = ["python3"]
CODECS = ["python-snappy==0.7.3", "lz4==4.4.5", "zstandard==0.25.0", "crc32c==2.8"]
# Suite: its packages and its program. kafka-python 2.0.2 needs a six of its own on Python 3.12 and later.
SUITES = {
    "confluent-kafka": (["confluent-kafka==2.16.1"], "confluent_cases.py"),
    "kafka-python": (["kafka-python==3.0.12"] + CODECS, "kafka_python_cases.py"),
    "kafka-python-2.0.2": (["kafka-python==2.0.2"] + CODECS, "kafka_python_cases.py"),
}


def folder(suite):
    packages = SUITES[suite][0]

    def make(into):
        # Debian's interpreter: what 2.0.2 imports of the standard library is gone from 3.12.
        frame.run(["/usr/bin/python3", "-m", "venv", "--without-pip", into])
        target = frame.run([os.path.join(into, "bin", "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        frame.run(["python3", "-m", "pip", "install", "--quiet", "--target", target.strip(), "--python-version", "3.11",
                   "--only-binary=:all:"] + packages)
    return frame.installed(os.path.join(frame.CACHE, "python", suite), " ".join(packages), make)


def install(cache):
    for suite in SUITES:
        folder(suite)


def work(suite):
    def tests(context):
        with context.server() as server:
            yield from context.program([os.path.join(folder(suite), "bin", "python"),
                                        os.path.join(frame.HERE, "python", SUITES[suite][1]), server.bootstrap])
    return tests


def shards():
    return [frame.Shard(suite, "all", "all", work(suite)) for suite in SUITES]

"""Java's kafka-clients, the newest 4.x and 3.0.0: our own programs of tests/clients/java, one JVM a shard."""
import glob
import os

import frame

TOOLS = ["mvn", "java", "javac"]
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
VERSIONS = {"java-4": "clients-4", "java-3": "clients-3"}
# The case class names of tests/clients/java/cases.
PARTS = ["Producing", "Groups", "Transactions", "Administration"]
JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def jars(profile):
    """The folder of a class path of java/pom.xml; brought from Maven's repository the first time."""
    def make(folder):
        frame.run(["mvn", "-B", "-q", "-f", os.path.join(frame.HERE, "java", "pom.xml"), "-P", profile, MAVEN_COPY,
                   "-DincludeScope=runtime", "-DoutputDirectory=" + folder])
    return frame.installed(os.path.join(frame.CACHE, "java", profile), frame.read("java", "pom.xml"), make)


def classes(profile, sources):
    """The folder of our programs compiled against a class path."""
    files = sorted(glob.glob(os.path.join(frame.HERE, "java", sources, "*.java")))

    def make(folder):
        frame.run(["javac", "-nowarn", "-Xlint:none", "-d", folder, "-cp", jars(profile) + "/*"] + files)
    key = frame.read("java", "pom.xml") + "".join(frame.read(f) for f in files)
    return frame.installed(os.path.join(frame.CACHE, "java", profile + "-" + sources), key, make)


def install(cache):
    for profile in VERSIONS.values():
        classes(profile, "cases")


def work(profile, mode, part):
    def tests(context):
        with context.server() as server:
            yield from context.program(["java"] + JVM + ["-cp", "%s:%s/*" % (classes(profile, "cases"), jars(profile)),
                                                         "Cases", server.bootstrap, mode, part])
    return tests


def shards():
    for suite, profile in VERSIONS.items():
        for part in PARTS:
            yield frame.Shard(suite, "classic", part, work(profile, "classic", part))
    yield frame.Shard("java-4", "consumer", "Groups", work("clients-4", "consumer", "Groups"))

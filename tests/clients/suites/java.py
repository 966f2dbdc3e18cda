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
    jars("platform")


def work(profile, mode, part):
    def tests(context):
        with context.server() as server:
            yield from context.program(["java"] + JVM + ["-cp", "%s:%s/*" % (classes(profile, "cases"), jars(profile)),
                                                         "Cases", server.bootstrap, mode, part])
    return tests


def with_login(mechanism, part):
    """A class of tests whose every client logs in."""
    settings = "\n".join([
        "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=" + mechanism,
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"java\" "
        "password=\"java-password\";"])

    def tests(context):
        path = "%s:%s/*" % (classes("clients-4", "cases"), jars("clients-4"))
        with context.scram_server("java", "java-password") as server:
            yield from context.program(["java"] + JVM + ["-cp", path, "Cases", server.bootstrap, "classic", part],
                                       env=dict(os.environ, CLIENT_SETTINGS=settings))
    return tests


def shards():
    for suite, profile in VERSIONS.items():
        for part in PARTS:
            yield frame.Shard(suite, "classic", part, work(profile, "classic", part))
    yield frame.Shard("java-4", "consumer", "Groups", work("clients-4", "consumer", "Groups"))
    yield frame.Shard("java-4", "scram-sha-256", "Transactions", with_login("SCRAM-SHA-256", "Transactions"))
    yield frame.Shard("java-4", "scram-sha-512", "Administration", with_login("SCRAM-SHA-512", "Administration"))

#!/usr/bin/python3
"""kafkajs, of the npm registry: the tests of tests/clients/node/kafkajs.mjs that take a second or so each.

The others, and @platformatic/kafka, which wants a newer Node.js than Debian's, are run by `make check-clients`.
"""
import base64
import hashlib
import io
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import urllib.request

import weir

sys.path.insert(0, os.path.join(weir.ROOT, "tests", "clients"))
import frame  # noqa: E402 - found by the line above

# The package stands alone, so npm (four hundred packages in Debian) is not needed to bring it.
ARCHIVE = "https://registry.npmjs.org/kafkajs/-/kafkajs-2.2.4.tgz"
SHA512 = "j/YeapB1vfPT2iOIUn/vxdyKEuhuY2PxMBvf5JWux6iSaukAccrMtXEY/Lb7OvavDhOWME589bpLrEdnVHjfjA=="
PROGRAMS = os.path.join(weir.ROOT, "tests", "clients", "node")
QUICK = ["topicsAreCreatedDescribedAndDeleted", "recordsKeepKeysHeadersAndOrder", "timestampsFindOffsets",
         "idempotentProducerKeepsTheOrder", "transactionsCommitAndAbortWithOffsets", "tooLargeIsRefused"]


def unpack(into):
    # Its hash says what it is, so it does not matter who sends it, a proxy with a certificate of its own for instance.
    with urllib.request.urlopen(ARCHIVE, timeout=60, context=ssl._create_unverified_context()) as answer:
        archive = answer.read()
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    assert digest == SHA512, "%s has the SHA-512 %s" % (ARCHIVE, digest)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(into)
    os.makedirs(os.path.join(into, "node_modules"))
    os.rename(os.path.join(into, "package"), os.path.join(into, "node_modules", "kafkajs"))


def test_kafkajs_creates_produces_reads_and_commits():
    # Node.js finds packages above the file that imports them, so the programs run from a folder beside the package.
    folder = frame.installed(os.path.join(frame.CACHE, "kafkajs"), SHA512, unpack)
    programs = os.path.join(folder, "cases-%d" % os.getpid())
    shutil.copytree(PROGRAMS, programs)
    try:
        with weir.Server(options=["--set", "group.initial.rebalance.delay.ms=0"]) as server:
            done = subprocess.run(["node", "main.mjs", "./kafkajs.mjs", server.bootstrap] + QUICK, cwd=programs,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
    finally:
        shutil.rmtree(programs, ignore_errors=True)
    passed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert done.returncode == 0 and passed == QUICK, done.stdout


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

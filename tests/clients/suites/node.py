"""JavaScript clients: kafkajs 2.2.4 and @platformatic/kafka 1.35.0, by our own modules of tests/clients/node."""
import os
import shutil

import frame

TOOLS = ["node", "npm"]
MODULES = {"kafkajs": "kafkajs.mjs", "platformatic": "platformatic.mjs"}


def folder():
    def make(into):
        shutil.copy(os.path.join(frame.HERE, "node", "package.json"), into)
        frame.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=into)
    return frame.installed(os.path.join(frame.CACHE, "node"), frame.read("node", "package.json"), make)


def install(cache):
    folder()


def work(module):
    def tests(context):
        # Node finds packages above the file that imports them, so the modules run from a folder beside the packages.
        programs = os.path.join(folder(), "cases")
        shutil.rmtree(programs, ignore_errors=True)
        shutil.copytree(os.path.join(frame.HERE, "node"), programs)
        with context.server() as server:
            yield from context.program(["node", os.path.join(programs, "main.mjs"), os.path.join(programs, module),
                                        server.bootstrap])
    return tests


def shards():
    return [frame.Shard(suite, "all", "all", work(module)) for suite, module in MODULES.items()]

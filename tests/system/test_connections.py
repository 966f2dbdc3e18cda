#!/usr/bin/python3
"""How many connections a broker takes, in all and from one address, and that it can be told so while it runs."""
import socket
import struct
import sys

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

import weir


def connect(server):
    s = socket.create_connection(("127.0.0.1", server.kafka), 5)
    s.settimeout(1)
    return s


def answers(s):
    """True: ApiVersions was answered; False: the connection was closed; None: nothing came."""
    try:
        s.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
        return len(s.recv(4)) == 4
    except socket.timeout:
        return None
    except (ConnectionResetError, BrokenPipeError):
        return False


def alter(server, **configs):
    admin = KafkaAdminClient(bootstrap_servers=server.bootstrap)
    named = {k.replace("_", "."): v for k, v in configs.items()}
    admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs=named)])
    admin.close()


def test_one_address_has_so_many_connections_and_no_more():
    with weir.Server(options=["-s", "max.connections.per.ip=6"]) as server:
        alter(server, max_connections_per_ip="2")
        weir.wait_for("the administrator to be gone", lambda: answers(connect(server)))
        first, second = connect(server), connect(server)
        weir.wait_for("two connections", lambda: answers(first) and answers(second))
        assert answers(connect(server)) is False
        first.close()
        weir.wait_for("room for another", lambda: answers(connect(server)))
        assert answers(second)


def test_who_comes_when_all_connections_are_taken_waits():
    with weir.Server() as server:
        alter(server, max_connections="2")
        first, second = connect(server), connect(server)
        weir.wait_for("two connections", lambda: answers(first) and answers(second))
        third = connect(server)
        assert answers(third) is None
        first.close()
        assert weir.wait_for("the answer", lambda: answers(third))


def test_who_waits_is_taken_when_an_idle_one_is_closed():
    with weir.Server(options=["-s", "connections.max.idle.ms=1000"]) as server:
        alter(server, max_connections="2")
        first, second = connect(server), connect(server)
        weir.wait_for("two connections", lambda: answers(first) and answers(second))
        third = connect(server)
        assert weir.wait_for("the answer", lambda: answers(third), 15)


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

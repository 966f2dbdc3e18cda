#!/usr/bin/python3
"""ACLs: kept by kafka-python's admin client, felt by kcat, kafka-python and confluent-kafka, not by the server's queries."""
import sys

import confluent_kafka
from kafka import errors
from kafka.admin import (ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, KafkaAdminClient,
                         NewTopic, ResourcePattern, ResourcePatternFilter, ResourceType)

import weir

USERS = ('org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="secret" user_ann="ann-pw" '
         'user_bob="bob-pw";')
PASSWORDS = {"admin": "secret", "ann": "ann-pw", "bob": "bob-pw"}
OPTIONS = ["--set", "sasl.enabled.mechanisms=PLAIN", "--set", "sasl.jaas.config=" + USERS,
           "--set", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
           "--set", "super.users=User:admin;User:nobody"]


def login(user):
    return dict(security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_plain_username=user,
                sasl_plain_password=PASSWORDS[user])


def settings(server, user, **more):
    told = {"bootstrap.servers": server.bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN",
            "sasl.username": user, "sasl.password": PASSWORDS[user]}
    told.update({name.replace("_", "."): value for name, value in more.items()})
    return told


def admin_of(server):
    return KafkaAdminClient(bootstrap_servers=server.bootstrap, **login("admin"))


def allow(admin, user, operation, kind, name, pattern=ACLResourcePatternType.LITERAL,
          permission=ACLPermissionType.ALLOW):
    done = admin.create_acls([ACL("User:" + user, "*", operation, permission, ResourcePattern(kind, name, pattern))])
    assert len(done["succeeded"]) == 1 and not done["failed"], done


def everything(pattern=ACLResourcePatternType.ANY, kind=ResourceType.ANY, name=None):
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(kind, name, pattern))


DENIED = confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED


def sends(server, user, topic):
    """The code of the error, None when there is none. (kafka-python 2.0.2 tries again until its time is up.)"""
    codes = []
    producer = confluent_kafka.Producer(settings(server, user))
    producer.produce(topic, b"of " + user.encode(), callback=lambda error, message: codes.append(error and error.code()))
    assert producer.flush(10) == 0 and len(codes) == 1
    return codes[0]


def test_entries_are_kept_and_felt():
    with weir.Server(options=OPTIONS) as server:
        admin = admin_of(server)
        admin.create_topics([NewTopic("orders.eu", 1, 1), NewTopic("other", 1, 1)])
        assert sends(server, "ann", "orders.eu") == DENIED
        allow(admin, "ann", ACLOperation.WRITE, ResourceType.TOPIC, "orders.", ACLResourcePatternType.PREFIXED)
        assert sends(server, "ann", "orders.eu") is None
        assert sends(server, "ann", "other") == DENIED
        assert sends(server, "bob", "orders.eu") == DENIED
        allow(admin, "ann", ACLOperation.ALL, ResourceType.TOPIC, "orders.eu", permission=ACLPermissionType.DENY)
        assert sends(server, "ann", "orders.eu") == DENIED
        server.restart()
        admin = admin_of(server)
        assert sends(server, "ann", "orders.eu") == DENIED
        found, error = admin.describe_acls(everything(ACLResourcePatternType.MATCH, ResourceType.TOPIC, "orders.eu"))
        assert error is errors.NoError and len(found) == 2, found
        deny = ACLFilter("User:ann", None, ACLOperation.ANY, ACLPermissionType.DENY,
                         ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))
        gone = admin.delete_acls([deny])
        assert [acl.principal for acl, error in gone[0][1]] == ["User:ann"], gone
        assert sends(server, "ann", "orders.eu") is None
        assert len(admin.delete_acls([everything()])[0][1]) == 1
        assert admin.describe_acls(everything())[0] == []
        assert sends(server, "ann", "orders.eu") == DENIED


def test_groups_and_topics_are_two_rights():
    with weir.Server(options=OPTIONS) as server:
        admin = admin_of(server)
        admin.create_topics([NewTopic("t", 1, 1)])
        assert sends(server, "admin", "t") is None

        def reads():
            consumer = confluent_kafka.Consumer(settings(server, "bob", group_id="g", auto_offset_reset="earliest"))
            try:
                consumer.subscribe(["t"])
                message = consumer.poll(15)
                assert message is not None
                return message.error().code() if message.error() else message.value()
            finally:
                consumer.close()
        assert reads() in (confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED, DENIED)
        allow(admin, "bob", ACLOperation.READ, ResourceType.TOPIC, "t")
        assert reads() == confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED
        allow(admin, "bob", ACLOperation.READ, ResourceType.GROUP, "g")
        assert reads() == b"of admin"


def test_transactions_and_idempotence_need_their_rights():
    with weir.Server(options=OPTIONS) as server:
        admin = admin_of(server)
        admin.create_topics([NewTopic("t", 1, 1)])

        def begins():
            producer = confluent_kafka.Producer(settings(server, "ann", transactional_id="tx"))
            try:
                producer.init_transactions(10)
                producer.begin_transaction()
                producer.produce("t", b"x")
                producer.commit_transaction(10)
                return None
            except confluent_kafka.KafkaException as e:
                return e.args[0].code()
        assert begins() == confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        allow(admin, "ann", ACLOperation.WRITE, ResourceType.TRANSACTIONAL_ID, "t", ACLResourcePatternType.PREFIXED)
        assert begins() is not None
        allow(admin, "ann", ACLOperation.WRITE, ResourceType.TOPIC, "t")
        assert begins() is None
        # Whoever may write somewhere may do so idempotently (KIP-679).
        errors_of = []
        producer = confluent_kafka.Producer(settings(server, "ann", enable_idempotence=True))
        producer.produce("t", b"y", callback=lambda error, message: errors_of.append(error))
        assert producer.flush(10) == 0 and errors_of == [None], errors_of


def test_lists_show_what_may_be_known():
    with weir.Server(options=OPTIONS) as server:
        admin = admin_of(server)
        admin.create_topics([NewTopic("seen", 1, 1), NewTopic("hidden", 1, 1)])
        allow(admin, "ann", ACLOperation.DESCRIBE, ResourceType.TOPIC, "seen")
        by = ["-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN", "-X", "sasl.username=ann",
              "-X", "sasl.password=ann-pw"]
        told = server.kcat("-L", *by).decode()
        assert '"seen"' in told and "hidden" not in told, told
        refused = server.kcat("-L", "-t", "hidden", *by).decode()
        assert "authorization failed" in refused.lower(), refused


def test_the_servers_own_queries_are_not_asked():
    with weir.Server(options=OPTIONS) as server:
        server.sql("CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE TABLE n AS SELECT k, COUNT(*) AS c FROM s GROUP BY k;")
        server.sql("INSERT INTO s VALUES ('a', 1);")
        found = weir.wait_for("the row", lambda: [row for row in server.query("SELECT * FROM n WHERE k = 'a';") if row])
        assert found


def test_without_an_authorizer_there_are_none():
    with weir.Server(options=OPTIONS[:4]) as server:
        try:
            admin_of(server).describe_acls(everything())
            raise AssertionError("ACLs without an authorizer")
        except errors.SecurityDisabledError:
            pass
        assert sends(server, "ann", "t") is None


def test_a_wrong_setting_ends_the_start():
    for wrong, word in (("authorizer.class.name=kafka.security.authorizer.AclAuthorizer", "StandardAuthorizer"),
                        ("super.users=admin", "super.users")):
        try:
            weir.Server(options=OPTIONS + ["--set", wrong]).start()
            raise AssertionError("started with " + wrong)
        except AssertionError as e:
            assert word in str(e) and "ended with 1" in str(e), e


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

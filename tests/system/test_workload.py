#!/usr/bin/python3
"""The checker of tests/crash/workload.py on histories that are wrong in one way each, and a short run of the workload."""
import os
import sys
import time

import weir

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import workload
from workload_check import Checker, value_of


class Story:
    """Histories with a clock that goes on by a second with each event; every one that is not broken by hand is in order."""

    def __init__(self):
        self.now, self.histories = 0.0, []

    def client(self, kind, name, **more):
        history = []
        self.histories.append(history)

        def note(what, **fields):
            self.now += 1.0
            history.append({"t": self.now, "e": what, **fields})
        note("start", kind=kind, name=name, **more)
        return note

    def writer(self, kind="idem", producer=1, txid=None, **more):
        name = "%s%d" % (kind, producer)
        note = self.client(kind, name, producer=producer, txid=txid, **more)
        if txid:
            note("init")
            note("inited")
        return note

    def reader(self, isolation="rc", kind="reader", p="a/0", **more):
        note = self.client(kind, kind + "-" + isolation, isolation=isolation, **more)
        note("assign", o={p: 0})
        return note

    def finals(self, committed, everything=None, p="a/0"):
        """The last readers: of runs [offset, value, n]."""
        for isolation, runs in (("rc", committed), ("ru", committed if everything is None else everything)):
            self.reader(isolation, "final", p)("poll", r=[[p] + list(r) for r in runs])

    def kinds(self, final=True):
        checker = Checker(self.histories, final)
        checker.check()
        return sorted(checker.anomalies)

    def expect(self, *kinds, final=True):
        assert self.kinds(final) == sorted(kinds), (self.kinds(final), kinds, Checker(self.histories, final).check())


def v(sequence, producer=1):
    return value_of(producer, sequence)


def send(writer, s, n, offset=None, p="a/0"):
    writer("send", p=p, s=s, n=n)
    if offset is not None:
        writer("acked", r=[[p, s, offset, n]])


def transaction(writer, x, s, n, offset, end="committed", offsets=None, p="a/0"):
    writer("begin", x=x)
    send(writer, s, n, offset, p)
    if offsets:
        writer("offsets", x=x, g="g", o=offsets)
    if end != "open":
        writer("abort" if end == "aborted" else "commit", x=x)
    if end in ("committed", "aborted"):
        writer(end, x=x)


def sound():
    """Ten records by an idempotent producer, a transaction of five and an aborted one of five: offsets 0-9, 10-14, 16-20."""
    s = Story()
    w, tx = s.writer(), s.writer("tx", 2, "t")
    send(w, 0, 10, 0)
    transaction(tx, 1, 0, 5, 10)
    transaction(tx, 2, 5, 5, 16, "aborted")
    return s, w, tx


SOUND_COMMITTED = [[0, v(0), 10], [10, v(0, 2), 5]]
SOUND_ALL = SOUND_COMMITTED + [[16, v(5, 2), 5]]


def test_a_sound_history_is_sound():
    s, _, _ = sound()
    reader = s.reader()
    reader("poll", r=[["a/0", 0, v(0), 7]])
    reader("poll", r=[["a/0", 7, v(7), 3], ["a/0", 10, v(0, 2), 5]])
    s.finals(SOUND_COMMITTED, SOUND_ALL)
    s.expect()
    s.expect(final=False)


def test_counts_say_what_was_there():
    s, _, _ = sound()
    s.finals(SOUND_COMMITTED, SOUND_ALL)
    checker = Checker(s.histories)
    checker.check()
    wanted = {"acknowledged": 20, "transactions committed": 1, "transactions aborted": 1, "records": 20, "read": 35}
    assert {k: checker.counts[k] for k in wanted} == wanted, checker.counts


def test_lost_in_the_middle():
    s, _, _ = sound()
    s.finals([[0, v(0), 4], [5, v(5), 5], [10, v(0, 2), 5]], [[0, v(0), 4], [5, v(5), 5], [10, v(0, 2), 5], [16, v(5, 2), 5]])
    # The acknowledgement named the offset, and both readers went over it.
    s.expect("lost", "lost to read_committed", "skipped", "vanished")


def test_lost_at_the_end_without_a_known_offset():
    s = Story()
    w = s.writer()
    send(w, 0, 3, -1)
    s.finals([[0, v(0), 2]])
    s.expect("lost", "lost to read_committed")


def test_lost_to_readers_of_what_is_committed_alone():
    s = Story()
    send(s.writer(), 0, 3, 0)
    s.finals([[0, v(0), 2]], [[0, v(0), 3]])
    s.expect("lost to read_committed")


def test_what_was_not_acknowledged_may_be_missing():
    s = Story()
    w = s.writer()
    send(w, 0, 3, 0)
    send(w, 3, 2)
    w("failed", r=[["a/0", 3, 2]])
    s.finals([[0, v(0), 3]])
    s.expect()


def test_read_once_and_gone():
    s = Story()
    w = s.writer()
    send(w, 0, 3, 0)
    send(w, 3, 2)
    s.reader("ru")("poll", r=[["a/0", 0, v(0), 5]])
    s.finals([[0, v(0), 3]])
    s.expect("vanished")


def test_twice_by_an_idempotent_producer():
    s = Story()
    send(s.writer(), 0, 3, 0)
    s.finals([[0, v(0), 3], [3, v(2), 1]])
    s.expect("duplicate")


def test_twice_by_a_plain_producer_is_allowed():
    s = Story()
    send(s.writer("plain"), 0, 3, -1)
    s.finals([[0, v(0), 2], [2, v(0), 3]])
    s.expect()


def test_never_sent():
    s = Story()
    send(s.writer(), 0, 3, 0)
    s.finals([[0, v(0), 3], [3, v(3), 1]])
    s.expect("never sent")


def test_in_another_partition():
    s = Story()
    send(s.writer(), 0, 1, -1)
    s.finals([[0, v(0), 1]], p="a/1")
    s.expect("lost", "never sent")


def test_one_offset_with_two_values():
    s = Story()
    send(s.writer(), 0, 2, -1)
    s.reader("ru")("poll", r=[["a/0", 0, v(1), 1]])
    s.finals([[0, v(0), 2]])
    s.expect("inconsistent offset")


def test_acknowledged_at_another_offset():
    s = Story()
    send(s.writer(), 0, 2, 1)
    s.finals([[0, v(0), 2]])
    assert "inconsistent offset" in s.kinds()


def test_a_poll_that_goes_back():
    for runs, kind in (([[["a/0", 0, v(0), 2], ["a/0", 1, v(1), 2]]], "nonmonotonic poll"),
                       ([[["a/0", 0, v(0), 2]], [["a/0", 1, v(1), 2]]], "nonmonotonic from poll to poll")):
        s = Story()
        send(s.writer(), 0, 3, 0)
        reader = s.reader()
        for r in runs:
            reader("poll", r=r)
        s.finals([[0, v(0), 3]])
        s.expect(kind)


def test_going_back_is_allowed_after_an_assignment():
    s = Story()
    send(s.writer(), 0, 3, 0)
    reader = s.reader()
    reader("poll", r=[["a/0", 0, v(0), 3]])
    reader("assign", o={"a/0": 1})
    reader("poll", r=[["a/0", 1, v(1), 2]])
    s.finals([[0, v(0), 3]])
    s.expect()


def test_a_poll_that_skips():
    for isolation in ("rc", "ru"):
        for first in (0, 1):
            s = Story()
            send(s.writer(), 0, 4, 0)
            s.reader(isolation)("poll", r=[["a/0", 0, v(0), 1], ["a/0", 2, v(2), 2]][first:])
            s.finals([[0, v(0), 4]])
            s.expect("skipped")
            s.expect("skipped", final=False)


def test_a_skipped_transaction_of_an_unknown_end():
    """Somebody saw it, so it was committed, and whoever passes it has to see it."""
    s = Story()
    tx, w = s.writer("tx", 2, "t"), s.writer()
    transaction(tx, 1, 0, 2, 0, "unknown")
    send(w, 0, 1, 3)
    s.reader()("poll", r=[["a/0", 3, v(0), 1]])
    s.finals([[0, v(0, 2), 2], [3, v(0), 1]])
    s.expect("skipped")


def test_read_of_what_is_not_assigned():
    s = Story()
    send(s.writer(), 0, 2, 0)
    reader = s.reader()
    reader("poll", r=[["a/0", 0, v(0), 1]])
    reader("revoke", o=["a/0"])
    reader("poll", r=[["a/0", 1, v(1), 1]])
    s.finals([[0, v(0), 2]])
    s.expect("read of what is not assigned")


def test_another_order_than_that_of_sending():
    s = Story()
    w = s.writer()
    send(w, 0, 2, -1)
    send(w, 2, 2, -1)
    s.finals([[0, v(2), 2], [2, v(0), 2]])
    s.expect("reordered")


def test_the_order_of_what_was_not_acknowledged_is_free():
    s = Story()
    w = s.writer("plain")
    send(w, 0, 2)
    send(w, 2, 2, -1)
    s.finals([[0, v(2), 2], [2, v(0), 2]])
    s.expect()


def test_an_aborted_read():
    s, _, _ = sound()
    reader = s.reader()
    reader("poll", r=[["a/0", 0, v(0), 10], ["a/0", 10, v(0, 2), 5], ["a/0", 16, v(5, 2), 1]])
    s.finals(SOUND_COMMITTED, SOUND_ALL)
    s.expect("aborted read")
    s.expect("aborted read", final=False)


def test_a_read_of_a_transaction_whose_producer_died_before_its_end():
    s = Story()
    transaction(s.writer("tx", 2, "t"), 1, 0, 2, 0, "open")
    s.finals([[0, v(0, 2), 2]])
    assert "aborted read" in s.kinds()


def test_a_committed_transaction_that_is_not_seen():
    s, _, _ = sound()
    s.finals([[0, v(0), 10]], SOUND_ALL)
    s.expect("committed, and not seen")


def test_a_committed_transaction_that_is_seen_in_part():
    s, _, _ = sound()
    s.finals([[0, v(0), 10], [10, v(0, 2), 4]], SOUND_ALL)
    s.expect("committed, and not seen")


def test_half_a_transaction_of_an_unknown_end():
    for seen, kinds in ((0, ()), (2, ("half a transaction",)), (4, ())):
        s = Story()
        transaction(s.writer("tx", 2, "t"), 1, 0, 4, 0, "unknown")
        s.finals([[0, v(0, 2), seen]] if seen else [], [[0, v(0, 2), 4]])
        s.expect(*kinds)


def test_half_a_transaction_over_two_partitions():
    s = Story()
    tx = s.writer("tx", 2, "t")
    tx("begin", x=1)
    send(tx, 0, 2, 0, "a/0")
    send(tx, 2, 2, 0, "a/1")
    tx("commit", x=1)
    s.finals([[0, v(0, 2), 2]])
    s.finals([], [[0, v(2, 2), 2]], "a/1")
    s.expect("half a transaction")


def test_a_read_beyond_an_open_transaction():
    for late in (False, True):
        s = Story()
        tx, w = s.writer("tx", 2, "t"), s.writer()
        tx("begin", x=1)
        send(tx, 0, 2, 0)
        send(w, 0, 1, 2)
        reader = s.reader()
        if late:
            tx("commit", x=1)
            tx("committed", x=1)
            reader("poll", r=[["a/0", 0, v(0, 2), 2], ["a/0", 2, v(0), 1]])
        else:
            reader("assign", o={"a/0": 2})
            reader("poll", r=[["a/0", 2, v(0), 1]])
            tx("commit", x=1)
            tx("committed", x=1)
        s.finals([[0, v(0, 2), 2], [2, v(0), 1]])
        s.expect(*(() if late else ("read beyond an open transaction",)))


def test_a_transaction_that_timed_out_or_has_a_successor_is_not_open():
    for timeout, successor in ((2.0, False), (1000.0, True)):
        s = Story()
        tx, w = s.writer("tx", 2, "t", timeout=timeout), s.writer()
        tx("begin", x=1)
        send(tx, 0, 2, 0)
        send(w, 0, 1, 3)
        if successor:
            s.writer("tx", 3, "t")
        reader = s.reader()
        reader("poll", r=[["a/0", 3, v(0), 1]])
        s.finals([[3, v(0), 1]], [[0, v(0, 2), 2], [3, v(0), 1]])
        s.expect()


def test_a_fenced_producer_that_commits():
    s = Story()
    old = s.writer("tx", 2, "t")
    old("begin", x=1)
    send(old, 0, 1, 0)
    s.writer("tx", 3, "t")
    old("commit", x=1)
    old("committed", x=1)
    s.finals([[0, v(0, 2), 1]])
    s.expect("commit of a fenced producer")


def test_a_fenced_producer_that_writes():
    s = Story()
    old = s.writer("tx", 2, "t")
    old("begin", x=1)
    s.writer("tx", 3, "t")
    send(old, 0, 1, 0)
    old("commit", x=1)
    s.finals([], [[0, v(0, 2), 1]])
    s.expect("write of a fenced producer")


def group(s, *events):
    member = s.client("group", "m", group="g", isolation="rc", topics=["a"])
    for what, fields in events:
        member(what, **fields)
    return member


def look(s, offset, at=None):
    looker = s.client("look", "look")
    looker("looked", t0=s.now if at is None else at, g="g", o={"a/0": offset})


def read_by_group(s, committed):
    return group(s, ("assign", {"o": {"a/0": None}}), ("poll", {"r": [["a/0", 0, v(0), 3]]}),
                 ("store", {"k": 1, "o": {"a/0": committed}}), ("stored", {"k": 1}))


def test_offsets_that_go_on():
    s = Story()
    send(s.writer(), 0, 3, 0)
    member = read_by_group(s, 2)
    look(s, 2)
    member("store", k=2, o={"a/0": 3})
    look(s, 2)
    look(s, 3)
    s.finals([[0, v(0), 3]])
    s.expect()


def test_an_offset_that_goes_back():
    for before, after in ((2, -1), (3, 2)):
        s = Story()
        send(s.writer(), 0, 3, 0)
        read_by_group(s, 2)
        group(s, ("store", {"k": 1, "o": {"a/0": before}}), ("stored", {"k": 1}))
        look(s, after)
        s.finals([[0, v(0), 3]])
        s.expect("offset went back")


def test_an_offset_that_goes_back_from_one_look_to_the_next():
    s = Story()
    send(s.writer(), 0, 3, 0)
    read_by_group(s, 2)
    group(s, ("store", {"k": 1, "o": {"a/0": 3}}))
    look(s, 3)
    look(s, 2)
    s.finals([[0, v(0), 3]])
    s.expect("offset went back")


def test_an_offset_that_was_asked_for_before_it_moved_may_be_older():
    s = Story()
    send(s.writer(), 0, 3, 0)
    asked = s.now
    read_by_group(s, 2)
    look(s, -1, at=asked)
    s.finals([[0, v(0), 3]])
    s.expect()


def test_an_offset_that_nobody_committed():
    s = Story()
    send(s.writer(), 0, 3, 0)
    read_by_group(s, 2)
    look(s, 3)
    s.finals([[0, v(0), 3]])
    s.expect("offset from nowhere")


def test_an_offset_of_an_aborted_transaction():
    for end, kinds in (("aborted", ("offset from nowhere",)), ("committed", ()), ("unknown", ())):
        s = Story()
        transaction(s.writer("tx", 2, "t"), 1, 0, 1, 0, end, {"a/0": 7})
        look(s, 7)
        s.finals([[0, v(0, 2), 1]] if end == "committed" else [], [[0, v(0, 2), 1]])
        s.expect(*kinds)


def test_an_offset_of_a_committed_transaction_that_is_not_there():
    s = Story()
    transaction(s.writer("tx", 2, "t"), 1, 0, 1, 0, "committed", {"a/0": 7})
    look(s, -1)
    s.finals([[0, v(0, 2), 1]])
    s.expect("offset went back")


def test_a_record_that_no_member_of_the_group_was_shown():
    s = Story()
    send(s.writer(), 0, 3, 0)
    group(s, ("assign", {"o": {"a/0": None}}), ("poll", {"r": [["a/0", 0, v(0), 1]]}))
    group(s, ("assign", {"o": {"a/0": None}}), ("poll", {"r": [["a/0", 2, v(2), 1]]}))
    s.finals([[0, v(0), 3]])
    s.expect("never read by its group")


def processed(outputs, end="committed"):
    """Inputs 0 and 1 in a/0, the group is behind them; outputs: the inputs of the records of one transaction each."""
    s = Story()
    send(s.writer(), 0, 2, 0)
    w = s.writer("process", 2, "t")
    runs = []
    for at, offset in enumerate(outputs):
        w("begin", x=at)
        w("process", s=at, i=[["a/0", offset, 1]])
        send(w, at, 1, at, "b/0")
        w("offsets", x=at, g="g", o={"a/0": offset + 1})
        w("commit", x=at)
        w("committed", x=at)
        runs.append([at, v(at, 2), 1])
    look(s, 2)
    s.finals([[0, v(0), 2]])
    s.finals(runs, p="b/0")
    return s


def test_processed_once():
    processed([0, 1]).expect()


def test_a_processor_that_died_before_it_sent():
    s = processed([0, 1])
    dead = s.writer("process", 3, "u")
    dead("begin", x=1)
    dead("process", s=0, i=[["a/0", 0, 2]])
    s.expect()


def test_processed_twice():
    processed([0, 0, 1]).expect("processed twice")


def test_not_processed():
    processed([1]).expect("not processed")


def test_a_fault_of_a_client():
    s = Story()
    s.writer()("fault", error="UNKNOWN_SERVER_ERROR")
    s.expect("fault of a client")


def test_a_short_run_of_the_workload_keeps_every_promise():
    counts = workload.run(10, int(time.time()), between=(0.2, 1.0), verbose=False)
    for kind in ("acknowledged", "read", "transactions committed", "transactions aborted", "offset commits answered",
                 "processed", "server kills"):
        assert counts[kind] > 0, (kind, counts)


if __name__ == "__main__":
    weir.main(sys.modules[__name__])

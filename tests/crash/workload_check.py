"""Judges the histories of tests/crash/workload.py: what was promised to Kafka clients, and what they were shown.

A history is what one client wrote down, in order: events, each a dict with "e" (what) and "t" (monotonic seconds, one clock
for all). A record's value is a number that no other record has: the producer's number << 40 | its sequence number. Runs of
records are written as [partition, offset, value, n]: offsets and values go up by one each. The events:

    start       of every history: name, kind (plain, idem, tx, process, reader, group, look, final), producer, txid, timeout,
                group, isolation (rc or ru); end: it ended in order; fault: what should not happen to a client, in words
    send        p s n: n records from sequence number s on are about to be written to p
    acked       r: [p, s, offset or -1, n]...; failed r: [p, s, n]...: not acknowledged, may be there
    init inited fenced; begin x; offsets x g o: {p: offset} with transaction x; commit x, committed x; abort x, aborted x
    process     s i: the records from s on come from the inputs i: [p, offset, n]...
    assign      o: {p: offset, or null where the group's offset says it}; revoke o: [p]...
    poll        r: runs as they came
    store       k o: {p: offset}: a group's offsets are about to be committed; stored k: they are
    looked      t0 g o: somebody asked for a group's offsets at t0, and got them at t
"""
import bisect
import collections
from array import array

SHIFT = 40
SEQUENCE = (1 << SHIFT) - 1
SAMPLES = 12


def value_of(producer, sequence):
    return producer << SHIFT | sequence


class Transaction:
    """Records of one producer with sequence numbers from low to below high, and what is known of their end."""

    def __init__(self, x, begun, low):
        self.x, self.begun, self.low, self.high = x, begun, low, low
        self.state, self.ending, self.offsets, self.ended = "open", None, [], None


class Producer:
    """What one process that writes said of itself; `where` and the others go by sequence number."""

    def __init__(self, start):
        self.number, self.name, self.kind, self.txid = start["producer"], start["name"], start["kind"], start.get("txid")
        self.timeout, self.inited, self.fence = start.get("timeout", 0), None, float("inf")
        self.sends, self.transactions, self.processed = [], [], []  # [s, n, p, t]; Transaction; [s, inputs]
        self.acknowledged, self.where, self.visible = bytearray(), array("q"), bytearray()

    @property
    def transactional(self):
        return self.txid is not None

    def grow(self, size):
        missing = size - len(self.where)
        if missing > 0:
            self.where.extend([-1] * missing)
            self.visible.extend(bytes(missing))
            self.acknowledged.extend(bytes(missing))

    def transaction_of(self, sequence):
        at = bisect.bisect_right(self.transactions, sequence, key=lambda x: x.low) - 1
        while at >= 0 and self.transactions[at].high <= self.transactions[at].low:
            at -= 1
        return self.transactions[at] if at >= 0 and sequence < self.transactions[at].high else None

    def partition_of(self, sequence):
        at = bisect.bisect_right(self.sends, sequence, key=lambda x: x[0]) - 1
        return self.sends[at][2] if at >= 0 and sequence < self.sends[at][0] + self.sends[at][1] else None


class Partition:
    """Values by offset: as anybody saw them, and as the last readers did; -1 where nobody saw any."""

    def __init__(self, name, number):
        self.name, self.number = name, number
        self.values, self.final = array("q"), {"rc": array("q"), "ru": array("q")}
        self.committed_reads = []  # (t, highest offset) of read_committed readers


def put(values, offset, value, n):
    """Notes a run; yields (offset, value, what was there) where that is not what it was."""
    if len(values) < offset + n:
        values.extend([-1] * (offset + n - len(values)))
    wanted = array("q", range(value, value + n))
    found = values[offset:offset + n]
    if found == wanted:
        return []
    changes = [(offset + i, wanted[i], found[i]) for i in range(n) if found[i] != wanted[i]]
    for at, v, old in changes:
        if old == -1:
            values[at] = v
    return changes


class Checker:
    """check() once; then `anomalies` (kind: [count, examples]) and `counts`."""

    def __init__(self, histories, final=True):
        self.histories, self.final = list(histories), final
        self.anomalies, self.counts = {}, collections.Counter()
        self.partitions, self.producers, self.gaps = {}, {}, []
        self.stores = collections.defaultdict(list)     # (group, p): (t of the attempt, t of its answer or None, offset)
        self.looks = collections.defaultdict(list)      # (group, p): (t0, t, offset)
        self.read_by_group = collections.defaultdict(bytearray)
        self.isolation_of_group, self.topics_of_group = {}, {}
        self.inits = collections.defaultdict(list)      # txid: when its producers asked for their epochs

    def found(self, kind, text, *values):
        entry = self.anomalies.setdefault(kind, [0, []])
        entry[0] += 1
        if len(entry[1]) < SAMPLES:
            entry[1].append(text % values)

    def partition(self, name):
        if name not in self.partitions:
            self.partitions[name] = Partition(name, len(self.partitions))
        return self.partitions[name]

    def check(self):
        """A history is gone through more than once, and must be the same each time."""
        readers, writers = [], []
        for history in self.histories:
            start = next(iter(history), None)
            if start is not None:
                (writers if "producer" in start else readers).append((start, history))
        for start, history in readers:
            self.read_reader(start, history)
        for start, history in writers:
            self.read_writer(start, history)
        self.fence()
        for start, history in readers + [w for w in writers if "isolation" in w[0]]:
            self.check_reader(start, history)
        self.check_acknowledged()
        self.check_open()
        self.check_order()
        self.check_gaps()
        self.check_offsets()
        if self.final:
            self.check_transactions()
            self.check_groups_read_all()
            self.check_processed_once()
        self.count_states()
        return self.anomalies

    # ---- reading the histories ----------------------------------------------------------------------------------

    def read_reader(self, start, history):
        """What it says of its group; check_reader looks at the rest."""
        group, attempts = start.get("group"), {}
        if group and start["kind"] == "group":
            self.isolation_of_group[group] = start["isolation"]
            self.topics_of_group[group] = start["topics"]
        for e in history:
            what = e["e"]
            if what == "store":
                attempts[e["k"]] = [(p, len(self.stores[group, p])) for p in e["o"]]
                for p, offset in e["o"].items():
                    self.stores[group, p].append((e["t"], None, offset))
                self.counts["offset commits"] += 1
            elif what == "stored":
                for p, at in attempts.pop(e["k"], ()):
                    self.stores[group, p][at] = (self.stores[group, p][at][0], e["t"], self.stores[group, p][at][2])
                self.counts["offset commits answered"] += 1
            elif what == "looked":
                self.counts["looks at offsets"] += 1
                for p, offset in e["o"].items():
                    self.looks[e["g"], p].append((e["t0"], e["t"], offset))
            elif what == "fault":
                self.found("fault of a client", "%s at %.3f: %s", start["name"], e["t"], e["error"])

    def read_writer(self, start, history):
        w = self.producers[start["producer"]] = Producer(start)
        self.counts["producers"] += 1
        ended = False
        for e in history:
            what, now = e["e"], w.transactions[-1] if w.transactions else None
            if what == "send":
                w.sends.append((e["s"], e["n"], e["p"], e["t"]))
                w.grow(e["s"] + e["n"])
                self.counts["sent"] += e["n"]
                if now is not None:
                    now.high = e["s"] + e["n"]
            elif what == "acked":
                self.read_acked(w, e)
            elif what == "failed":
                self.counts["not acknowledged"] += sum(n for _, _, n in e["r"])
            elif what == "begin":
                low = w.sends[-1][0] + w.sends[-1][1] if w.sends else 0
                w.transactions.append(Transaction(e["x"], e["t"], low))
            elif what == "offsets":
                now.offsets.append((e["g"], e["o"]))
            elif what in ("commit", "abort"):
                now.ending = now.ending or e["t"]
                now.state = "unknown" if what == "commit" else now.state
            elif what in ("committed", "aborted"):
                now.state, now.ended = what, e["t"]
            elif what == "init":
                self.inits[w.txid].append(e["t"])
            elif what == "inited":
                w.inited = e["t"]
            elif what == "process":
                w.processed.append((e["s"], e["i"]))
            elif what == "fenced":
                self.counts["fenced"] += 1
            elif what == "fault":
                self.found("fault of a client", "%s at %.3f: %s", start["name"], e["t"], e["error"])
            ended = ended or what == "end"
        for x in w.transactions:
            if x.state == "open" and (self.final or ended or x is not w.transactions[-1]):
                x.state = "aborted"  # Nobody ever asked for its commit.

    def read_acked(self, w, e):
        for p, s, offset, n in e["r"]:
            w.acknowledged[s:s + n] = b"\1" * n
            self.counts["acknowledged"] += n
            if offset >= 0:
                self.note(p, offset, value_of(w.number, s), n, "acknowledged to " + w.name)

    def note(self, p, offset, value, n, who):
        for at, v, old in put(self.partition(p).values, offset, value, n):
            if old != -1:
                self.found("inconsistent offset", "%s/%d holds %s, and %s (%s)", p, at, self.told(old), self.told(v), who)

    def told(self, value):
        w = self.producers.get(value >> SHIFT)
        return "%s:%d" % (w.name if w else "producer %d" % (value >> SHIFT), value & SEQUENCE)

    def fence(self):
        """From the answer of a later producer's InitProducerId on, nothing of an earlier one may come to be."""
        of_txid = collections.defaultdict(list)
        for w in self.producers.values():
            if w.transactional and w.inited is not None:
                of_txid[w.txid].append(w)
        for writers in of_txid.values():
            writers.sort(key=lambda w: w.inited)
            for w, successor in zip(writers, writers[1:]):
                w.fence = successor.inited
        for w in self.producers.values():
            for x in w.transactions:
                if x.state == "committed" and x.ending > w.fence:
                    self.found("commit of a fenced producer", "%s, transaction %d, %.3f s after its successor's start",
                               w.name, x.x, x.ending - w.fence)

    # ---- one reader's view --------------------------------------------------------------------------------------

    def check_reader(self, start, history):
        position, isolation = {}, start["isolation"] if "isolation" in start else "ru"
        read = None if start["kind"] != "group" else lambda p: self.read_by_group[start["group"], p]
        for e in history:
            if e["e"] == "assign":
                for p, offset in e["o"].items():
                    position[p] = offset
            elif e["e"] == "revoke":
                for p in e["o"]:
                    position.pop(p, None)
            elif e["e"] == "poll":
                self.counts["polls"] += 1
                self.check_poll(start, e, position, isolation, read)

    def check_poll(self, start, e, position, isolation, read):
        here = set()
        for p, offset, value, n in e["r"]:
            if p not in position:
                self.found("read of what is not assigned", "%s at %.3f: %s/%d", start["name"], e["t"], p, offset)
            next_offset = position.get(p)
            if next_offset is not None and offset < next_offset:
                self.found("nonmonotonic poll" if p in here else "nonmonotonic from poll to poll",
                           "%s at %.3f: %s/%d after %d", start["name"], e["t"], p, offset, next_offset - 1)
            elif next_offset is not None and offset > next_offset:
                self.gaps.append((p, next_offset, offset, isolation, start["name"], e["t"]))
            position[p] = offset + n
            here.add(p)
            self.note(p, offset, value, n, "read by " + start["name"])
            self.counts["read"] += n
            partition = self.partition(p)
            if start["kind"] == "final":
                put(partition.final[isolation], offset, value, n)
            if isolation == "rc":
                partition.committed_reads.append((e["t"], offset + n - 1))
                self.check_visible(start["name"], e["t"], p, offset, value, n, start["kind"] == "final")
            if read:
                marks = read(p)
                marks.extend(bytes(max(0, offset + n - len(marks))))
                marks[offset:offset + n] = b"\1" * n

    def check_visible(self, name, t, p, offset, value, n, final):
        """What a read_committed reader was shown is of no aborted transaction."""
        w, s = self.producers.get(value >> SHIFT), value & SEQUENCE
        if w is None:
            return
        if final:
            w.grow(s + n)
            w.visible[s:s + n] = b"\1" * n
        if w.transactional:
            i = s
            while i < s + n:
                x = w.transaction_of(i)
                if x is None or x.state == "aborted":
                    self.found("aborted read", "%s at %.3f: %s/%d is %s", name, t, p, offset + i - s,
                               self.told(value_of(w.number, i)))
                i = x.high if x else i + 1

    # ---- what was acknowledged ----------------------------------------------------------------------------------

    def check_acknowledged(self):
        """Fills `where` from what was seen; finds records that come twice, that nobody sent, and those that are lost."""
        for partition in self.partitions.values():
            seen = partition.final["ru"] if self.final else partition.values
            for offset, value in enumerate(seen):
                if value != -1:
                    self.place(partition, offset, value)
            for offset, value in enumerate(partition.values if self.final else ()):
                if value != -1 and (offset >= len(seen) or seen[offset] == -1):
                    self.found("vanished", "%s/%d was %s", partition.name, offset, self.told(value))
        for w in self.producers.values():
            for s, n, p, t in w.sends:
                for i in range(s, s + n):
                    if not w.acknowledged[i]:
                        continue
                    if t > w.fence:
                        self.found("write of a fenced producer", "%s:%d to %s was acknowledged", w.name, i, p)
                    if self.final and w.where[i] == -1:
                        self.found("lost", "%s:%d was acknowledged for %s", w.name, i, p)
                    if self.final and not w.transactional and not w.visible[i]:
                        self.found("lost to read_committed", "%s:%d was acknowledged for %s", w.name, i, p)

    def place(self, partition, offset, value):
        w, s = self.producers.get(value >> SHIFT), value & SEQUENCE
        if w is None or s >= len(w.where) or w.partition_of(s) != partition.name:
            self.found("never sent", "%s/%d holds %s", partition.name, offset, self.told(value))
        elif w.where[s] == -1:
            w.where[s] = offset
            self.counts["records"] += 1
        elif w.kind == "plain":
            self.counts["twice, as plain producers may"] += 1
        else:
            self.found("duplicate", "%s is at %s/%d and at %d", self.told(value), partition.name, w.where[s], offset)

    def check_order(self):
        """What a producer had acknowledged stands in each partition in the order of its sending."""
        for w in self.producers.values():
            last = {}
            for s, n, p, _ in w.sends:
                before = last.get(p, (-1, -1))
                for i in range(s, s + n):
                    if not w.acknowledged[i] or w.where[i] == -1:
                        continue
                    if w.where[i] < before[0]:
                        self.found("reordered", "%s:%d is at %s/%d, %s:%d before it at %d", w.name, i, p, w.where[i],
                                   w.name, before[1], before[0])
                    before = (w.where[i], i)
                last[p] = before

    # ---- transactions -------------------------------------------------------------------------------------------

    def open_until(self, w, x):
        """Until when a transaction was open for certain: nobody had asked for its end, and it had not timed out."""
        until = x.ending if x.ending is not None else float("inf")
        if w.timeout:
            until = min(until, x.begun + 0.9 * w.timeout)
        inits = self.inits[w.txid]
        at = bisect.bisect_right(inits, x.begun)
        return min(until, inits[at]) if at < len(inits) else until

    def check_open(self):
        """No read_committed reader got to a transaction's first record, or beyond, while the transaction was open."""
        for times in self.inits.values():
            times.sort()
        highest = {}
        for p in self.partitions.values():
            p.committed_reads.sort()
            top, tops = -1, []
            for _, offset in p.committed_reads:
                top = max(top, offset)
                tops.append(top)
            highest[p.name] = ([t for t, _ in p.committed_reads], tops)
        for w in self.producers.values():
            if not w.transactional:
                continue
            sends = [send[0] for send in w.sends]
            for x in w.transactions:
                until, firsts = self.open_until(w, x), {}
                for at in range(bisect.bisect_left(sends, x.low), bisect.bisect_left(sends, x.high)):
                    s, n, p, _ = w.sends[at]
                    there = [w.where[i] for i in range(s, s + n) if w.where[i] != -1]
                    if there:
                        firsts[p] = min(there + [firsts.get(p, there[0])])
                for p, first in firsts.items():
                    times, tops = highest[p]
                    before = bisect.bisect_left(times, until) - 1
                    if before >= 0 and tops[before] >= first:
                        self.found("read beyond an open transaction", "%s/%d was read before %.3f, transaction %d of %s "
                                   "was open from %d on", p, tops[before], until, x.x, w.name, first)

    def check_transactions(self):
        """In the end each is there as a whole or not at all."""
        for w in self.producers.values():
            for x in w.transactions:
                size, there = x.high - x.low, sum(w.visible[x.low:x.high])
                if x.state == "committed" and there < size:
                    self.found("committed, and not seen", "%s, transaction %d: %d of %d records", w.name, x.x, size - there, size)
                elif 0 < there < size:
                    self.found("half a transaction", "%s, transaction %d (%s): %d of %d records are seen", w.name, x.x,
                               x.state, there, size)

    # ---- skipped records ----------------------------------------------------------------------------------------

    def shown(self, partition, offset, isolation):
        """Whether a reader that passes an offset is to be shown a record there; None: it cannot be said."""
        value = partition.values[offset] if offset < len(partition.values) else -1
        w = self.producers.get(value >> SHIFT) if value != -1 else None
        if w is None:
            return False
        x = w.transaction_of(value & SEQUENCE) if w.transactional and isolation == "rc" else None
        if x is None or x.state in ("committed", "aborted"):
            return x is None or x.state == "committed"
        return bool(w.visible[value & SEQUENCE]) if self.final else None

    def check_gaps(self):
        for p, low, high, isolation, name, t in self.gaps:
            partition = self.partition(p)
            missed = [o for o in range(low, high) if self.shown(partition, o, isolation)]
            if missed:
                self.found("skipped", "%s at %.3f went from %s/%d to %d over %d records, the first is %s at %d", name, t, p,
                           low - 1, high, len(missed), self.told(partition.values[missed[0]]), missed[0])

    # ---- groups -------------------------------------------------------------------------------------------------

    def check_offsets(self):
        """The offsets of a group never go back, and are only what somebody committed."""
        for w in self.producers.values():
            for x in w.transactions:
                for group, offsets in x.offsets:
                    for p, offset in offsets.items():
                        if x.state in ("committed", "unknown"):
                            self.stores[group, p].append((x.ending, x.ended, offset))
        for (group, p), looks in self.looks.items():
            stores = sorted(self.stores[group, p], key=lambda s: s[0])
            first = {}
            for t, _, offset in stores:
                first.setdefault(offset, t)
            known = [(done, offset) for _, done, offset in stores if done is not None]
            known += [(t, offset) for _, t, offset in looks]
            known.sort()
            times, best, top = [t for t, _ in known], [], -1
            for _, offset in known:
                top = max(top, offset)
                best.append(top)
            for t0, t, offset in looks:
                before = bisect.bisect_left(times, t0) - 1
                if before >= 0 and offset < best[before]:
                    self.found("offset went back", "group %s at %.3f: %s is at %d, it was at %d", group, t0, p, offset, best[before])
                if offset >= 0 and first.get(offset, float("inf")) > t:
                    self.found("offset from nowhere", "group %s at %.3f: %s is at %d", group, t, p, offset)

    def check_groups_read_all(self):
        """What a group's members were shown together is all there is to be shown: none was passed over by a rebalance."""
        for group, topics in self.topics_of_group.items():
            for partition in self.partitions.values():
                if partition.name.split("/")[0] not in topics:
                    continue
                marks = self.read_by_group[group, partition.name]
                for offset, value in enumerate(partition.final[self.isolation_of_group[group]]):
                    if value != -1 and (offset >= len(marks) or not marks[offset]):
                        self.found("never read by its group", "%s: %s/%d (%s)", group, partition.name, offset, self.told(value))

    def check_processed_once(self):
        """Each input of the processors below their group's last offsets has one output that was committed, not less or more."""
        times, ends, inputs = {}, {}, set()
        for w in self.producers.values():
            for s, runs in w.processed:
                for p, offset, n in runs:
                    marks = times.setdefault(p, bytearray())
                    marks.extend(bytes(max(0, offset + n - len(marks))))
                    for i in range(n):
                        if s + i < len(w.visible) and w.visible[s + i]: # killed before it sent: nothing was
                            marks[offset + i] = min(marks[offset + i] + 1, 255)
                    s += n
            inputs.update((group, p) for x in w.transactions for group, offsets in x.offsets for p in offsets)
        for group, p in inputs:
            ends[p] = max((offset for _, _, offset in self.looks[group, p]), default=0)
        for p, marks in times.items():
            source = self.partition(p).final["rc"]
            for offset, count in enumerate(marks):
                if count > 1:
                    self.found("processed twice", "%s/%d has %d outputs", p, offset, count)
            for offset in range(min(ends.get(p, 0), len(source))):
                if source[offset] != -1 and (offset >= len(marks) or not marks[offset]):
                    self.found("not processed", "%s/%d (%s), the group is at %d", p, offset, self.told(source[offset]), ends[p])
            self.counts["processed"] += sum(1 for count in marks if count)

    def count_states(self):
        for w in self.producers.values():
            self.counts.update("transactions " + x.state for x in w.transactions if x.high > x.low)

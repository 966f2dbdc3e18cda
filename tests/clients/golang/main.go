// Tests with sarama: admin, producing in every codec, a consumer group, transactions.
// Usage: sarama BOOTSTRAP. Prints "ok    NAME" or "FAIL  NAME: reason" for each.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var bootstrap []string
var names int

func fresh(prefix string) string {
	names++
	return fmt.Sprintf("%s-%d-%d", prefix, names, os.Getpid())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(condition bool, what string, arguments ...any) {
	if !condition {
		panic(fmt.Sprintf(what, arguments...))
	}
}

func until(what string, condition func() bool) {
	for deadline := time.Now().Add(25 * time.Second); !condition(); time.Sleep(30 * time.Millisecond) {
		check(time.Now().Before(deadline), "waited in vain for %s", what)
	}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Session.Timeout = 6 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return c
}

func topic(partitions int32) string {
	name := fresh("sarama")
	admin, err := sarama.NewClusterAdmin(bootstrap, config())
	must(err)
	defer admin.Close()
	must(admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	return name
}

func produce(c *sarama.Config, name string, from, to int) {
	producer, err := sarama.NewSyncProducer(bootstrap, c)
	must(err)
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for i := from; i < to; i++ {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Key: sarama.StringEncoder(fmt.Sprint("k", i)),
			Value: sarama.StringEncoder(fmt.Sprint("v", i)), Timestamp: time.UnixMilli(int64(1000 + i)),
			Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("x")}}})
	}
	must(producer.SendMessages(messages))
}

// The values of a partition, from its first offset on.
func read(c *sarama.Config, name string, count int) []string {
	consumer, err := sarama.NewConsumer(bootstrap, c)
	must(err)
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(name, 0, sarama.OffsetOldest)
	must(err)
	defer partition.Close()
	var values []string
	for timeout := time.After(20 * time.Second); len(values) < count; {
		select {
		case m := <-partition.Messages():
			values = append(values, string(m.Value))
		case <-timeout:
			panic(fmt.Sprintf("%d of %d records", len(values), count))
		}
	}
	return values
}

func codecs() {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD} {
		name, c := topic(1), config()
		c.Producer.Compression = codec
		produce(c, name, 0, 200)
		for i, value := range read(c, name, 200) {
			check(value == fmt.Sprint("v", i), "%v: record %d is %s", codec, i, value)
		}
	}
}

func olderVersions() {
	for _, version := range []sarama.KafkaVersion{sarama.V1_0_0_0, sarama.V2_0_0_0, sarama.V2_8_0_0, sarama.V3_6_0_0} {
		name, c := topic(1), config()
		c.Version = version
		produce(c, name, 0, 50)
		read(c, name, 50)
	}
}

func idempotence() {
	name, c := topic(1), config()
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	for i := 0; i < 5; i++ {
		produce(c, name, i*20, i*20+20)
	}
	for i, value := range read(c, name, 100) {
		check(value == fmt.Sprint("v", i), "record %d is %s", i, value)
	}
}

func administration() {
	name := topic(2)
	admin, err := sarama.NewClusterAdmin(bootstrap, config())
	must(err)
	defer admin.Close()
	must(admin.CreatePartitions(name, 4, nil, false))
	told, err := admin.DescribeTopics([]string{name})
	must(err)
	check(len(told[0].Partitions) == 4, "%d partitions", len(told[0].Partitions))
	value := "4242"
	must(admin.IncrementalAlterConfig(sarama.TopicResource, name, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false))
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: name})
	must(err)
	found := false
	for _, e := range entries {
		found = found || e.Name == "retention.ms" && e.Value == value
	}
	check(found, "retention.ms is not %s", value)
	_, controller, err := admin.DescribeCluster()
	must(err)
	dirs, err := admin.DescribeLogDirs([]int32{controller})
	must(err)
	check(len(dirs[controller]) == 1, "%d log dirs", len(dirs[controller]))
	err = admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	check(err != nil && strings.Contains(err.Error(), "already exists"), "a second topic of the same name: %v", err)
	must(admin.DeleteTopic(name))
}

type member struct {
	sync.Mutex
	seen  map[string]bool
	owned int
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	m.owned = 0
	for _, partitions := range s.Claims() {
		m.owned += len(partitions)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message := <-claim.Messages():
			if message == nil {
				return nil
			}
			m.Lock()
			m.seen[string(message.Value)] = true
			m.Unlock()
			s.MarkMessage(message, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func (m *member) counts() (int, int) {
	m.Lock()
	defer m.Unlock()
	return m.owned, len(m.seen)
}

func join(name, group string) (*member, func()) {
	m := &member{seen: map[string]bool{}}
	g, err := sarama.NewConsumerGroup(bootstrap, group, config())
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() {
		for ctx.Err() == nil {
			if g.Consume(ctx, []string{name}, m) != nil {
				break
			}
		}
		close(done)
	}()
	return m, func() { cancel(); <-done; g.Close() }
}

func groups() {
	name, group := topic(4), fresh("g")
	a, endA := join(name, group)
	until("the first member's partitions", func() bool { owned, _ := a.counts(); return owned == 4 })
	b, endB := join(name, group)
	until("an even share", func() bool {
		ofA, _ := a.counts()
		ofB, _ := b.counts()
		return ofA == 2 && ofB == 2
	})
	produce(config(), name, 0, 400)
	until("every record", func() bool {
		_, ofA := a.counts()
		_, ofB := b.counts()
		return ofA+ofB == 400 && ofA > 0 && ofB > 0
	})
	endA()
	endB()
	c, endC := join(name, group)
	until("the partitions", func() bool { owned, _ := c.counts(); return owned == 4 })
	produce(config(), name, 400, 450)
	until("only what is new", func() bool { _, seen := c.counts(); return seen == 50 })
	endC()
	admin, err := sarama.NewClusterAdmin(bootstrap, config())
	must(err)
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets(group, nil)
	must(err)
	var sum int64
	for _, block := range offsets.Blocks[name] {
		sum += block.Offset
	}
	check(sum == 450, "committed %d", sum)
	must(admin.DeleteConsumerGroup(group))
}

func transactions() {
	name, c := topic(1), config()
	c.Producer.Idempotent = true
	c.Producer.Transaction.ID = fresh("t")
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(bootstrap, c)
	must(err)
	for i := 0; i < 8; i++ {
		must(producer.BeginTxn())
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(fmt.Sprint("v", i))})
		must(err)
		if i%2 == 1 {
			must(producer.AbortTxn())
		} else {
			must(producer.CommitTxn())
		}
	}
	producer.Close()
	c = config()
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	values := read(c, name, 4)
	check(strings.Join(values, " ") == "v0 v2 v4 v6", "read %v", values)
}

func main() {
	bootstrap = os.Args[1:2]
	failed := false
	for _, test := range []struct {
		name string
		body func()
	}{{"codecs", codecs}, {"olderVersions", olderVersions}, {"idempotence", idempotence}, {"administration", administration},
		{"groups", groups}, {"transactions", transactions}} {
		func() {
			defer func() {
				if reason := recover(); reason != nil {
					failed = true
					fmt.Printf("FAIL  %s: %v\n", test.name, reason)
				} else {
					fmt.Printf("ok    %s\n", test.name)
				}
			}()
			test.body()
		}()
	}
	if failed {
		os.Exit(1)
	}
}

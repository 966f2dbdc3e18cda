// kafkajs 2.2.4: admin, producing in its codecs, groups, seeking, transactions.
import kafkajs from 'kafkajs'
import { equal, fails, fresh, until } from './cases.mjs'

const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = kafkajs
const client = bootstrap => new Kafka({ clientId: 'cases', brokers: [bootstrap], logLevel: logLevel.NOTHING })

async function withAdmin (bootstrap, body) {
  const admin = client(bootstrap).admin({ retry: { initialRetryTime: 50 } })
  await admin.connect()
  try {
    return await body(admin)
  } finally {
    await admin.disconnect()
  }
}

async function makeTopic (bootstrap, partitions = 1) {
  const topic = fresh('js')
  await withAdmin(bootstrap, admin => admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true }))
  return topic
}

async function send (bootstrap, topic, messages, options = {}) {
  const producer = client(bootstrap).producer({ allowAutoTopicCreation: false, ...options.producer })
  await producer.connect()
  const answer = await producer.send({ topic, messages, acks: -1, ...options.send })
  await producer.disconnect()
  return answer
}

// A consumer of a group that keeps what it reads; its end is the caller's.
async function reader (bootstrap, groupId, topic, options = {}) {
  const consumer = client(bootstrap).consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 300, rebalanceTimeout: 6000, maxWaitTimeInMs: 200, ...options.consumer })
  const seen = []
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ ...options.run, eachMessage: async ({ partition, message }) => { seen.push({ partition, ...message, value: String(message.value) }) } })
  return { consumer, seen }
}

export async function topicsAreCreatedDescribedAndDeleted (bootstrap) {
  const topic = await makeTopic(bootstrap, 3)
  await withAdmin(bootstrap, async admin => {
    equal(true, (await admin.listTopics()).includes(topic))
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    equal([0, 1, 2], topics[0].partitions.map(p => p.partitionId).sort())
    equal(false, await admin.createTopics({ topics: [{ topic }] }))
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    equal(5, (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length)
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '4242' }] }] })
    const { resources } = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })
    equal('4242', resources[0].configEntries.find(e => e.configName === 'retention.ms').configValue)
    await admin.deleteTopics({ topics: [topic] })
    await fails('does not host this topic-partition', () => admin.deleteTopics({ topics: [topic] }))
    equal(1, (await admin.describeCluster()).brokers.length)
  })
}

export async function recordsKeepKeysHeadersAndOrder (bootstrap) {
  const topic = await makeTopic(bootstrap)
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const messages = Array.from({ length: 100 }, (_, i) => ({ key: i % 2 ? `k${i}` : null, value: `v${i}`, headers: { h: `x${i}` }, timestamp: String(1000 + i) }))
    await send(bootstrap, topic, messages, { send: { compression } })
  }
  const { consumer, seen } = await reader(bootstrap, fresh('g'), topic)
  await until('every record', () => seen.length === 200)
  await consumer.disconnect()
  for (let i = 0; i < 200; i++) {
    equal(`v${i % 100}`, seen[i].value)
    equal(i % 2 ? `k${i % 100}` : null, seen[i].key && String(seen[i].key))
    equal(`x${i % 100}`, String(seen[i].headers.h))
    equal(String(1000 + i % 100), seen[i].timestamp)
    equal(String(i), seen[i].offset)
  }
}

export async function membersShareAndResume (bootstrap) {
  const topic = await makeTopic(bootstrap, 4)
  const groupId = fresh('g')
  const batch = (from, to) => Array.from({ length: to - from }, (_, i) => ({ key: String(from + i), value: `v${from + i}` }))
  const a = await reader(bootstrap, groupId, topic)
  await send(bootstrap, topic, batch(0, 200))
  await until('the first records', () => a.seen.length === 200)
  const b = await reader(bootstrap, groupId, topic)
  await withAdmin(bootstrap, admin => until('two members', async () => {
    const { groups } = await admin.describeGroups([groupId])
    return groups[0].state === 'Stable' && groups[0].members.length === 2
  }))
  await send(bootstrap, topic, batch(200, 600))
  await until('records of both', () => new Set([...a.seen, ...b.seen].map(m => m.value)).size === 600)
  equal(true, b.seen.length > 0)
  await a.consumer.disconnect()
  await send(bootstrap, topic, batch(600, 800))
  await until('records of the one left', () => new Set([...a.seen, ...b.seen].map(m => m.value)).size === 800)
  await b.consumer.disconnect()
  const c = await reader(bootstrap, groupId, topic)
  await new Promise(resolve => setTimeout(resolve, 2000))
  equal([], c.seen.map(m => m.value))
  await c.consumer.disconnect()
}

export async function groupsAreAdministered (bootstrap) {
  const topic = await makeTopic(bootstrap)
  const groupId = fresh('g')
  await send(bootstrap, topic, [{ value: 'a' }, { value: 'b' }])
  const { consumer, seen } = await reader(bootstrap, groupId, topic)
  await until('the records', () => seen.length === 2)
  await withAdmin(bootstrap, async admin => {
    equal(true, (await admin.listGroups()).groups.some(g => g.groupId === groupId))
    await consumer.disconnect()
    await until('the offsets', async () => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset === '2')
    equal('2', (await admin.fetchTopicOffsets(topic))[0].offset)
    equal('0', (await admin.fetchTopicOffsets(topic))[0].low)
    await admin.resetOffsets({ groupId, topic, earliest: true })
    equal('-2', (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset)
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '1' }] })
    equal('1', (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset)
    await admin.deleteGroups([groupId])
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] })
    equal('1', (await admin.fetchTopicOffsets(topic))[0].low)
  })
}

export async function timestampsFindOffsets (bootstrap) {
  const topic = await makeTopic(bootstrap)
  await send(bootstrap, topic, [10, 20, 30].map(t => ({ value: 'v', timestamp: String(t) })))
  await withAdmin(bootstrap, async admin => equal('1', (await admin.fetchTopicOffsetsByTimestamp(topic, 15))[0].offset))
}

export async function idempotentProducerKeepsTheOrder (bootstrap) {
  const topic = await makeTopic(bootstrap)
  const producer = client(bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let i = 0; i < 50; i++) await producer.send({ topic, messages: [{ value: `v${i}` }] })
  await producer.disconnect()
  const { consumer, seen } = await reader(bootstrap, fresh('g'), topic)
  await until('every record', () => seen.length === 50)
  await consumer.disconnect()
  equal(Array.from({ length: 50 }, (_, i) => `v${i}`), seen.map(m => m.value))
}

export async function transactionsCommitAndAbortWithOffsets (bootstrap) {
  const topic = await makeTopic(bootstrap)
  const groupId = fresh('g')
  const producer = client(bootstrap).producer({ transactionalId: fresh('t'), idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let i = 0; i < 10; i++) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value: `v${i}` }] })
    await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic, partitions: [{ partition: 0, offset: String(i) }] }] })
    if (i % 2) await transaction.abort()
    else await transaction.commit()
  }
  await producer.disconnect()
  await withAdmin(bootstrap, async admin => equal('8', (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset))
  const { consumer, seen } = await reader(bootstrap, fresh('g'), topic, { consumer: { readUncommitted: false } })
  await until('every record', () => seen.length >= 5)
  await consumer.disconnect()
  equal(['v0', 'v2', 'v4', 'v6', 'v8'], seen.map(m => m.value))
}

export async function seekAndPause (bootstrap) {
  const topic = await makeTopic(bootstrap)
  await send(bootstrap, topic, Array.from({ length: 20 }, (_, i) => ({ value: `v${i}` })))
  const { consumer, seen } = await reader(bootstrap, fresh('g'), topic)
  await until('every record', () => seen.length === 20)
  consumer.seek({ topic, partition: 0, offset: '15' })
  await until('them again', () => seen.length === 25)
  equal('v15', seen[20].value)
  consumer.pause([{ topic }])
  await send(bootstrap, topic, [{ value: 'later' }])
  await new Promise(resolve => setTimeout(resolve, 700))
  equal(25, seen.length)
  consumer.resume([{ topic }])
  await until('the later one', () => seen.length === 26)
  await consumer.disconnect()
}

export async function tooLargeIsRefused (bootstrap) {
  const topic = await makeTopic(bootstrap)
  await fails('MESSAGE_TOO_LARGE', () => send(bootstrap, topic, [{ value: 'x'.repeat(2000000) }], { producer: { retry: { retries: 0 } } }))
}

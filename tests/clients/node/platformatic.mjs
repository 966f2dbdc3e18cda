// @platformatic/kafka: a client that speaks only new versions of the protocol.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { equal, fails, fresh, until } from './cases.mjs'

const options = (bootstrap, more = {}) => ({ clientId: 'cases', bootstrapBrokers: [bootstrap], retries: 3, ...more })

async function withAdmin (bootstrap, body) {
  const admin = new Admin(options(bootstrap))
  try {
    return await body(admin)
  } finally {
    await admin.close()
  }
}

async function makeTopic (bootstrap, partitions = 1) {
  const topic = fresh('plt')
  await withAdmin(bootstrap, admin => admin.createTopics({ topics: [topic], partitions, replicas: 1 }))
  return topic
}

async function send (bootstrap, messages, more = {}) {
  const producer = new Producer(options(bootstrap, { serializers: stringSerializers, ...more }))
  try {
    return await producer.send({ messages, acks: -1 })
  } finally {
    await producer.close()
  }
}

// A member of a group that keeps what it reads.
async function reader (bootstrap, groupId, topic, more = {}) {
  const consumer = new Consumer(options(bootstrap, { groupId, deserializers: stringDeserializers, ...more.consumer }))
  const stream = await consumer.consume({
    topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: true, maxWaitTime: 200, ...more.consume
  })
  const seen = []
  stream.on('data', message => seen.push(message))
  stream.on('error', () => {})
  const close = async () => {
    await stream.close()
    await consumer.close(true)
  }
  return { consumer, seen, close }
}

export async function topicsAreCreatedGrownAndDeleted (bootstrap) {
  const topic = await makeTopic(bootstrap, 2)
  await withAdmin(bootstrap, async admin => {
    equal(true, (await admin.listTopics()).includes(topic))
    await fails('TOPIC_ALREADY_EXISTS', () => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }))
    await admin.createPartitions({ topics: [{ name: topic, count: 4, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] }] })
    const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
    equal(4, metadata.topics.get(topic).partitionsCount)
    await admin.deleteTopics({ topics: [topic] })
    equal(false, (await admin.listTopics()).includes(topic))
  })
}

export async function configsChange (bootstrap) {
  const topic = await makeTopic(bootstrap)
  await withAdmin(bootstrap, async admin => {
    await admin.incrementalAlterConfigs({
      resources: [{ resourceType: 2, resourceName: topic, configs: [{ name: 'retention.ms', configOperation: 0, value: '4242' }] }]
    })
    const [told] = await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: topic }] })
    equal('4242', told.configs.find(c => c.name === 'retention.ms').value)
  })
}

async function roundTrip (bootstrap, compression) {
  const topic = await makeTopic(bootstrap)
  const messages = Array.from({ length: 100 }, (_, i) => ({
    topic, key: `k${i}`, value: `v${i}`, headers: { h: `x${i}` }, partition: 0
  }))
  const { offsets } = await send(bootstrap, messages, { compression })
  equal('0', String(offsets[0].offset))
  const r = await reader(bootstrap, fresh('g'), topic)
  await until('every record', () => r.seen.length === 100)
  await r.close()
  r.seen.forEach((m, i) => {
    equal([`k${i}`, `v${i}`, `x${i}`, String(i)], [m.key, m.value, m.headers.get('h'), String(m.offset)])
  })
}

export const codecNone = bootstrap => roundTrip(bootstrap, 'none')
export const codecGzip = bootstrap => roundTrip(bootstrap, 'gzip')
export const codecSnappy = bootstrap => roundTrip(bootstrap, 'snappy')
export const codecLz4 = bootstrap => roundTrip(bootstrap, 'lz4')
export const codecZstd = bootstrap => roundTrip(bootstrap, 'zstd')

async function share (bootstrap, more) {
  const topic = await makeTopic(bootstrap, 4)
  const groupId = fresh('g')
  const batch = (from, to) => Array.from({ length: to - from }, (_, i) => ({ topic, key: `k${from + i}`, value: `v${from + i}` }))
  const a = await reader(bootstrap, groupId, topic, more)
  await send(bootstrap, batch(0, 100))
  await until('the first records', () => a.seen.length === 100)
  const b = await reader(bootstrap, groupId, topic, more)
  await until('a share for both', async () => {
    const sizes = [a, b].map(m => (m.consumer.assignments ?? []).reduce((n, t) => n + t.partitions.length, 0))
    return sizes[0] === 2 && sizes[1] === 2
  }, 30)
  await send(bootstrap, batch(100, 400))
  await until('records of both', () => new Set([...a.seen, ...b.seen].map(m => m.value)).size === 400)
  equal(true, b.seen.length > 0)
  await a.close()
  await b.close()
  const c = await reader(bootstrap, groupId, topic, more)
  await send(bootstrap, batch(400, 450))
  await until('only what is new', () => c.seen.length === 50)
  await c.close()
}

export async function classicMembersShareAndResume (bootstrap) {
  await share(bootstrap, { consumer: { sessionTimeout: 6000, heartbeatInterval: 300, rebalanceTimeout: 6000 } })
}

export async function consumerProtocolMembersShareAndResume (bootstrap) {
  await share(bootstrap, { consumer: { groupProtocol: 'consumer' } })
}

export async function groupsAreAdministered (bootstrap) {
  const topic = await makeTopic(bootstrap)
  const groupId = fresh('g')
  await send(bootstrap, [{ topic, value: 'v', key: 'k' }])
  const r = await reader(bootstrap, groupId, topic)
  await until('the record', () => r.seen.length === 1)
  await withAdmin(bootstrap, async admin => {
    equal(true, (await admin.listGroups()).has(groupId))
    equal(1, (await admin.describeGroups({ groups: [groupId] })).get(groupId).members.size)
    await r.close()
    const [told] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
    equal('1', String(told.topics[0].partitions[0].committedOffset))
    await admin.deleteGroups({ groups: [groupId] })
    equal(false, (await admin.listGroups()).has(groupId))
  })
}

export async function idempotentProducerKeepsTheOrder (bootstrap) {
  const topic = await makeTopic(bootstrap)
  const producer = new Producer(options(bootstrap, { serializers: stringSerializers, idempotent: true }))
  for (let i = 0; i < 50; i++) await producer.send({ messages: [{ topic, key: 'k', value: `v${i}` }] })
  await producer.close()
  const r = await reader(bootstrap, fresh('g'), topic)
  await until('every record', () => r.seen.length === 50)
  await r.close()
  equal(Array.from({ length: 50 }, (_, i) => `v${i}`), r.seen.map(m => m.value))
}

export async function transactionsCommitAndAbort (bootstrap) {
  const topic = await makeTopic(bootstrap)
  const producer = new Producer(options(bootstrap, { serializers: stringSerializers, idempotent: true, transactionalId: fresh('t') }))
  // One abort: this version of the client keeps only the last aborted range of a producer in what one Fetch brings.
  for (let i = 0; i < 3; i++) {
    const transaction = await producer.beginTransaction()
    await transaction.send({ messages: [{ topic, key: 'k', value: `v${i}` }] })
    if (i === 1) await transaction.abort()
    else await transaction.commit()
  }
  await producer.close()
  const r = await reader(bootstrap, fresh('g'), topic, { consume: { isolationLevel: 1 } })
  await until('what was committed', () => r.seen.length >= 2)
  await new Promise(resolve => setTimeout(resolve, 300))
  await r.close()
  equal(['v0', 'v2'], r.seen.map(m => m.value))
}

'use strict'
// The stand-in for the legacy service: what it does right, and that each fault shows where it says.

const assert = require('node:assert/strict')
const fs = require('fs')
const path = require('path')
const test = require('node:test')
const { spawn } = require('child_process')
const scene = require('./scene.cjs')
const { vendor } = require('./vendor.cjs')
const { FAULTS, parse } = require('../faults.cjs')
const { parts, period } = require('../clock.cjs')
const { cost } = require('../prices.cjs')
const { Vault } = require('../vault.cjs')
const { TAP, hasRedis, installed, scratch, redis: startRedis } = require('../../test/support/run.cjs')
const { Sidecar } = require('../../test/support/sidecar.cjs')

const NEEDS = { skip: !(hasRedis && installed('express')) && 'needs express, ioredis and redis-server' }
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function setup(t) {
  const { create } = require('../server.cjs')
  const port = await startRedis(t)
  const up = await vendor()
  const env = { REDIS_PORT: String(port), ENCRYPTION_KEY: scene.ENCRYPTION_KEY, UPSTREAM: `http://127.0.0.1:${up.port}` }
  const { app, redis, agent } = create(env)
  const server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
    agent.destroy()
    up.server.close()
    redis.disconnect()
  })
  return { redis, up, port: server.address().port }
}

/** One request on an empty database: the answer, what the vendor got, what is in Redis afterwards. */
async function observe({ redis, up, port }, { faults, fields, ...request } = {}) {
  await redis.flushall()
  await scene.prepare(redis, { concurrencyLimit: '5', ...fields })
  up.seen.length = 0
  const headers = faults ? { 'x-standin-fault': faults } : {}
  const answer = await scene.ask(port, { ...request, headers })
  // Booking follows the answer; one fault is that it does not happen.
  for (let i = 0; i < 50 && upstreamAnswered(up) && !(await redis.exists(`usage:records:${scene.KEY}`)); i += 1) {
    await pause(4)
  }
  await pause(5)
  const { date: _, 'x-request-id': id, etag: __, 'content-length': ___, ...rest } = answer.headers
  assert.match(id, /^[a-z0-9]+$/)
  const body = answer.body.replace(/"timestamp":"[^"]+"/, '"timestamp":0')
  const upstream = up.seen.map((one) => ({ ...one, headers: pairs(one.headers) }))
  return { answer: { status: answer.status, headers: rest, body }, upstream, redis: scene.blanked(await scene.dump(redis)) }
}

const upstreamAnswered = (up) => up.seen.length > 0

function pairs(raw) {
  const named = raw.flatMap((name, i) => (i % 2 ? [] : [[name.toLowerCase(), raw[i + 1]]]))
  return Object.fromEntries(named.filter(([name]) => name !== 'content-length'))
}

function differences(a, b, at = '') {
  if (JSON.stringify(a) === JSON.stringify(b)) {
    return []
  }
  if (!a || !b || typeof a !== 'object' || typeof b !== 'object') {
    return [at]
  }
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => differences(a[key], b[key], `${at}/${key}`))
}

test('a request of Claude Code is relayed and booked', NEEDS, async (t) => {
  const service = await setup(t)
  for (const stream of [false, true]) {
    const { answer, upstream, redis } = await observe(service, { value: scene.body({ stream }) })
    assert.equal(answer.status, 200)
    assert.match(answer.body, stream ? /^event: message_start\n[^]*event: message_stop\n/ : /^\{"id":"msg_1"/)
    assert.equal(answer.headers['content-type'], stream ? 'text/event-stream' : 'application/json; charset=utf-8')
    const [{ url, headers, body }] = upstream
    assert.equal(url, '/v1/messages?beta=true')
    assert.equal(headers.authorization, 'Bearer token-of-first')
    assert.equal(headers.host, 'api.anthropic.com')
    assert.match(headers['anthropic-beta'], /^claude-code-20250219,oauth-2025-04-20,.*,own-beta$/)
    assert.equal(headers['x-api-key'], undefined)
    assert.match(body.metadata.user_id, /_session_[0-9a-f]{8}-[0-9a-f]{4}-4/)
    assert.ok(!body.metadata.user_id.includes(scene.SESSION))
    const { day, hour } = parts(Date.now())
    const daily = redis[`usage:daily:${scene.KEY}:${day}`]
    assert.deepEqual([daily.value.tokens, daily.value.allTokens, daily.value.requests], ['51', '59', '1'])
    assert.equal(daily.ttl, 32 * 24 * 60)
    const index = redis[`usage:keymodel:hourly:index:${hour}`].value
    assert.deepEqual(index, [`${scene.KEY}:claude-sonnet-4-20250514`])
    assert.equal(redis[`usage:cost:total:${scene.KEY}`].value, '0.00064575')
    assert.ok(redis[`unified_claude_session_mapping:${scene.SESSION}`].value.includes(scene.FIRST))
    assert.equal(redis[`concurrency:${scene.KEY}`], undefined)
    const record = JSON.parse(redis[`usage:records:${scene.KEY}`].value[0].replace('<ms>', '0'))
    assert.deepEqual([record.stream, record.outputTokens, record.cost], [stream, 40, 0.000646])
  }
})

test('an error of the vendor is passed on and not booked', NEEDS, async (t) => {
  const service = await setup(t)
  const json = await observe(service, { value: scene.body({ model: 'claude-none' }) })
  assert.equal(json.answer.status, 404)
  assert.equal(JSON.parse(json.answer.body).error.type, 'not_found_error')
  const streamed = await observe(service, { value: scene.body({ model: 'claude-none', stream: true }) })
  assert.equal(streamed.answer.status, 200)
  assert.match(streamed.answer.body, /^event: error\ndata: \{"error":"Claude API error","status":404,/)
  assert.deepEqual(Object.keys(streamed.redis).filter((key) => key.startsWith('usage:')), [])
})

test('a session keeps its account while that can be used', NEEDS, async (t) => {
  const { redis, up, port } = await setup(t)
  await scene.prepare(redis)
  const served = async (session) => {
    await scene.ask(port, { value: scene.body({ session }) })
    return pairs(up.seen[up.seen.length - 1].headers).authorization
  }
  const [one, two] = [scene.SESSION, scene.SESSION.replaceAll('4', '6')]
  assert.equal(await served(one), 'Bearer token-of-first')
  assert.equal(await served(two), 'Bearer token-of-second')
  assert.equal(await served(one), 'Bearer token-of-first')
  await redis.hset(`claude:account:${scene.FIRST}`, 'schedulable', 'false')
  assert.equal(await served(one), 'Bearer token-of-second')
})

test('keys are refused in the words of the service, limits kept, unknown paths not found', NEEDS, async (t) => {
  const service = await setup(t)
  const said = async (request) => {
    const { answer, upstream } = await observe(service, request)
    assert.equal(upstream.length, 0)
    return [answer.status, JSON.parse(answer.body).message]
  }
  const [status, missing] = await said({ key: null })
  assert.match(`${status} ${missing}`, /^401 Please provide an API key/)
  assert.deepEqual(await said({ key: 'cr_unknown_key' }), [401, 'API key not found'])
  assert.deepEqual(await said({ fields: { isActive: 'false' } }), [401, 'API key is disabled'])
  assert.deepEqual(await said({ value: scene.body({ messages: [] }) }), [400, 'Messages array cannot be empty'])
  assert.deepEqual(await said({ path: '/api/x' }), [404, 'Route /api/x not found'])
  assert.equal((await scene.ask(service.port, { path: '/health', method: 'GET' })).status, 200)
  await observe(service)
  await service.redis.zadd(`concurrency:${scene.KEY}`, ...[1, 2, 3, 4, 5].flatMap((n) => [Date.now() + 9e4, `m${n}`]))
  assert.equal((await scene.ask(service.port)).status, 429)
  assert.equal(await service.redis.zcard(`concurrency:${scene.KEY}`), 5)
})

test('each fault shows on its plane, at its path, and nowhere else', NEEDS, async (t) => {
  const service = await setup(t)
  const STREAMED = new Set(['event-dropped', 'events-swapped', 'delta-altered'])
  const REFUSED = new Set(['error-status', 'error-body'])
  const requestOf = (name) => (REFUSED.has(name) ? { key: 'cr_unknown_key' } : { value: scene.body({ stream: STREAMED.has(name) }) })
  for (const [name, [plane, at]] of Object.entries(FAULTS)) {
    const right = await observe(service, requestOf(name))
    const again = await observe(service, requestOf(name))
    assert.deepEqual(differences(right, again), [], 'two runs without a fault')
    const wrong = await observe(service, { ...requestOf(name), faults: name })
    const found = differences(right, wrong)
    const part = { upstream_request: 'upstream', effects: 'redis', account: 'upstream' }[plane] || 'answer'
    const inPart = found.filter((where) => where.startsWith(`/${part}/`))
    assert.ok(inPart.length > 0, `${name} shows nothing on ${plane}: ${found.join(' ')}`)
    if (plane !== 'account') {
      assert.deepEqual(inPart, found, `${name} shows elsewhere too`)
    }
    if (plane === 'effects') {
      const key = new RegExp(`^/redis/${at.replace(/\/[^/:]*$/, '').replaceAll('*', '.*')}`)
      assert.ok(found.some((where) => key.test(where)), `${name}: ${at} is not among ${found.join(' ')}`)
    } else if (plane === 'upstream_request' || plane === 'response_head') {
      const tail = at.split('/').pop()
      assert.ok(found.every((where) => where.includes(tail)), `${name}: ${found.join(' ')}`)
    }
  }
  assert.ok(Object.keys(FAULTS).length >= 20)
})

test('under the tap, its record names the vendor and holds all it did', NEEDS, async (t) => {
  const folder = scratch(t)
  const sidecar = await new Sidecar(path.join(folder, 'tap.sock')).listen()
  t.after(() => sidecar.close())
  const port = await startRedis(t)
  const up = await vendor()
  const redis = new (require('ioredis'))(port)
  await scene.prepare(redis)
  t.after(() => redis.disconnect())
  t.after(() => up.server.close())
  const env = {
    ...process.env,
    PORT: '0',
    REDIS_PORT: String(port),
    ENCRYPTION_KEY: scene.ENCRYPTION_KEY,
    UPSTREAM: `http://127.0.0.1:${up.port}`,
    CRS_TAP_SOCKET: sidecar.path
  }
  const child = spawn(process.execPath, ['--require', TAP, path.join(__dirname, '../server.cjs')], { env })
  t.after(() => child.kill('SIGKILL'))
  const said = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data))))
  await sidecar.hello()
  const headers = { 'x-crs-trace': 'one' }
  await scene.ask(Number(said.trim().split(':').pop()), { headers, value: scene.body({ stream: true }) })
  const wrote = ({ commands }) => commands.some(({ args, reply }) => args[0] === 'xadd' && reply)
  const { exchanges, commands, client } = await sidecar.trace('one', (trace) => trace.quiet && wrote(trace))
  assert.equal(client.complete, true)
  assert.deepEqual(exchanges.map(({ url, proxy }) => [url, proxy]), [['https://api.anthropic.com/v1/messages?beta=true', null]])
  assert.match(Buffer.concat(exchanges[0].got).toString(), /message_stop/)
  assert.ok(commands.length > 150, `${commands.length} commands`)
  assert.ok(commands.every((command) => 'reply' in command))
})

test('an unknown fault is refused', NEEDS, async (t) => {
  assert.throws(() => parse('beta-wrong,nonsense'), /unknown fault nonsense/)
  const { port } = await setup(t)
  assert.equal((await scene.ask(port, { headers: { 'x-standin-fault': 'nonsense' } })).status, 400)
})

test('the table in README.md lists the faults as they are', () => {
  const readme = fs.readFileSync(path.join(__dirname, '../README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `([a-z-]+)` \| `([a-z_]+)` \| `([^`]+)` \| (.*) \|$/gm)]
  const documented = Object.fromEntries(rows.map(([, name, ...rest]) => [name, rest]))
  assert.deepEqual(documented, FAULTS)
})

test('key parts follow the shifted clock', () => {
  const late = Date.parse('2026-07-23T16:00:00Z')
  assert.deepEqual(parts(late, 8), { day: '2026-07-24', month: '2026-07', hour: '2026-07-24:00' })
  assert.equal(period(late, 1, 0, 8), '2026-07-20T00')
  assert.equal(period(Date.parse('2024-12-30T10:00:00Z'), 3, 9, 8), '2024-12-25T09')
})

test('secrets and key hashes have the stored form', () => {
  const vault = new Vault(scene.ENCRYPTION_KEY)
  const stored =
    '000102030405060708090a0b0c0d0e0f:6baab57334465753b058351ca0305f58522a125a3d0cf08fda0aea4585a5070c'
  assert.equal(vault.decrypt(stored), 'sk-test-✓-secret')
  assert.equal(vault.decrypt(vault.encrypt('x'.repeat(99))), 'x'.repeat(99))
  assert.equal(vault.decrypt('plain'), 'plain')
  assert.equal(vault.hash(`cr_${'0'.repeat(64)}`), '98809a29963dfb9c5d17d7ea7fab4cafd76cd86779ca4c0ee754a39f581f78bf')
})

test('costs are the vendor\'s prices times tokens', () => {
  const usage = { input: 11, output: 40, cacheCreate: 3, cacheRead: 5, ephemeral5m: 0, ephemeral1h: 0 }
  assert.equal(cost('claude-sonnet-4-20250514', usage).total, 0.0006457500000000001)
  const split = cost('claude-opus-4-1', { ...usage, cacheCreate: 3, ephemeral5m: 1, ephemeral1h: 2 })
  assert.equal(split.cacheCreate, 18.75e-6 + 2 * 30e-6)
  assert.equal(cost('some-model', usage), null)
})

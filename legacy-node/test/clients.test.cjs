'use strict'
// The tap over the real clients: ioredis on a redis-server, axios, proxies, fetch, HTTP/2. What needs
// an installed package is skipped where that is not installed.

const assert = require('node:assert/strict')
const http = require('http')
const http2 = require('http2')
const https = require('https')
const net = require('net')
const path = require('path')
const test = require('node:test')
const { execFileSync } = require('child_process')
const { Sidecar } = require('./support/sidecar.cjs')
const { scratch, service, upstream, redis, hasRedis, installed } = require('./support/run.cjs')

const REDIS = { skip: !hasRedis && 'needs ioredis and redis-server' }
const AXIOS = { skip: !installed('axios') && 'needs axios' }
const PROXY = { skip: !installed('https-proxy-agent') && 'needs https-proxy-agent' }
const ROUTES = path.join(__dirname, 'support/client-routes.cjs')

async function setup(t, env = {}) {
  const socket = path.join(scratch(t), 'tap.sock')
  const sidecar = new Sidecar(socket)
  await sidecar.listen()
  t.after(() => sidecar.close())
  const up = await upstream(t)
  const all = { UPSTREAM_PORT: String(up.port), ROUTES, ...env }
  const node = await service(t, { socket, env: all })
  await sidecar.hello()
  return { sidecar, up, node }
}

async function listen(t, server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return server.address().port
}

test('ioredis: every kind of command and reply', REDIS, async (t) => {
  const port = await redis(t)
  const { sidecar, node } = await setup(t, { REDIS_PORT: String(port), REDIS_PREFIX: 'p:' })
  const bare = await service(t, { tap: false, env: { REDIS_PORT: String(port), REDIS_PREFIX: 'q:', ROUTES } })
  const { body } = await node.ask('/replies', { trace: 'r' })
  const same = await bare.ask('/replies')
  assert.equal(String(body), String(same.body))
  const { commands, spoiled } = await sidecar.trace('r')
  assert.equal(spoiled, undefined)
  const seen = commands.map(({ args, reply }) => [args.join(' '), reply])
  const bump = commands.filter(({ args }) => /^eval/.test(args[0]) && args.includes('p:k'))
  const expected = [
    ['hset p:h a 1 b zwei', 2],
    ['hgetall p:h', ['a', '1', 'b', 'zwei']],
    ['incr p:n', 1],
    ['get p:none', null],
    ['lpush p:h x', { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' }],
    ['get p:h2', null],
    ['multi', { status: 'OK' }],
    ['set p:m v', { status: 'QUEUED' }],
    ['get p:m', 'QUEUED'],
    ['incrbyfloat p:f 1.5', 'QUEUED'],
    ['exec', ['OK', 'v', '1.5']],
    ["eval return {1, 'two', {3, redis.call('PING')}} 0", [1, 'two', [3, 'PONG']]]
  ]
  assert.deepEqual(seen.slice(0, expected.length), expected)
  assert.deepEqual(bump.map(({ args }) => args[0]), ['eval', 'evalsha', 'evalsha', 'eval'])
  assert.deepEqual(bump.slice(0, 2).map(({ reply }) => reply), [['5', 7, null], ['7', 7, null]])
  assert.match(bump[2].reply.error, /^NOSCRIPT/)
  assert.deepEqual(bump[3].reply, ['8', 7, null])
  const binary = commands.find(({ args }) => args[0] === 'set' && args[1] === 'p:bin')
  assert.deepEqual([...binary.raw[2]], [0, 255, 13, 10])
  assert.ok(seen.some(([text, reply]) => text === 'scan 0 MATCH *nothing*' && reply[1].length === 0))
  assert.ok(seen.some(([text, reply]) => text === 'set p:m w EX 100' && reply.status === 'OK'))
  assert.equal(seen.filter(([text]) => text === 'get p:m').length, 2)
  assert.ok(commands.every((command) => 'reply' in command))
})

test('ioredis: commands that share a pipeline stay with their own request', REDIS, async (t) => {
  const port = await redis(t)
  const { sidecar, node } = await setup(t, { REDIS_PORT: String(port) })
  await node.ask('/shared?id=warm')
  const ids = Array.from({ length: 40 }, (_, i) => `i${i}`)
  await Promise.all(ids.map((id, i) => node.ask(`/shared?id=${id}`, i % 4 ? { trace: id } : {})))
  for (const id of ids.filter((_, i) => i % 4)) {
    const { commands } = await sidecar.trace(id)
    assert.deepEqual(commands.map(({ args }) => args.join(' ')), [`set s:${id} ${id}`, `get s:${id}`])
    assert.deepEqual(commands.map(({ reply }) => reply), [{ status: 'OK' }, id])
  }
  assert.equal(sidecar.traces.size, 30)
})

test('ioredis: a command whose connection is lost ends as no reply of Redis', REDIS, async (t) => {
  const port = await redis(t)
  const { sidecar, node } = await setup(t, { REDIS_PORT: String(port) })
  const { body } = await node.ask('/cut', { trace: 'cut' })
  assert.equal(String(body), 'Connection is closed.')
  const { commands } = await sidecar.trace('cut')
  const lost = commands.find(({ args }) => args[0] === 'blpop')
  assert.deepEqual(lost.reply, { error: 'TAP Connection is closed.' })
})

test('axios: bodies, compressed and streamed answers, time-outs', AXIOS, async (t) => {
  const { sidecar, node, up } = await setup(t)
  const { body } = await node.ask('/axios', { trace: 'a' })
  assert.deepEqual(JSON.parse(body), [{ text: 'über', n: [1, 2] }, 550, 271, 'failed'])
  const { exchanges } = await sidecar.trace('a')
  assert.deepEqual(exchanges.map(({ url }) => url.split('/').pop()), ['echo', 'gzip', 'sse', 'hang'])
  exchanges.forEach((exchange, i) => {
    assert.deepEqual(exchange.headers.flat(), up.seen[i].rawHeaders)
    assert.equal(Buffer.concat(exchange.sent).toString(), up.seen[i].body)
  })
  assert.deepEqual(Buffer.concat(exchanges[1].got), up.gzipped)
  assert.deepEqual(exchanges.map(({ end }) => end.ok), [true, true, true, false])
  assert.equal(exchanges[3].end.code, 'ABORTED')
})

test('a proxy is named without its password, its tunnel is no exchange', PROXY, async (t) => {
  const folder = scratch(t)
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name))
  const args = `req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=vendor.test -keyout ${key} -out ${cert}`
  execFileSync('openssl', args.split(' '), { stdio: 'ignore' })
  const { readFileSync } = require('fs')
  const vendor = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (req, res) => {
    req.on('data', (chunk) => res.write(chunk))
    req.on('end', () => res.end(` to ${req.headers.host}${req.url}`))
  })
  const vendorPort = await listen(t, vendor)
  const proxy = http.createServer().on('connect', (req, socket) => {
    const tunnel = net.connect(vendorPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      tunnel.pipe(socket).pipe(tunnel)
    })
    tunnel.on('error', () => socket.destroy())
    socket.on('error', () => tunnel.destroy())
  })
  const proxyPort = await listen(t, proxy)
  const { sidecar, node } = await setup(t, { PROXY_PORT: String(proxyPort) })
  const { body } = await node.ask('/proxied', { trace: 'p' })
  assert.equal(String(body), 'through the tunnel to vendor.test:8443/v1/x?y=1')
  const { exchanges } = await sidecar.trace('p')
  assert.equal(exchanges.length, 1)
  assert.equal(exchanges[0].url, 'https://vendor.test:8443/v1/x?y=1')
  assert.equal(exchanges[0].proxy, `http://127.0.0.1:${proxyPort}`)
  assert.equal(Buffer.concat(exchanges[0].sent).toString(), 'through the tunnel')
  assert.equal(Buffer.concat(exchanges[0].got).toString(), String(body))
  assert.ok(!JSON.stringify(exchanges).includes('secret'))
})

test('fetch: heads, bodies as they came, and the work that follows', async (t) => {
  const { sidecar, node, up } = await setup(t)
  const { body } = await node.ask('/fetch', { trace: 'f' })
  assert.equal(String(body), '550 slow down')
  const trace = await sidecar.trace('f', ({ exchanges }) => exchanges.length === 2 && exchanges[1].end)
  const [zipped, bare] = trace.exchanges
  assert.equal(zipped.url, `http://127.0.0.1:${up.port}/gzip`)
  assert.ok(zipped.headers.some(([name, value]) => /^x-api-key$/i.test(name) && value === 'k'))
  assert.equal(Buffer.concat(zipped.sent).toString(), 'fetched')
  assert.equal(zipped.requested, true)
  assert.deepEqual(Buffer.concat(zipped.got), up.gzipped)
  assert.deepEqual([bare.answer.status, bare.method, bare.requested], [429, 'GET', true])
  assert.deepEqual([zipped.end, bare.end], [{ ok: true }, { ok: true }])
  assert.deepEqual(trace.commands.map(({ args }) => args.join(' ')), ['set fetched 550'])
})

test('HTTP/2 exchanges are reported like the others', async (t) => {
  const vendor = http2.createServer()
  vendor.on('stream', (stream) => {
    stream.respond({ ':status': 202, 'x-amzn-requestid': 'r1' })
    stream.on('data', (chunk) => stream.write(chunk))
    stream.on('end', () => stream.end('!'))
  })
  const port = await listen(t, vendor)
  const { sidecar, node } = await setup(t, { HTTP2_PORT: String(port) })
  const { body } = await node.ask('/http2', { trace: 'h' })
  assert.equal(String(body), 'one two!')
  const { exchanges, commands } = await sidecar.trace('h')
  const [exchange] = exchanges
  assert.equal(exchange.url, `http://127.0.0.1:${port}/model/x`)
  // The authority stands where HTTP/1.1 has the host.
  const headers = [['host', `127.0.0.1:${port}`], ['x-amz-date', 'now']]
  assert.deepEqual([exchange.method, exchange.headers], ['POST', headers])
  assert.equal(Buffer.concat(exchange.sent).toString(), 'one two')
  assert.equal(exchange.answer.status, 202)
  assert.equal(Buffer.concat(exchange.got).toString(), 'one two!')
  assert.deepEqual(exchange.end, { ok: true })
  assert.equal(commands.length, 1)
})

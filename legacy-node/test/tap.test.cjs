'use strict'
// The tap over the stand-in for ioredis: no installed package needed.

const assert = require('node:assert/strict')
const path = require('path')
const test = require('node:test')
const zlib = require('zlib')
const { Sidecar, until } = require('./support/sidecar.cjs')
const { scratch, service, upstream, ask } = require('./support/run.cjs')

async function setup(t, { settings, env, listen = true } = {}) {
  const socket = path.join(scratch(t), 'tap.sock')
  const sidecar = new Sidecar(socket)
  t.after(() => sidecar.close())
  if (listen) {
    await sidecar.listen(settings)
  }
  const up = await upstream(t)
  const node = await service(t, { socket, env: { UPSTREAM_PORT: String(up.port), ...env } })
  if (listen) {
    await sidecar.hello()
  }
  return { sidecar, up, node, socket }
}

const words = (trace) => trace.commands.map(({ args }) => args.join(' '))

test('commands of concurrent requests are kept apart, with their replies', async (t) => {
  const { sidecar, node } = await setup(t)
  const ids = Array.from({ length: 60 }, (_, i) => `id-${i}`)
  const answers = await Promise.all(ids.map((id) => node.ask(`/chain?id=${id}`, { trace: id })))
  answers.forEach((answer, i) => assert.equal(String(answer.body), ids[i]))
  for (const id of ids) {
    const trace = await sidecar.trace(id, ({ commands, quiet }) => commands.length === 6 && quiet)
    assert.deepEqual(words(trace), [
      `set a:${id} ${id}`,
      `get a:${id}`,
      `set b:${id} ü`,
      `get none:${id}`,
      `nonsense ${id}`,
      `set late:${id} ${id}`
    ])
    await until(() => 'reply' in trace.commands[5], 'the last reply')
    const unknown = { error: "ERR unknown command 'nonsense'" }
    const replies = [{ status: 'OK' }, id, { status: 'OK' }, null, unknown, { status: 'OK' }]
    assert.deepEqual(trace.commands.map(({ reply }) => reply), replies)
    assert.equal(trace.begin.url, `/chain?id=${id}`)
    assert.equal(trace.client.status, 200)
    assert.equal(trace.client.complete, true)
    assert.ok(trace.commands.every(({ ms }) => Math.abs(ms - trace.begin.ms) < 5000))
    assert.match(trace.order, /^B.*C.*Q/)
  }
})

test('a request without the header is not reported, even on a connection that was', async (t) => {
  const { sidecar, node } = await setup(t)
  await Promise.all([
    node.ask('/chain?id=in', { trace: 'in' }),
    node.ask('/chain?id=out'),
    node.ask('/relay?to=/echo&id=out', { method: 'POST', body: 'hello' })
  ])
  await node.ask('/relay?to=/echo&id=in2', { method: 'POST', body: 'hello', trace: 'in2' })
  // The upstream connection was opened for in2; what happens on it now is nobody's.
  await node.ask('/relay?to=/reset&id=out2', { method: 'POST', body: 'hello' })
  const first = await sidecar.trace('in', ({ commands, quiet }) => commands.length === 6 && quiet)
  const second = await sidecar.trace('in2', ({ commands, quiet }) => commands.length === 2 && quiet)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(sidecar.traces.size, 2)
  assert.ok(words(first).every((word) => !word.includes('out')), words(first).join())
  assert.deepEqual(words(second).sort(), ['set after:in2 settled', 'set closed:in2 1'])
})

test('the context storage rests soon after the last traced request, not while one is open', async (t) => {
  const { sidecar, node } = await setup(t)
  const tracking = async () => (await node.stats()).tracking
  assert.equal(await tracking(), false)
  for (const id of ['one', 'two']) {
    await node.ask('/held', { trace: id })
    const trace = await sidecar.trace(id, ({ quiet }) => quiet)
    assert.deepEqual(words(trace), ['slow x', 'set after slow'])
    assert.deepEqual(trace.commands.map(({ reply }) => reply), [null, { status: 'OK' }])
    assert.equal(await tracking(), true)
    const quiet = Date.now()
    await until(async () => !(await tracking()), 'rest')
    assert.ok(Date.now() - quiet > 300, 'work that follows soon still belongs to it')
  }
})

test('the service never sees the header', async (t) => {
  const { node, sidecar } = await setup(t)
  for (const trace of ['x1', undefined]) {
    const { body } = await node.ask('/seen', { trace, headers: { 'X-Other': 'a' } })
    assert.ok(!/crs-trace/i.test(body), String(body))
    assert.ok(/X-Other/.test(body))
  }
  sidecar.set({ enabled: false })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const { body } = await node.ask('/seen', { trace: 'x2' })
  assert.ok(!/crs-trace/i.test(body))
})

test('an exchange is reported as it was sent and as it came', async (t) => {
  const { sidecar, node, up } = await setup(t)
  const body = 'abc, grüße, '.repeat(30000)
  await node.ask('/relay?to=/echo?q=1&id=e', { method: 'POST', body, trace: 'e' })
  const { exchanges } = await sidecar.trace('e')
  assert.equal(exchanges.length, 1)
  const [exchange] = exchanges
  assert.equal(exchange.url, `http://127.0.0.1:${up.port}/echo?q=1`)
  assert.equal(exchange.method, 'POST')
  assert.equal(exchange.proxy, null)
  assert.deepEqual(exchange.headers.flat(), up.seen[0].rawHeaders)
  assert.ok(Buffer.concat(exchange.sent).toString() === body)
  assert.equal(exchange.requested, true)
  assert.equal(exchange.answer.status, 201)
  const cookies = exchange.answer.headers.filter(([name]) => name === 'Set-Cookie')
  assert.deepEqual(cookies.map(([, value]) => value), ['a=1', 'b=2'])
  assert.ok(Buffer.concat(exchange.got).toString() === body)
  assert.deepEqual(exchange.end, { ok: true })
})

test('compressed answers stay compressed, streams keep their chunks', async (t) => {
  const { sidecar, node, up } = await setup(t)
  await node.ask('/relay?to=/gzip&id=g', { method: 'POST', body: 'hello', trace: 'g' })
  const zipped = (await sidecar.trace('g')).exchanges[0]
  assert.deepEqual(Buffer.concat(zipped.got), up.gzipped)
  assert.match(zlib.gunzipSync(Buffer.concat(zipped.got)).toString(), /compressed/)
  const { body } = await node.ask('/relay?to=/sse&id=s', { method: 'POST', body: 'hello', trace: 's' })
  const streamed = (await sidecar.trace('s')).exchanges[0]
  assert.deepEqual(Buffer.concat(streamed.got), body)
  assert.ok(streamed.got.length >= 5, `${streamed.got.length} chunks`)
  assert.ok(streamed.answer.headers.some(([name]) => name === 'X-Odd-Case'))
})

test('a client that leaves ends the request as incomplete, the exchange as given up', async (t) => {
  const { sidecar, node } = await setup(t)
  const answer = await node
    .ask('/relay?to=/hang&id=c', { method: 'POST', body: 'hello', trace: 'c', cut: 5 })
    .catch((error) => error)
  assert.notEqual(answer.complete, true)
  const trace = await sidecar.trace('c', ({ client, exchanges, commands }) => {
    return client && exchanges[0].end && commands.length > 0
  })
  assert.equal(trace.client.complete, false)
  assert.deepEqual(trace.exchanges[0].end.ok, false)
  assert.equal(trace.exchanges[0].end.code, 'ABORTED')
  // Settling ran from an event of the client's connection, and still belongs to the request.
  assert.ok(words(trace).includes('set closed:c 1'), words(trace).join())
})

test('an upstream that cuts the connection is told from one that is not there', async (t) => {
  const { sidecar, node, up } = await setup(t)
  await node.ask('/relay?to=/reset&id=r', { method: 'POST', body: 'hello', trace: 'r' })
  const cut = await sidecar.trace('r', ({ exchanges }) => exchanges[0] && exchanges[0].end)
  assert.equal(Buffer.concat(cut.exchanges[0].got).toString(), 'some')
  assert.equal(cut.exchanges[0].answer.status, 200)
  assert.deepEqual([cut.exchanges[0].end.ok, cut.exchanges[0].end.code], [false, 'ECONNRESET'])
  up.server.closeAllConnections()
  await new Promise((resolve) => up.server.close(resolve))
  const gone = await node.ask('/relay?to=/echo&id=n', { method: 'POST', body: 'hello', trace: 'n' })
  assert.equal(gone.status, 502)
  const refused = await sidecar.trace('n', ({ commands }) => commands.length > 0)
  assert.equal(refused.exchanges[0].end.code, 'ECONNREFUSED')
  assert.ok(words(refused).includes('set failed:n ECONNREFUSED'))
})

test('what exceeds the memory is dropped and marked, the service goes on', async (t) => {
  const { sidecar, node } = await setup(t, {
    settings: { enabled: true, redis: true, upstream: true, maxBuffered: 1 << 20 }
  })
  await node.ask(`/big?size=${3 << 20}`, { trace: 'big' })
  const big = await sidecar.trace('big')
  assert.equal(big.spoiled, 'overflow')
  assert.equal(big.commands.length, 0)
  assert.equal(big.client.status, 200)
  await node.ask('/chain?id=next', { trace: 'next' })
  const next = await sidecar.trace('next', ({ commands }) => commands.length === 6)
  assert.equal(next.spoiled, undefined)
})

test('a sidecar that stops reading blocks nothing and costs bounded memory', async (t) => {
  const { sidecar, node } = await setup(t, {
    settings: { enabled: true, redis: true, upstream: true, maxBuffered: 4 << 20 }
  })
  const [socket] = sidecar.sockets
  socket.pause()
  const { held } = await node.stats()
  for (let i = 0; i < 300; i += 1) {
    const { status } = await node.ask(`/big?size=${1 << 20}`, { trace: `b${i}` })
    assert.equal(status, 200)
  }
  const after = await node.stats()
  assert.ok(after.spoiled > 250, `${after.spoiled} spoiled`)
  assert.ok(after.held - held < 24 << 20, `${(after.held - held) >> 20} MiB more`)
  socket.resume()
  const last = await sidecar.trace('b299')
  assert.equal(last.spoiled, 'overflow')
  assert.equal((await node.stats()).faults, 0)
})

test('it is switched on and off at run time', async (t) => {
  const { sidecar, node } = await setup(t, { settings: { enabled: false } })
  await node.ask('/chain?id=1', { trace: 'one' })
  sidecar.set({ enabled: true, redis: true, upstream: false })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await node.ask('/relay?to=/echo&id=2', { method: 'POST', body: 'hello', trace: 'two' })
  const two = await sidecar.trace('two')
  assert.equal(two.exchanges.length, 0)
  assert.ok(two.commands.length > 0)
  const pending = node.ask('/relay?to=/sse&id=3', { method: 'POST', body: 'hello', trace: 'three' })
  await sidecar.trace('three', () => true)
  sidecar.set({ enabled: false })
  assert.equal((await pending).complete, true)
  const three = await sidecar.trace('three', ({ spoiled }) => spoiled)
  assert.equal(three.spoiled, 'off')
  await node.ask('/chain?id=4', { trace: 'four' })
  sidecar.set({ enabled: true })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await node.ask('/chain?id=5', { trace: 'five' })
  const five = await sidecar.trace('five', ({ commands }) => commands.length === 6)
  assert.equal(five.spoiled, undefined)
  assert.deepEqual([...sidecar.traces.keys()], ['two', 'three', 'five'])
})

test('the sidecar may be absent, may go and may come back', async (t) => {
  const { sidecar, node } = await setup(t, { listen: false })
  assert.equal(String((await node.ask('/chain?id=1', { trace: 'one' })).body), '1')
  await sidecar.listen()
  await sidecar.hello()
  const open = node.ask('/relay?to=/sse&id=2', { method: 'POST', body: 'hello', trace: 'two' })
  await sidecar.trace('two', () => true)
  await sidecar.close()
  assert.equal((await open).complete, true)
  assert.equal(String((await node.ask('/chain?id=3', { trace: 'three' })).body), '3')
  await sidecar.listen()
  await sidecar.hello(2)
  await node.ask('/chain?id=4', { trace: 'four' })
  await sidecar.trace('four', ({ commands }) => commands.length === 6)
  assert.ok(!sidecar.traces.has('three'))
  assert.equal((await node.stats()).faults, 0)
})

test('its own faults are swallowed, and after too many it retires', async (t) => {
  const { sidecar, node } = await setup(t)
  const bare = await service(t, { tap: false, env: { UPSTREAM_PORT: String((await upstream(t)).port) } })
  const expected = await bare.ask('/fault?kind=none')
  for (let i = 0; i < 25; i += 1) {
    const answer = await node.ask('/fault?kind=agent', { trace: `f${i}` })
    assert.deepEqual([answer.status, String(answer.body)], [200, String(expected.body)])
  }
  assert.equal((await sidecar.trace('f0', ({ spoiled }) => spoiled)).spoiled, 'fault')
  await until(() => sidecar.sockets.size === 0, 'the tap to leave')
  const stats = await node.stats()
  assert.ok(stats.faults >= 20, JSON.stringify(stats))
  const answer = await node.ask('/chain?id=z', { trace: 'z' })
  assert.equal(String(answer.body), 'z')
  assert.ok(!sidecar.traces.has('z'))
  assert.equal(node.output(), '')
})

test('with the tap, without it, and with it switched off, the service answers the same', async (t) => {
  const { sidecar, node, up } = await setup(t)
  const env = { UPSTREAM_PORT: String(up.port) }
  const bare = await service(t, { tap: false, env })
  const off = await service(t, { env: { ...env, CRS_TAP: 'off' }, socket: sidecar.path })
  const tried = [
    ['/chain?id=q', {}],
    ['/nowhere', {}],
    ['/relay?to=/echo&id=q', { method: 'POST', body: 'payload' }],
    ['/relay?to=/gzip&id=q', { method: 'POST', body: 'payload' }],
    ['/relay?to=/sse&id=q', { method: 'POST', body: 'payload' }],
    ['/relay?to=/other&id=q', { method: 'POST', body: 'payload' }],
    ['/relay?to=/reset&id=q', { method: 'POST', body: 'payload' }]
  ]
  const without = (headers) => headers.filter((value, i, all) => !/^date$/i.test(all[i - (i % 2)]))
  for (const [target, options] of tried) {
    const seen = up.seen.length
    const answers = []
    for (const [port, trace] of [[bare.port], [node.port, target], [node.port], [off.port]]) {
      const { status, headers, body, complete } = await ask(port, target, { ...options, trace })
      answers.push({ status, headers: without(headers), body: String(body), complete })
    }
    for (const answer of answers.slice(1)) {
      assert.deepEqual(answer, answers[0], target)
    }
    const sent = up.seen.slice(seen).map(({ rawHeaders, body }) => ({ rawHeaders, body }))
    sent.forEach((one) => assert.deepEqual(one, sent[0]))
  }
  assert.deepEqual(await off.stats().then(({ traced }) => traced), undefined)
})

test('it neither keeps a finished process alive nor swallows a crash', async (t) => {
  const { sidecar, node } = await setup(t)
  await node.ask('/chain?id=q', { trace: 'q' })
  await node.ask('/quit', { trace: 'bye' })
  const late = setTimeout(() => node.child.kill('SIGKILL'), 4000)
  assert.deepEqual(await node.exited, { code: 0, signal: null })
  clearTimeout(late)
  const second = await service(t, { socket: sidecar.path })
  await sidecar.hello(2)
  await second.ask('/crash', { trace: 'c' }).catch(() => {})
  assert.equal((await second.exited).code, 1)
  assert.match(second.output(), /the service itself fails/)
})

'use strict'
// The stand-in against an installed legacy service: the same requests to both, each on a Redis of its
// own, then answers, upstream requests and all of Redis side by side. Prints what differs.
//
//   node legacy-node/standin/compare.cjs --service DIR

const path = require('path')
const { spawn } = require('child_process')
const Redis = require('ioredis')
const scene = require('./test/scene.cjs')
const { vendor } = require('./test/vendor.cjs')

const ROOT = path.resolve(__dirname, '../..')
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const children = []

async function start(kind, folder, ports) {
  children.push(spawn('redis-server', ['--port', ports.redis, '--save', ''].map(String), { stdio: 'ignore' }))
  const redis = new Redis(ports.redis)
  redis.on('error', () => {})
  await redis.ping()
  await scene.prepare(redis, { concurrencyLimit: '5' })
  const up = await vendor()
  const to = `http://127.0.0.1:${up.port}`
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: String(ports.http),
    JWT_SECRET: 'compare-jwt-secret-that-is-long-enough',
    ENCRYPTION_KEY: scene.ENCRYPTION_KEY,
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(ports.redis),
    UPSTREAM: to,
    UPSTREAM_HOST_MAP: `api.anthropic.com=${to}`,
    PRICE_MIRROR_BASE_URL: 'http://127.0.0.1:1',
    STANDIN_FAULTS: process.env.STANDIN_FAULTS || '',
    LOG_LEVEL: 'error'
  }
  const redirect = path.join(ROOT, 'tests/conform/redirect.cjs')
  const args = kind === 'service' ? ['--require', redirect, 'src/app.js'] : [path.join(__dirname, 'server.cjs')]
  const cwd = folder // both use the prices in its data folder
  children.push(spawn(process.execPath, args, { cwd, env, stdio: 'ignore' }))
  for (let i = 0; ; i += 1) {
    const up = await scene.ask(ports.http, { path: '/health', method: 'GET' }).catch(() => null)
    if (up) {
      break
    }
    if (i > 200) {
      throw new Error(`the ${kind} does not start`)
    }
    await pause(100)
  }
  await pause(1500) // background work of the start
  return { redis, up, port: ports.http }
}

async function run({ redis, up, port }) {
  const before = await scene.dump(redis)
  const answers = []
  const requests = [
    {},
    { value: scene.body({ stream: true }) },
    { value: scene.body({ session: '55555555-5555-4555-8555-555555555555', top_p: 0.5 }) },
    { value: scene.body({ stream: true, model: 'claude-opus-4-1-20250805', metadata: undefined }) },
    { value: scene.body({ model: 'claude-3-5-haiku-20241022' }) },
    { value: scene.body({ model: 'claude-none' }) },
    { value: scene.body({ model: 'claude-none', stream: true }) },
    { key: null },
    { key: 'cr_unknown_key' },
    { key: 'other_prefix_key' },
    { value: scene.body({ messages: [] }) },
    { path: '/api/nothing' }
  ]
  for (const request of requests) {
    const { status, headers, body } = await scene.ask(port, request)
    const { date, 'x-request-id': _, ...rest } = headers
    const blank = { ...rest, 'content-length': undefined, etag: rest.etag && '<etag>' }
    answers.push({ status, headers: blank, body: body.replace(/"timestamp":"[^"]+"/, '"timestamp":0') })
    await pause(400)
  }
  const after = await scene.dump(redis)
  const changed = {}
  for (const [key, entry] of Object.entries(after)) {
    if (JSON.stringify(entry.value) !== JSON.stringify((before[key] || {}).value)) {
      changed[key] = entry
    }
  }
  const headers = (raw) =>
    Object.fromEntries(raw.flatMap((name, i) => (i % 2 ? [] : [[name.toLowerCase(), raw[i + 1]]])))
  const upstream = up.seen.map((one) => ({ ...one, headers: headers(one.headers) }))
  return { answers, upstream, redis: scene.blanked(changed) }
}

function differences(a, b, at = '') {
  if (JSON.stringify(a) === JSON.stringify(b)) {
    return []
  }
  if (!a || !b || typeof a !== 'object' || typeof b !== 'object') {
    return [`${at}\n    service:  ${JSON.stringify(a)}\n    stand-in: ${JSON.stringify(b)}`]
  }
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], `${at}/${key}`)
  )
}

async function main() {
  const folder = process.argv[process.argv.indexOf('--service') + 1]
  const service = await start('service', folder, { redis: 16391, http: 16392 })
  const standIn = await start('stand-in', folder, { redis: 16393, http: 16394 })
  const found = differences(await run(service), await run(standIn))
  console.log(found.length ? found.join('\n') : 'no differences')
  process.exitCode = found.length ? 1 : 0
  service.redis.disconnect()
  standIn.redis.disconnect()
  service.up.server.close()
  standIn.up.server.close()
}

if (process.argv.includes('--service')) {
  main()
    .catch((error) => {
      console.error(error)
      process.exitCode = 1
    })
    .finally(() => {
      children.forEach((child) => child.kill('SIGKILL'))
      setTimeout(() => process.exit(), 100)
    })
} else {
  console.error('usage: node legacy-node/standin/compare.cjs --service DIR')
  process.exitCode = 64
}

'use strict'
// What the tap costs an installed legacy service: processor time per request, switched off and on.
//
//   node legacy-node/bench/tap.cjs --service DIR [--seconds 1] [--rounds 30] [--connections 8]
//     [--modes 'switched off;on, duty 10 %;…']   the first is what the others are compared with
//
// Starts a redis-server, an upstream, a reader of the tap's socket and the service with the tap, then puts
// load on it in short turns. Processor time (of all threads, /proc/PID/task/*/schedstat) is compared and not
// requests per second, each turn with the same round's turn switched off, so that other work on the machine
// matters less. Linux only.

const fs = require('fs')
const http = require('http')
const net = require('net')
const os = require('os')
const path = require('path')
const { fork, spawn } = require('child_process')
const scene = require('../standin/test/scene.cjs')

const ROOT = path.resolve(__dirname, '../..')
const TAP = path.join(ROOT, 'legacy-node/tap.cjs')
const REDIRECT = path.join(ROOT, 'tests/conform/redirect.cjs')
const ENCRYPTION_KEY = '0123456789abcdef0123456789abcdef'
// One process serves all of these in turns: two processes of the same program differ by more than the tap costs.
const MODES = [
  { name: 'switched off', on: false, share: 0 },
  { name: 'switched off, again', on: false, share: 0 }, // how far two equal turns are apart
  { name: 'on, 0 % traced', on: true, share: 0 },
  { name: 'on, 1 % traced', on: true, share: 0.01 },
  { name: 'on, 10 % traced', on: true, share: 0.1 },
  // As the sidecar does it: all requests of one second, then none. A turn is one whole period or several.
  { name: 'on, duty 10 %', on: true, share: 1, duty: 10 },
  { name: 'on, duty 20 %', on: true, share: 1, duty: 20 },
  { name: 'on, all traced', on: true, share: 1 }
].filter(({ name }) => !option('modes') || option('modes').split(';').includes(name))
const WINDOW_MS = 1000

// === Roles of the child processes ===

function upstream() {
  const usage = { input_tokens: 11, cache_creation_input_tokens: 3, cache_read_input_tokens: 5, output_tokens: 1 }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-20250514', content: [], usage }
  const event = (type, value) => `event: ${type}\ndata: ${JSON.stringify({ type, ...value })}\n\n`
  const delta = (text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
  const server = http.createServer((req, res) => {
    const chunks = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      if (!/"stream":\s*true/.test(body)) {
        res.setHeader('content-type', 'application/json')
        res.end(JSON.stringify({ ...message, content: [{ type: 'text', text: 'word '.repeat(200) }] }))
        return
      }
      res.setHeader('content-type', 'text/event-stream')
      res.write(event('message_start', { message }))
      res.write(event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }))
      let sent = 0
      const timer = setInterval(() => {
        sent += 1
        res.write(delta(`some words of the answer ${sent} `))
        if (sent === 40) {
          clearInterval(timer)
          res.write(event('content_block_stop', { index: 0 }))
          res.write(event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 40 } }))
          res.end(event('message_stop', {}))
        }
      }, 2)
    })
  })
  server.keepAliveTimeout = 600000
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
}

function sink(file) {
  let bytes = 0
  let tap = null
  const server = net.createServer((socket) => {
    tap = socket
    socket.on('data', (data) => (bytes += data.length))
    socket.on('error', () => {})
  })
  process.on('message', ({ on }) => {
    const settings = Buffer.from(`S{"enabled":${on},"redis":true,"upstream":true}`)
    const head = Buffer.alloc(4)
    head.writeUInt32BE(settings.length)
    tap.write(Buffer.concat([head, settings]))
    process.send({ bytes })
  })
  server.listen(file, () => process.send('ready'))
}

const ROLES = { upstream, sink }

// === The measurement ===

function option(name, fallback) {
  const index = process.argv.indexOf(`--${name}`)
  return index > 0 ? process.argv[index + 1] : fallback
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const started = []

function role(name, ...args) {
  const child = fork(__filename, ['--role', name, ...args])
  started.push(child)
  return new Promise((resolve) => child.once('message', (value) => resolve({ child, value })))
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function answers(port, target) {
  for (let tried = 0; tried < 300; tried += 1) {
    const status = await new Promise((resolve) => {
      const request = http.get({ port, host: '127.0.0.1', path: target }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', () => resolve(0))
    })
    if (status === 200) {
      return
    }
    await pause(100)
  }
  throw new Error(`nothing serves on port ${port}`)
}

async function startService(folder, { redisPort, upstreamPort, socket }) {
  const port = await freePort()
  const to = `http://127.0.0.1:${upstreamPort}`
  const args = ['--require', REDIRECT, '--require', TAP, 'src/app.js']
  const log = fs.openSync(path.join(folder, `service-${port}.log`), 'w')
  const child = spawn(process.execPath, args, {
    cwd: option('service'),
    stdio: ['ignore', log, log],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      JWT_SECRET: 'bench-jwt-secret-that-is-long-enough',
      ENCRYPTION_KEY,
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redisPort),
      UPSTREAM_HOST_MAP: `api.anthropic.com=${to},platform.claude.com=${to}`,
      LOG_LEVEL: 'warn',
      PRICE_MIRROR_BASE_URL: 'http://127.0.0.1:1',
      CRS_TAP_SOCKET: socket
    }
  })
  started.push(child)
  await answers(port, '/health')
  return { port, pid: child.pid }
}

/** Processor time of all threads of a process so far, in milliseconds. */
function processorTime(pid) {
  const tasks = fs.readdirSync(`/proc/${pid}/task`)
  const times = tasks.map((task) => fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8'))
  return times.reduce((sum, line) => sum + Number(line.split(' ')[0]) / 1e6, 0)
}

let serial = 0

function request(agent, service, share, apiKey) {
  serial += 1
  const id = serial
  const words = `${'A line of the conversation so far, as clients send it again. '.repeat(300)}${id}`
  const messages = [{ role: 'user', content: words }]
  const body = JSON.stringify(scene.body({ stream: id % 2 === 0, messages }))
  const length = Buffer.byteLength(body)
  const headers = { ...scene.CLIENT, 'content-length': length, 'x-api-key': apiKey }
  if (share > 0 && Math.floor(id * share) > Math.floor((id - 1) * share)) {
    headers['x-crs-trace'] = `t${id}`
  }
  const options = { agent, port: service.port, host: '127.0.0.1', method: 'POST', path: '/api/v1/messages', headers }
  return new Promise((resolve, reject) => {
    const sent = http.request(options, (response) => {
      response.resume()
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`))
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function load(service, { share, duty = 100 }, apiKey, ms, connections) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
  const until = Date.now() + ms
  const [begun, before] = [Date.now(), processorTime(service.pid)]
  const open = () => (Date.now() - begun) % ((WINDOW_MS * 100) / duty) < WINDOW_MS
  let done = 0
  const worker = async () => {
    while (Date.now() < until) {
      await request(agent, service, open() ? share : 0, apiKey)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  await pause(100) // what follows the answers belongs to them
  const cost = (processorTime(service.pid) - before) / done
  agent.destroy()
  return { cost, rate: (done * 1000) / (Date.now() - 100 - begun) }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'crs-tap-bench-'))
  const Redis = require('ioredis')
  const { Vault } = require('../standin/vault.cjs')
  const seed = require('../standin/seed.cjs')
  const redisPort = await freePort()
  started.push(spawn('redis-server', ['--port', redisPort, '--save', '', '--dir', folder].map(String), { stdio: 'ignore' }))
  const redis = new Redis(redisPort, '127.0.0.1')
  const pipeline = redis.pipeline()
  seed.account(pipeline, new Vault(ENCRYPTION_KEY), { token: 'standin-access-token' })
  const { plain: apiKey } = seed.apiKey(pipeline, new Vault(ENCRYPTION_KEY))
  await pipeline.exec()
  const socket = path.join(folder, 'tap.sock')
  const reader = await role('sink', socket)
  const { value: upstreamPort } = await role('upstream')
  const [ms, rounds] = [1000 * Number(option('seconds', 1)), Number(option('rounds', 30))]
  const connections = Number(option('connections', 8))
  const service = await startService(folder, { redisPort, upstreamPort, socket })
  const modes = MODES.map((mode) => ({ ...mode, costs: [], rates: [] }))
  let bytes = 0
  const turn = async (mode, least) => {
    const { on, duty } = mode
    const length = Math.max(least, duty ? (WINDOW_MS * 100) / duty : 0)
    const answered = new Promise((resolve) => reader.child.once('message', resolve))
    reader.child.send({ on })
    bytes = (await answered).bytes
    await pause(50)
    return load(service, mode, apiKey, length, connections)
  }
  for (const mode of modes) {
    await turn(mode, 3000) // warm
  }
  for (let round = 0; round < rounds; round += 1) {
    // Another order each time, lest one mode always pay for its predecessor's garbage.
    const order = modes.map((mode) => [Math.random(), mode]).sort(([a], [b]) => a - b)
    for (const [, mode] of order) {
      const { cost, rate } = await turn(mode, ms)
      mode.costs.push(cost)
      mode.rates.push(rate)
    }
  }
  const [base] = modes
  console.log('the tap               ms of processor per request   against off          requests/s')
  for (const { name, costs, rates } of modes) {
    // Each round against the same round switched off: what else ran then, ran for both.
    const ratios = costs.map((cost, round) => (cost / base.costs[round] - 1) * 100)
    const against = median(ratios)
    // Of the median, from the median deviation; the 1.4826 and 1.2533 are those of a normal distribution.
    const deviation = 1.4826 * median(ratios.map((ratio) => Math.abs(ratio - against)))
    const error = (1.2533 * deviation) / Math.sqrt(ratios.length)
    const share = `${against >= 0 ? '+' : ''}${against.toFixed(1)} ± ${error.toFixed(1)} %`
    const [cost, rate] = [median(costs).toFixed(2), median(rates).toFixed(0)]
    console.log(`${name.padEnd(22)}${cost.padStart(27)}${share.padStart(15)}${rate.padStart(19)}`)
  }
  console.log(`bytes reported: ${bytes}`)
  redis.disconnect()
  fs.rmSync(folder, { recursive: true, force: true })
}

if (option('role')) {
  ROLES[option('role')](process.argv[4])
} else if (!option('service')) {
  console.error('usage: node legacy-node/bench/tap.cjs --service DIR [--seconds N] [--rounds N] [--connections N] [--modes LIST]')
  process.exit(64)
} else {
  main()
    .catch((error) => {
      console.error(error)
      process.exitCode = 1
    })
    .finally(() => started.forEach((child) => child.kill('SIGKILL')))
}

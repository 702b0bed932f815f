'use strict'
// What the tap costs an installed legacy service: processor time per request, with and without it.
//
//   node legacy-node/bench/tap.cjs --service DIR [--seconds 6] [--rounds 7] [--connections 8]
//
// Starts a redis-server, an upstream, a reader of the tap's socket and one service process per variant,
// then puts load on them in turns. Processor time (user and system, /proc/PID/stat) is compared and not
// requests per second, so that other work on the machine matters less. Linux only.

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
const VARIANTS = [
  { name: 'without the tap, too', tap: false }, // how far two equal processes are apart
  { name: 'without the tap', tap: false },
  { name: 'tap, no sidecar', tap: true, sink: false },
  { name: 'tap on, 0 % traced', tap: true, sink: true, share: 0 },
  { name: 'tap on, 1 % traced', tap: true, sink: true, share: 0.01 },
  { name: 'tap on, 10 % traced', tap: true, sink: true, share: 0.1 },
  { name: 'tap on, all traced', tap: true, sink: true, share: 1 }
]

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
  const settings = Buffer.from('S{"enabled":true,"redis":true,"upstream":true}')
  const head = Buffer.alloc(4)
  head.writeUInt32BE(settings.length)
  let bytes = 0
  const server = net.createServer((socket) => {
    socket.write(Buffer.concat([head, settings]))
    socket.on('data', (data) => (bytes += data.length))
    socket.on('error', () => {})
  })
  process.on('message', () => process.send({ bytes }))
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

async function startService(variant, folder, { redisPort, upstreamPort, socket }) {
  const port = await freePort()
  const to = `http://127.0.0.1:${upstreamPort}`
  const args = ['--require', REDIRECT, ...(variant.tap ? ['--require', TAP] : []), 'src/app.js']
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
      CRS_TAP_SOCKET: variant.sink ? socket : path.join(folder, 'nobody.sock')
    }
  })
  started.push(child)
  await answers(port, '/health')
  return { ...variant, port, pid: child.pid, costs: [], rates: [] }
}

/** Processor time of a process so far, in milliseconds. */
function processorTime(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10 // clock ticks of 1/100 s
}

let serial = 0

function request(agent, service, apiKey) {
  serial += 1
  const id = serial
  const words = `${'A line of the conversation so far, as clients send it again. '.repeat(300)}${id}`
  const messages = [{ role: 'user', content: words }]
  const body = JSON.stringify(scene.body({ stream: id % 2 === 0, messages }))
  const length = Buffer.byteLength(body)
  const headers = { ...scene.CLIENT, 'content-length': length, 'x-api-key': apiKey }
  if (service.share && Math.floor(id * service.share) > Math.floor((id - 1) * service.share)) {
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

async function load(service, apiKey, ms, connections) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
  const until = Date.now() + ms
  const [begun, before] = [Date.now(), processorTime(service.pid)]
  let done = 0
  const worker = async () => {
    while (Date.now() < until) {
      await request(agent, service, apiKey)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  await pause(300) // what follows the answers belongs to them
  const cost = (processorTime(service.pid) - before) / done
  agent.destroy()
  return { cost, rate: (done * 1000) / (Date.now() - 300 - begun) }
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
  const [ms, rounds] = [1000 * Number(option('seconds', 6)), Number(option('rounds', 7))]
  const connections = Number(option('connections', 8))
  const wanted = option('only', '').split(',').filter(Boolean).map(Number)
  const services = []
  for (const [index, variant] of VARIANTS.entries()) {
    if (wanted.length === 0 || wanted.includes(index)) {
      services.push(await startService(variant, folder, { redisPort, upstreamPort, socket }))
    }
  }
  for (const service of services) {
    await load(service, apiKey, ms, connections) // warm
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const service of round % 2 ? [...services].reverse() : services) {
      const { cost, rate } = await load(service, apiKey, ms, connections)
      service.costs.push(cost)
      service.rates.push(rate)
    }
    process.stderr.write(`round ${round + 1}: ${services.map(({ costs }) => costs[round].toFixed(2)).join('  ')}\n`)
  }
  const base = services.find(({ name }) => name === 'without the tap') || services[0]
  console.log('variant               ms of processor per request   against none   requests/s')
  for (const { name, costs, rates } of services) {
    // Each round against the same round without the tap: what else ran then, ran for both.
    const against = median(costs.map((cost, round) => cost / base.costs[round] - 1)) * 100
    const share = `${against >= 0 ? '+' : ''}${against.toFixed(1)} %`
    console.log(`${name.padEnd(22)}${median(costs).toFixed(2).padStart(27)}${share.padStart(15)}${median(rates).toFixed(0).padStart(13)}`)
  }
  reader.child.send('bytes')
  const { bytes } = await new Promise((resolve) => reader.child.once('message', resolve))
  console.log(`bytes reported: ${bytes}`)
  redis.disconnect()
  fs.rmSync(folder, { recursive: true, force: true })
}

if (option('role')) {
  ROLES[option('role')](process.argv[4])
} else if (!option('service')) {
  console.error('usage: node legacy-node/bench/tap.cjs --service DIR [--seconds N] [--rounds N] [--connections N]')
  process.exit(64)
} else {
  main()
    .catch((error) => {
      console.error(error)
      process.exitCode = 1
    })
    .finally(() => started.forEach((child) => child.kill('SIGKILL')))
}

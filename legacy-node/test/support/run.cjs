'use strict'
// Starts the test service with and without the tap, an upstream, and a Redis where there is one.

const fs = require('fs')
const http = require('http')
const net = require('net')
const os = require('os')
const path = require('path')
const zlib = require('zlib')
const { spawn, spawnSync } = require('child_process')
const { until } = require('./sidecar.cjs')

const TAP = path.resolve(__dirname, '../../tap.cjs')

function scratch(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'crs-tap-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs `service.cjs`; `tap: false` leaves the tap out. */
async function service(t, { socket, tap = true, env = {}, file = 'service.cjs' } = {}) {
  const args = [path.join(__dirname, file)]
  const child = spawn(process.execPath, ['--expose-gc', ...(tap ? ['--require', TAP] : []), ...args], {
    env: { ...process.env, NODE_OPTIONS: '', CRS_TAP_SOCKET: socket || '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  const port = await new Promise((resolve, reject) => {
    child.once('message', ({ port: listening }) => resolve(listening))
    child.once('exit', () => reject(new Error(`the service ended: ${output}`)))
  })
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
  t.after(() => child.kill('SIGKILL'))
  return {
    port,
    child,
    exited,
    output: () => output,
    ask: (target, options) => ask(port, target, options),
    stats: async () => JSON.parse((await ask(port, '/stats')).body)
  }
}

/** One request; `cut` ends the connection after so many bytes of the answer. */
function ask(port, target, { method = 'GET', headers = {}, trace, body, cut } = {}) {
  return new Promise((resolve, reject) => {
    const all = trace ? { ...headers, 'x-crs-trace': trace } : headers
    const request = http.request({ port, host: '127.0.0.1', path: target, method, headers: all })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks = []
      const done = (complete) =>
        resolve({
          status: response.statusCode,
          headers: response.rawHeaders,
          body: Buffer.concat(chunks),
          complete
        })
      response.on('data', (chunk) => {
        chunks.push(chunk)
        if (cut && Buffer.concat(chunks).length >= cut) {
          request.destroy()
        }
      })
      response.on('error', () => {})
      response.on('close', () => done(response.complete))
    })
    request.end(body)
  })
}

const GZIPPED = zlib.gzipSync(JSON.stringify({ text: 'compressed '.repeat(50) }))

/** An upstream: /echo /gzip /sse /reset /hang and a status for all else. */
async function upstream(t) {
  const seen = []
  const server = http.createServer((req, res) => {
    const chunks = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('error', () => {})
    req.on('end', () => {
      seen.push({ url: req.url, rawHeaders: req.rawHeaders, body: Buffer.concat(chunks).toString() })
      const kind = req.url.split('?')[0]
      if (kind === '/gzip') {
        res.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Type': 'application/json' })
        res.end(GZIPPED)
      } else if (kind === '/sse') {
        res.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Odd-Case': 'kept' })
        let sent = 0
        const timer = setInterval(() => {
          sent += 1
          res.write(`event: tick\ndata: {"n":${sent}}\n\n`)
          if (sent === 10) {
            clearInterval(timer)
            res.end()
          }
        }, 4)
        res.on('close', () => clearInterval(timer))
      } else if (kind === '/reset') {
        res.writeHead(200, { 'Content-Type': 'text/plain' })
        res.write('some')
        setTimeout(() => req.socket.resetAndDestroy(), 15)
      } else if (kind === '/hang') {
        res.writeHead(200)
        res.write('first')
      } else if (kind === '/echo') {
        res.writeHead(201, 'Made', { 'Content-Type': 'text/plain', 'Set-Cookie': ['a=1', 'b=2'] })
        res.end(Buffer.concat(chunks))
      } else {
        res.writeHead(429, { 'Retry-After': '7' })
        res.end('slow down')
      }
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.closeAllConnections && server.closeAllConnections())
  t.after(() => server.close())
  return { port: server.address().port, seen, gzipped: GZIPPED, server }
}

function installed(name) {
  try {
    return Boolean(require.resolve(name))
  } catch {
    return false
  }
}

const hasRedis =
  installed('ioredis') && spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0

/** A redis-server of its own. */
async function redis(t) {
  const probe = net.createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', scratch(t)]
  const child = spawn('redis-server', args.map(String), { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  await until(
    () =>
      new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1', () => resolve(socket.destroy()))
        socket.on('error', () => resolve(false))
      }),
    'redis-server'
  )
  return port
}

module.exports = { TAP, scratch, service, ask, upstream, redis, hasRedis, installed }

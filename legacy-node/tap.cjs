'use strict'
// Tap: a preload for a running Node relay, `NODE_OPTIONS="--require /path/tap.cjs"`.
//
// Reports, over a unix socket to the `crs` sidecar, what each *traced* request did: its Redis commands
// with their replies, and its HTTP exchanges with the upstream, as they were on the wire. A request is
// traced when it carries the header `x-crs-trace`; the service never sees that header.
//
// It must not change what the service does: every hook calls the original exactly once with the same
// arguments, its own work is guarded, what does not fit into its bounded memory is dropped, nothing of
// it keeps the process alive, and nothing is printed (CRS_TAP_DEBUG=1 prints to stderr). Too many
// faults, and it takes itself out of service. CRS_TAP=off loads nothing.
//
// One file without dependencies, because operators copy it. Node 18 to 22. Frames: see README.md.

const { AsyncLocalStorage } = require('async_hooks')
const Module = require('module')
const http = require('http')
const https = require('https')
const net = require('net')
const path = require('path')

const HEADER = 'x-crs-trace'
const SOCKET = path.resolve(process.env.CRS_TAP_SOCKET || 'data/crs/tap.sock')
const FLUSH_MS = 10
const SLAB = 128 * 1024
const PART = 32 * 1024 // longest piece of a body in one frame
const RESERVE = 1024 * 1024 // beyond the limit, for the small frames that say what was dropped
const STALL_MS = 5000 // a sidecar that reads nothing for so long is left
const LINGER_MS = 15000 // work later than this after its response belongs to no request: nobody waits for it
const REST_MS = 500 // after the last traced request the context storage stays on for so long
const FAULTS_MAX = 20

const als = new AsyncLocalStorage()
const settings = { enabled: false, redis: true, upstream: true, maxBuffered: 32 * 1024 * 1024 }
const stats = {
  traced: 0,
  spoiled: 0,
  faults: 0,
  connections: 0,
  get tracking() {
    return tracking
  }
}
let dead = false // for good, after too many faults
let tracking = false // whether the context storage is in use; it costs something only then

// === Faults ===

function debug(...words) {
  if (process.env.CRS_TAP_DEBUG) {
    process.stderr.write(`tap: ${words.join(' ')}\n`)
  }
}

function fault(error) {
  try {
    const trace = frameStart >= 0 ? frameTrace : als.getStore()
    if (frameStart >= 0) {
      endFrame(true)
    }
    if (tracking && socket) {
      spoil(trace, error === FULL ? 'overflow' : 'fault')
    }
    if (error === FULL) {
      return
    }
    stats.faults += 1
    debug('fault', stats.faults, error && error.stack)
    if (stats.faults >= FAULTS_MAX && !dead) {
      dead = true
      stop()
      if (socket) {
        socket.destroy()
      }
    }
  } catch {
    dead = true
  }
}

/** `act` for a timer or an event of its own, where nobody else would catch what it throws. */
function guarded(act) {
  return (value) => {
    try {
      act(value)
    } catch (error) {
      fault(error)
    }
  }
}

/** Replaces a method by one that is not listed among the object's own properties. */
function override(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, configurable: true })
}

// === Frames, written one behind the other into slabs ===

let slab = Buffer.allocUnsafeSlow(SLAB)
let from = 0 // start of what is not queued yet
let at = 0 // end of what is written
let frameStart = -1
let frameTrace = null // whose frame that is
let home = null // where writing goes on after a frame with a slab of its own
let queue = [] // full slabs that the socket has not taken
let buffered = 0 // bytes queued or on their way in the socket
let armed = false
const FULL = new Error('more than may be buffered')

/** Makes room. A long frame gets a slab of its own, lest it leaves half-empty ones behind. */
function need(bytes) {
  if (at + bytes <= slab.length) {
    return
  }
  const start = frameStart >= 0 ? frameStart : at
  const size = at - start + bytes
  if (buffered + size > settings.maxBuffered + RESERVE) {
    throw FULL
  }
  const long = size > SLAB / 2
  const next = Buffer.allocUnsafeSlow(long ? (home ? 2 * size : size + 1024) : SLAB)
  slab.copy(next, 0, start, at)
  if (long) {
    home = home || { slab, from, at: start }
  } else {
    const begun = at - start
    at = start
    cut()
    at = start + begun
  }
  at -= start
  slab = next
  from = 0
  frameStart = frameStart >= 0 ? 0 : -1
}

/** Queues what is finished in the slab. */
function cut() {
  if (at > from) {
    enqueue(slab.subarray(from, at))
    from = at
  }
}

function enqueue(part) {
  queue.push(part)
  buffered += part.length
}

/** Ends the frame: returns it when it has a slab of its own; `undo` takes it back. */
function endFrame(undo) {
  const own = home && slab.subarray(0, at)
  if (home) {
    ;({ slab, from, at } = home)
    home = null
  } else if (undo) {
    at = frameStart
  }
  frameStart = -1
  return own
}

function open(type, trace) {
  frameTrace = trace
  need(64)
  frameStart = at
  slab[at + 4] = type.charCodeAt(0)
  at += 5
}

function u32(value) {
  slab.writeUInt32BE(value, at)
  at += 4
}

function text(string) {
  need(string.length > 4096 ? Buffer.byteLength(string) : 3 * string.length)
  at += slab.utf8Write(string, at)
}

function bytes(data) {
  const { length } = data
  need(length)
  if (length < 32) {
    for (let i = 0; i < length; i += 1) {
      slab[at + i] = data[i]
    }
  } else {
    slab.set(data, at)
  }
  at += length
}

/** A line of RESP: its type and a number. Room for it must be there. */
function line(type, number) {
  slab[at++] = type
  if (number >= 0 && number < 100 && Number.isInteger(number)) {
    if (number > 9) {
      slab[at++] = 48 + ((number / 10) | 0)
    }
    slab[at++] = 48 + (number % 10)
  } else {
    at += slab.latin1Write(String(number), at)
  }
  slab[at++] = 13
  slab[at++] = 10
}

/** Ends the frame; takes it back when memory is full, and says so once in its place. */
function close(trace, reserve) {
  const limit = settings.maxBuffered + (reserve ? RESERVE : 0)
  slab.writeUInt32BE(at - frameStart - 4, frameStart)
  const total = buffered + (at - from) + (home ? home.at - home.from : 0)
  const own = endFrame(total > limit)
  if (total > limit) {
    if (reserve) {
      socket.destroy() // not even notes fit: begin anew
    } else {
      spoil(trace, 'overflow')
    }
    return
  }
  if (own) {
    cut()
    enqueue(own)
  }
  arm()
  if (own || at - from >= SLAB / 2) {
    flush()
  }
}

function json(type, trace, sub, value, reserve) {
  open(type, trace)
  if (trace) {
    u32(trace.number)
  }
  if (sub) {
    u32(sub)
  }
  text(JSON.stringify(value))
  close(trace, reserve)
}

/** Body bytes in frames of bounded length; copied, for their owner may change them. */
function body(type, exchange, chunk, encoding) {
  const data =
    typeof chunk === 'string'
      ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8')
      : chunk
  for (let begin = 0; begin < data.length && reporting(exchange.trace); begin += PART) {
    open(type, exchange.trace)
    u32(exchange.trace.number)
    u32(exchange.number)
    bytes(data.subarray(begin, begin + PART))
    close(exchange.trace)
  }
}

function flush() {
  cut()
  while (socket && !blocked && queue.length > 0) {
    const [part, own] = [queue.shift(), socket]
    blocked = !own.write(part, () => {
      buffered -= own === socket ? part.length : 0
    })
    if (blocked) {
      clearTimeout(stall)
      stall = setTimeout(() => own.destroy(), STALL_MS).unref()
    }
  }
}

function arm() {
  if (!armed) {
    armed = true
    setTimeout(tick, FLUSH_MS).unref()
  }
}

const tick = guarded(() => {
  armed = false
  settle()
  flush()
})

// === Connection ===

let socket = null
let blocked = false
let stall = null
let wanted = false
let delay = 100
let generation = 0 // changes when what was begun can no longer be reported

function connect() {
  if (dead || socket) {
    return
  }
  let input = Buffer.alloc(0)
  let connected = false
  const own = net.createConnection({ path: SOCKET })
  socket = own
  blocked = true // until it is connected
  own.unref()
  own.on('error', (error) => debug(error.message))
  const ready = guarded(() => {
    connected = true
    blocked = false
    stats.connections += 1
    json('H', null, 0, { v: 1, pid: process.pid, node: process.version }, true)
    flush()
  })
  own.on('connect', ready)
  const drained = guarded(() => {
    blocked = false
    clearTimeout(stall)
    flush()
  })
  own.on('drain', drained)
  own.on('data', (data) => {
    try {
      input = receive(Buffer.concat([input, data]))
    } catch (error) {
      debug(error.message)
      own.destroy()
    }
  })
  const closed = guarded(() => {
    clearTimeout(stall)
    stop(true)
    socket = null
    queue = []
    buffered = 0
    from = at = 0
    slab = Buffer.allocUnsafeSlow(SLAB)
    home = null
    frameStart = -1
    if (!dead) {
      delay = connected ? 100 : Math.min(2 * delay, 5000)
      setTimeout(guarded(connect), delay).unref()
    }
  })
  own.on('close', closed)
}

/** Acts on the frames in `input` and returns the rest. */
function receive(input) {
  while (input.length >= 5) {
    const length = input.readUInt32BE(0)
    if (length < 1 || length > SLAB) {
      throw new Error('a frame of the sidecar is too long')
    }
    if (input.length < 4 + length) {
      break
    }
    if (input[4] === 0x53 /* S */) {
      configure(JSON.parse(input.toString('utf8', 5, 4 + length)))
    }
    input = input.subarray(4 + length)
  }
  return Buffer.from(input)
}

function configure({ enabled, redis, upstream, maxBuffered }) {
  settings.redis = redis !== false
  settings.upstream = upstream !== false
  if (Number.isFinite(maxBuffered)) {
    settings.maxBuffered = Math.max(SLAB, maxBuffered)
  }
  if (settings.enabled && enabled !== true) {
    stop()
  }
  settings.enabled = enabled === true && !dead
}

/** Ends all tracing; unless the connection is lost, the open requests are reported as incomplete. */
function stop(lost) {
  settings.enabled = false
  for (const trace of lost ? [] : [...unended]) {
    spoil(trace, 'off')
  }
  unended.clear()
  working.clear()
  settling.clear()
  untrack()
}

// === Traces ===

const unended = new Set() // responses still open
const working = new Set() // response ended, something pending
const settling = new Set() // response ended, nothing pending: quiet when that lasts a whole tick
let numbers = 0
let lastQuiet = 0
let idle = null

function reporting(trace) {
  return trace.generation === generation && !trace.spoiled
}

/** The traced request on whose behalf the running code works. */
function current() {
  const trace = als.getStore()
  if (!trace || !reporting(trace)) {
    return null
  }
  return trace.ended && Date.now() - trace.ended > LINGER_MS ? null : trace
}

function within(trace, emitter, watch) {
  const emit = emitter.emit
  override(emitter, 'emit', function (event, value) {
    try {
      watch(event, value)
    } catch (error) {
      fault(error)
    }
    return inside(trace)
      ? emit.apply(this, arguments)
      : als.run(trace, () => emit.apply(this, arguments))
  })
}

/** Whether running code needs no change of context to work for `trace`. */
function inside(trace) {
  return !tracking || trace.generation !== generation || als.getStore() === trace
}

function spoil(trace, why) {
  if (trace && !trace.spoiled && trace.generation === generation) {
    trace.spoiled = true
    stats.spoiled += 1
    json('X', trace, 0, { why }, true)
  }
}

function ended(trace, complete, status) {
  if (!trace.ended) {
    trace.ended = Date.now()
    unended.delete(trace)
    if (trace.generation === generation) {
      json('C', trace, 0, { status, complete, ms: trace.ended }, true)
      pending(trace, 0)
    }
  }
}

function pending(trace, change) {
  trace.pending += change
  if (trace.ended && trace.generation === generation) {
    trace.calm = false
    if (trace.pending === 0) {
      working.delete(trace)
      settling.add(trace)
      arm()
    } else {
      settling.delete(trace)
      working.add(trace)
    }
  }
}

function settle() {
  for (const trace of settling) {
    if (trace.calm) {
      settling.delete(trace)
      lastQuiet = Date.now()
      json('Q', trace, 0, { ms: lastQuiet }, true)
    } else {
      trace.calm = true
      arm()
    }
  }
}

/** Between traced requests the context storage is switched off, and with it all its cost. */
function rest() {
  const now = Date.now()
  for (const trace of working) {
    if (now - trace.ended > LINGER_MS) {
      working.delete(trace) // it may hang for ever
    }
  }
  const open = unended.size + working.size + settling.size
  if (open === 0 && now - lastQuiet > REST_MS) {
    untrack()
  }
}

function untrack() {
  generation += 1
  if (tracking) {
    tracking = false
    als.disable()
    clearInterval(idle)
  }
}

// === The service's own server ===

/** Takes the header away, and begins a trace if this request is to be traced. */
function arrive(req, res) {
  const raw = req.rawHeaders
  let id = null
  for (let i = raw.length - 2; i >= 0; i -= 2) {
    if (raw[i].length === HEADER.length && raw[i].toLowerCase() === HEADER) {
      if (id === null) {
        // Both are computed from rawHeaders when first read, so read them before it shrinks.
        delete req.headers[HEADER]
        delete (req.headersDistinct || {})[HEADER]
      }
      id = raw[i + 1]
      raw.splice(i, 2)
    }
  }
  if (id === null || !settings.enabled || id.length > 256) {
    return null
  }
  numbers = (numbers + 1) >>> 0 || 1
  const trace = {
    number: numbers,
    generation,
    commands: 0,
    exchanges: 0,
    pending: 0,
    ended: 0,
    calm: false,
    spoiled: false
  }
  json('B', trace, 0, { id, ms: Date.now(), method: req.method, url: req.url }, true)
  stats.traced += 1
  unended.add(trace)
  if (!tracking) {
    tracking = true
    idle = setInterval(guarded(rest), REST_MS / 2).unref()
    watchFetch()
  }
  // Events of a connection run in the context of whoever opened it; these belong to the request.
  within(trace, req, () => {})
  within(trace, res, (event) => {
    if (event === 'finish' || event === 'close') {
      ended(trace, event === 'finish', res.statusCode)
    }
  })
  return trace
}

function watchServer(prototype) {
  const emit = prototype.emit
  override(prototype, 'emit', function (event, req, res) {
    if (event === 'request') {
      let trace = null
      try {
        trace = arrive(req, res)
      } catch (error) {
        fault(error)
      }
      if (trace) {
        return als.run(trace, () => emit.apply(this, arguments))
      }
      if (tracking && als.getStore()) {
        return als.run(undefined, () => emit.apply(this, arguments))
      }
    } else if (event === 'listening' && !wanted) {
      // Only a server has anything to report: npm, scripts and tools under the same NODE_OPTIONS do not.
      wanted = true
      try {
        connect()
      } catch (error) {
        fault(error)
      }
    }
    return emit.apply(this, arguments)
  })
}

// === Redis: the commands of ioredis ===

const CALL = Symbol('tap.call')
const SECRET = new Set(['auth', 'hello'])
const STATUS = new Set(
  ('set setex psetex mset hmset multi select rename ltrim lset ping type flushdb flushall discard ' +
    'watch unwatch restore migrate script').split(' ')
)

function isStatus({ name, args }) {
  const known = name.toLowerCase()
  return STATUS.has(known) && !(known === 'set' && /^get$/i.test(args[args.length - 1]))
}

/** ioredis hands over status replies as buffers too, so the command, where it is given, must tell. */
function reply(value, command) {
  need(64)
  if (value instanceof Uint8Array) {
    const { length } = value
    if (length < 32 && command && isStatus(command) && !value.includes(10)) {
      slab[at++] = 43 // +
    } else {
      line(36 /* $ */, length)
    }
    need(length + 2)
    bytes(value)
    slab[at++] = 13
    slab[at++] = 10
  } else if (typeof value === 'number' || typeof value === 'bigint') {
    line(58 /* : */, value)
  } else if (value === null || value === undefined) {
    line(36, -1)
  } else if (Array.isArray(value)) {
    line(42 /* * */, value.length)
    for (let i = 0; i < value.length; i += 1) {
      reply(value[i], null)
    }
  } else if (value instanceof Error) {
    // Errors that no Redis sent (connection lost, time-out) are told apart by their first word.
    const own = value.name !== 'ReplyError' && value.constructor.name !== 'ReplyError'
    text(`-${own ? 'TAP ' : ''}${String(value.message).replace(/[\r\n]+/g, ' ')}\r\n`)
  } else if (typeof value === 'string') {
    reply(Buffer.from(value), command)
  } else {
    throw new TypeError('a reply of an unknown type')
  }
}

function replied(call, command, value) {
  const { trace, number } = call
  if (number === 0 || call.done) {
    return
  }
  call.done = true
  pending(trace, -1)
  if (reporting(trace)) {
    open('r', trace)
    u32(trace.number)
    u32(number)
    reply(value, command)
    close(trace)
  }
}

function sent(call, encoded) {
  const { trace } = call
  if (call.number !== 0 || !reporting(trace)) {
    return
  }
  call.number = trace.commands += 1
  pending(trace, 1)
  open('R', trace)
  u32(trace.number)
  u32(call.number)
  slab.writeDoubleBE(Date.now(), at)
  at += 8
  if (typeof encoded === 'string') {
    text(encoded)
  } else {
    bytes(encoded)
  }
  close(trace)
}

// A command belongs to the request in whose context it was made, not to the one whose turn it was to
// write a shared pipeline, and is numbered in the order in which it was written.
function watchRedis(ioredis) {
  const Command = ioredis.Command || (ioredis.default && ioredis.default.Command)
  const prototype = Command && Command.prototype
  const { initPromise, toWritable, transformReply } = prototype || {}
  if (!initPromise || !toWritable || !transformReply || prototype[CALL] === null) {
    return
  }
  override(prototype, CALL, null)
  override(prototype, 'initPromise', function () {
    const result = initPromise.apply(this, arguments)
    try {
      const trace = tracking && settings.redis ? current() : null
      if (trace && !SECRET.has(this.name.toLowerCase())) {
        const call = { trace, number: 0, done: false }
        const { reject } = this
        this[CALL] = call
        this.reject = (reason) => {
          try {
            replied(call, this, reason)
          } catch (error) {
            fault(error)
          }
          return reject(reason)
        }
      }
    } catch (error) {
      fault(error)
    }
    return result
  })
  override(prototype, 'toWritable', function () {
    const encoded = toWritable.apply(this, arguments)
    const call = this[CALL]
    if (call) {
      try {
        sent(call, encoded)
      } catch (error) {
        fault(error)
      }
    }
    return encoded
  })
  override(prototype, 'transformReply', function (value) {
    // Of a transaction it is called once more, with what EXEC answered: `done` by then.
    const call = this[CALL]
    if (call) {
      try {
        replied(call, this, value)
      } catch (error) {
        fault(error)
      }
    }
    return transformReply.apply(this, arguments)
  })
}

// === Upstream exchanges ===

const EXCHANGE = Symbol('tap.exchange')

function begin(trace, method, url, headers, proxy) {
  const exchange = {
    trace,
    number: (trace.exchanges += 1),
    local: false,
    sent: false,
    head: false,
    done: false
  }
  pending(trace, 1)
  if (reporting(trace)) {
    json('U', trace, exchange.number, { method, url, headers, proxy })
  }
  return exchange
}

function requested(exchange) {
  if (!exchange.sent) {
    exchange.sent = true
    if (reporting(exchange.trace)) {
      open('V', exchange.trace)
      u32(exchange.trace.number)
      u32(exchange.number)
      close(exchange.trace)
    }
  }
}

function answered(exchange, status, headers) {
  exchange.head = true
  if (reporting(exchange.trace)) {
    json('A', exchange.trace, exchange.number, { status, headers })
  }
}

function finished(exchange, failure) {
  if (!exchange.done) {
    exchange.done = true
    pending(exchange.trace, -1)
    if (reporting(exchange.trace)) {
      json('E', exchange.trace, exchange.number, failure || { ok: true })
    }
  }
}

function failed(exchange, error) {
  const [code, message] = exchange.local
    ? ['ABORTED', 'given up by the service']
    : ['ECONNRESET', 'closed before the end']
  finished(exchange, {
    ok: false,
    code: String((error && error.code) || code),
    message: String((error && error.message) || message)
  })
}

function pairs(raw) {
  const headers = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    headers.push([String(raw[i]), String(raw[i + 1])])
  }
  return headers
}

/** Name and value of each line of a request head. */
function headLines(head) {
  const headers = []
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) {
      headers.push([line.slice(0, colon), line.slice(colon + 1).trim()])
    }
  }
  return headers
}

function proxyOf(agent) {
  const proxy = agent && agent.proxy
  const host = proxy && (proxy.hostname || proxy.host)
  if (!host) {
    return null
  }
  const scheme = proxy.protocol || (proxy.type ? `socks${proxy.type}:` : 'http:')
  return `${scheme}//${host}${proxy.port ? `:${proxy.port}` : ''}`
}

function beginHttp(trace, request) {
  const lines = request._header.slice(request._header.indexOf('\r\n') + 2)
  const headers = headLines(lines)
  const named = (headers.find(([name]) => name.toLowerCase() === 'host') || ['', ''])[1]
  const target = request.host.includes(':') ? `[${request.host}]` : request.host
  const through = /^https?:\/\//i.test(request.path)
  // The Host header knows the port; a service may also have put any other name there.
  const same = named === target || named.startsWith(`${target}:`)
  const url = through
    ? request.path
    : `${request.protocol}//${same ? named : target}${request.path}`
  const proxy = through ? `${request.protocol}//${target}` : proxyOf(request.agent)
  return begin(trace, request.method, url, headers, proxy)
}

/** Reports what a response pushes into its own buffer: nobody's reading changes by that. */
function watchResponse(exchange, response) {
  const { push, destroy } = response
  override(response, 'push', function (chunk) {
    try {
      if (chunk !== null) {
        body('a', exchange, chunk, arguments[1])
      } else if (response.complete !== false && !response.rstCode) {
        finished(exchange)
      }
    } catch (error) {
      fault(error)
    }
    return push.apply(this, arguments)
  })
  override(response, 'destroy', function (error) {
    if (!(error && error.code === 'ECONNRESET')) {
      exchange.local = true
    }
    return destroy.apply(this, arguments)
  })
}

function clientEvent(exchange, event, value) {
  if (event === 'response') {
    answered(exchange, value.statusCode, pairs(value.rawHeaders))
    watchResponse(exchange, value)
    within(exchange.trace, value, () => {})
  } else if (event === 'upgrade') {
    answered(exchange, value.statusCode, pairs(value.rawHeaders))
    finished(exchange)
  } else if (event === 'error' || event === 'close') {
    failed(exchange, event === 'error' ? value : null)
  }
}

function watchBody(exchange, end, chunk, encoding) {
  if (exchange.silent || exchange.sent || exchange.done) {
    return
  }
  if (chunk !== null && chunk !== undefined && typeof chunk !== 'function') {
    body('u', exchange, chunk, encoding)
  }
  if (end) {
    requested(exchange)
  }
}

function watchClient(prototype) {
  const { _storeHeader, write, end, emit, destroy } = prototype
  override(prototype, '_storeHeader', function () {
    const result = _storeHeader.apply(this, arguments)
    if (tracking && this[EXCHANGE] === undefined) {
      try {
        const trace = current()
        override(this, EXCHANGE, trace && { trace, silent: true })
        if (trace && settings.upstream && this.method !== 'CONNECT') {
          this[EXCHANGE] = beginHttp(trace, this)
        }
      } catch (error) {
        fault(error)
      }
    }
    return result
  })
  for (const [name, original] of [['write', write], ['end', end]]) {
    override(prototype, name, function (chunk, encoding) {
      const result = original.apply(this, arguments)
      if (this[EXCHANGE]) {
        try {
          watchBody(this[EXCHANGE], name === 'end', chunk, encoding)
        } catch (error) {
          fault(error)
        }
      }
      return result
    })
  }
  override(prototype, 'destroy', function () {
    if (this[EXCHANGE]) {
      this[EXCHANGE].local = true
    }
    return destroy.apply(this, arguments)
  })
  override(prototype, 'emit', function (event, value) {
    const exchange = this[EXCHANGE]
    if (exchange) {
      try {
        if (!exchange.silent) {
          clientEvent(exchange, event, value)
        }
      } catch (error) {
        fault(error)
      }
      if (!inside(exchange.trace)) {
        return als.run(exchange.trace, () => emit.apply(this, arguments))
      }
    } else if (exchange === null && tracking && als.getStore()) {
      // A connection opened for a traced request now serves one that is not.
      return als.run(undefined, () => emit.apply(this, arguments))
    }
    return emit.apply(this, arguments)
  })
}

// === HTTP/2 sessions (the AWS SDK) ===

function beginHttp2(session, stream, given, options) {
  const trace = current()
  if (!trace || !settings.upstream || !stream) {
    return
  }
  const headers = Object.entries(given || {})
  const origin = String(session[EXCHANGE] || '').replace(/\/+$/, '')
  const fields = headers.filter(([name]) => !name.startsWith(':'))
  const flat = fields.flatMap(([name, v]) => [].concat(v).map((one) => [name, String(one)]))
  if (!fields.some(([name]) => name.toLowerCase() === 'host')) {
    // What HTTP/1.1 calls the host.
    flat.unshift(['host', String((given && given[':authority']) || origin.replace(/^\w+:\/\//, ''))])
  }
  const url = origin + ((given && given[':path']) || '/')
  const exchange = begin(trace, (given && given[':method']) || 'GET', url, flat, null)
  watchResponse(exchange, stream)
  for (const name of ['write', 'end']) {
    const original = stream[name]
    override(stream, name, function (chunk, encoding) {
      const result = original.apply(this, arguments)
      try {
        watchBody(exchange, name === 'end', chunk, encoding)
      } catch (error) {
        fault(error)
      }
      return result
    })
  }
  if ((options && options.endStream) || stream.writableEnded) {
    requested(exchange)
  }
  within(trace, stream, (event, value) => {
    if (event === 'response') {
      const rest = Object.entries(value).filter(([name]) => !name.startsWith(':'))
      const list = rest.flatMap(([name, v]) => [].concat(v).map((one) => [name, String(one)]))
      answered(exchange, value[':status'], list)
    } else if (event === 'error' || event === 'close') {
      failed(exchange, event === 'error' ? value : null)
    }
  })
}

function watchHttp2(http2) {
  const connectHttp2 = http2.connect
  let known = null
  http2.connect = function (authority) {
    const session = connectHttp2.apply(this, arguments)
    try {
      override(session, EXCHANGE, String(authority))
      const prototype = Object.getPrototypeOf(session)
      if (prototype !== known && Object.prototype.hasOwnProperty.call(prototype, 'request')) {
        known = prototype
        const request = prototype.request
        override(prototype, 'request', function (headers, options) {
          const stream = request.apply(this, arguments)
          if (tracking) {
            try {
              beginHttp2(this, stream, headers, options)
            } catch (error) {
              fault(error)
            }
          }
          return stream
        })
      }
    } catch (error) {
      fault(error)
    }
    return session
  }
}

// === fetch (undici tells of its requests through diagnostics channels) ===

const fetches = new WeakMap() // request -> what is known of it
let fetchWatched = false

function fetchCreated({ request }) {
  const trace = current()
  if (!trace || !settings.upstream || request.method === 'CONNECT') {
    return
  }
  const entry = { trace, exchange: null, body: request.body }
  fetches.set(request, entry)
  const { onData } = request
  if (typeof onData === 'function') {
    override(request, 'onData', function (chunk) {
      try {
        body('a', entry.exchange, chunk)
      } catch (error) {
        fault(error)
      }
      return onData.apply(this, arguments)
    })
  }
  const source = request.body
  if (source && typeof source[Symbol.asyncIterator] === 'function' && !source.pipe) {
    entry.body = null
    request.body = (async function* () {
      for await (const chunk of source) {
        try {
          body('u', entry.exchange, chunk)
        } catch (error) {
          fault(error)
        }
        yield chunk
      }
    })()
  }
}

function fetchSent({ request, headers }) {
  const entry = fetches.get(request)
  if (entry && !entry.exchange) {
    const lines = headLines(String(headers))
    const url = String(request.origin) + request.path
    entry.exchange = begin(entry.trace, request.method, url, lines, null)
    if (typeof entry.body === 'string' || entry.body instanceof Uint8Array) {
      body('u', entry.exchange, entry.body)
    } else if (entry.body) {
      spoil(entry.trace, 'body') // a stream, which could only be read in the service's place
    } else if (!request.body) {
      requested(entry.exchange)
    }
  }
}

function watchFetch() {
  if (fetchWatched) {
    return
  }
  fetchWatched = true
  const channels = require('diagnostics_channel')
  const on = (name, act) =>
    channels.channel(name).subscribe((message) => {
      try {
        const entry = fetches.get(message.request)
        if (tracking && (!entry ? act === fetchCreated : entry.exchange || act === fetchSent)) {
          act(message, entry && entry.exchange)
        }
      } catch (error) {
        fault(error)
      }
    })
  on('undici:request:create', fetchCreated)
  on('undici:client:sendHeaders', fetchSent)
  on('undici:request:bodySent', (_, exchange) => requested(exchange))
  on('undici:request:headers', ({ response }, exchange) =>
    answered(exchange, response.statusCode, pairs(response.headers))
  )
  on('undici:request:trailers', (_, exchange) => finished(exchange))
  on('undici:request:error', ({ error }, exchange) => failed(exchange, error))
}

// === Start ===

function watchModules() {
  const load = Module._load
  let http2Watched = false
  Module._load = function (request) {
    const loaded = load.apply(this, arguments)
    try {
      if (request === 'ioredis' || /[\\/]ioredis[\\/]built[\\/]index\.js$/.test(request)) {
        watchRedis(loaded)
      } else if ((request === 'http2' || request === 'node:http2') && !http2Watched) {
        http2Watched = true
        watchHttp2(loaded)
      }
    } catch (error) {
      fault(error)
    }
    return loaded
  }
}

if (process.env.CRS_TAP !== 'off' && !process[Symbol.for('crs.tap')]) {
  try {
    override(process, Symbol.for('crs.tap'), stats)
    watchServer(http.Server.prototype)
    watchServer(https.Server.prototype)
    watchClient(http.ClientRequest.prototype)
    watchModules()
  } catch (error) {
    fault(error)
  }
}

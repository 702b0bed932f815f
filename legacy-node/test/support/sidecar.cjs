'use strict'
// The sidecar's end of the tap's socket: reads frames, keeps them by traced request.

const fs = require('fs')
const net = require('net')
const { EventEmitter } = require('events')

class Sidecar extends EventEmitter {
  constructor(path) {
    super()
    this.path = path
    this.traces = new Map() // trace id -> record, of all connections
    this.hellos = []
    this.sockets = new Set()
    this.settings = null
    this.server = null
  }

  /** Listens; every tap that connects is sent these settings. */
  async listen(settings = { enabled: true, redis: true, upstream: true }) {
    this.settings = settings
    fs.rmSync(this.path, { force: true })
    this.server = net.createServer((socket) => this.accept(socket))
    await new Promise((resolve) => this.server.listen(this.path, resolve))
    return this
  }

  async close() {
    for (const socket of this.sockets) {
      socket.destroy()
    }
    if (this.server) {
      await new Promise((resolve) => this.server.close(resolve))
      this.server = null
    }
  }

  set(settings) {
    this.settings = settings
    for (const socket of this.sockets) {
      socket.write(frame('S', settings))
    }
  }

  accept(socket) {
    this.sockets.add(socket)
    const byNumber = new Map()
    let input = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('data', (data) => {
      input = Buffer.concat([input, data])
      while (input.length >= 4 && input.length >= 4 + input.readUInt32BE(0)) {
        const length = input.readUInt32BE(0)
        this.take(byNumber, String.fromCharCode(input[4]), input.subarray(5, 4 + length))
        input = input.subarray(4 + length)
      }
    })
    socket.write(frame('S', this.settings))
  }

  take(byNumber, type, payload) {
    if (type === 'H') {
      this.hellos.push(JSON.parse(payload))
      this.emit('hello')
      return
    }
    const number = payload.readUInt32BE(0)
    if (type === 'B') {
      const begin = JSON.parse(payload.subarray(4))
      const trace = { begin, commands: [], exchanges: [], order: '', quiet: 0 }
      byNumber.set(number, trace)
      this.traces.set(begin.id, trace)
    }
    const trace = byNumber.get(number)
    if (!trace) {
      throw new Error(`frame ${type} of the unknown request ${number}`)
    }
    trace.order += type
    const json = () => JSON.parse(payload.subarray(4))
    const sub = () => payload.readUInt32BE(4)
    const command = () => trace.commands[sub() - 1]
    const exchange = () => trace.exchanges[sub() - 1]
    const act = {
      B: () => {},
      R: () => {
        if (sub() !== trace.commands.length + 1) {
          throw new Error('commands are out of order')
        }
        const [value, rest] = parse(payload.subarray(16))
        if (rest.length) {
          throw new Error('bytes after a command')
        }
        trace.commands.push({ ms: payload.readDoubleBE(8), args: value.map(String), raw: value })
      },
      r: () => {
        const [value, rest] = parse(payload.subarray(8))
        if (rest.length || 'reply' in command()) {
          throw new Error('bytes after a reply, or a second one')
        }
        command().reply = plain(value)
        command().wire = payload.subarray(8).toString('latin1')
      },
      U: () => trace.exchanges.push({ ...JSON.parse(payload.subarray(8)), sent: [], got: [] }),
      u: () => exchange().sent.push(Buffer.from(payload.subarray(8))),
      V: () => (exchange().requested = true),
      A: () => Object.assign(exchange(), { answer: JSON.parse(payload.subarray(8)) }),
      a: () => exchange().got.push(Buffer.from(payload.subarray(8))),
      E: () => (exchange().end = JSON.parse(payload.subarray(8))),
      C: () => (trace.client = json()),
      Q: () => (trace.quiet += 1),
      X: () => (trace.spoiled = json().why)
    }[type]
    if (!act) {
      throw new Error(`a frame of the unknown type ${type}`)
    }
    act()
    this.emit('frame')
  }

  /** The record of a request once `ready` holds of it. */
  async trace(id, ready = (trace) => trace.quiet > 0) {
    return until(() => {
      const trace = this.traces.get(id)
      return trace && ready(trace) && trace
    }, `the record of ${id}`)
  }

  async hello(count = 1) {
    await until(() => this.hellos.length >= count && this.sockets.size > 0, 'the tap to connect')
    await new Promise((resolve) => setTimeout(resolve, 60)) // for its settings to arrive
  }
}

async function until(probe, what, ms = 8000) {
  const deadline = Date.now() + ms
  for (;;) {
    const value = await probe()
    if (value) {
      return value
    }
    if (Date.now() > deadline) {
      throw new Error(`waited in vain for ${what}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function frame(type, value) {
  const payload = Buffer.from(type + JSON.stringify(value))
  const head = Buffer.alloc(4)
  head.writeUInt32BE(payload.length)
  return Buffer.concat([head, payload])
}

/** One RESP2 value and what follows it. */
function parse(data) {
  const end = data.indexOf('\r\n')
  const line = data.toString('latin1', 1, end)
  let rest = data.subarray(end + 2)
  switch (String.fromCharCode(data[0])) {
    case '+':
      return [{ status: data.toString('utf8', 1, end) }, rest]
    case '-':
      return [{ error: data.toString('utf8', 1, end) }, rest]
    case ':':
      return [Number(line), rest]
    case '$': {
      const length = Number(line)
      if (length < 0) {
        return [null, rest]
      }
      if (rest.toString('latin1', length, length + 2) !== '\r\n') {
        throw new Error('a bulk string of the wrong length')
      }
      return [Buffer.from(rest.subarray(0, length)), rest.subarray(length + 2)]
    }
    case '*': {
      const items = []
      for (let i = 0; i < Number(line); i += 1) {
        const [item, after] = parse(rest)
        items.push(item)
        rest = after
      }
      return [items, rest]
    }
    default:
      throw new Error(`not RESP: ${data.toString('latin1', 0, 20)}`)
  }
}

function plain(value) {
  if (Buffer.isBuffer(value)) {
    return value.toString()
  }
  return Array.isArray(value) ? value.map(plain) : value
}

module.exports = { Sidecar, until }

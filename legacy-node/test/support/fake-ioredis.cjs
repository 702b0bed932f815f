'use strict'
// The parts of ioredis that the tap knows, over a map: commands with `initPromise`, `toWritable` and `transformReply`,
// replies as buffers. For tests that run without any installed package.

class Command {
  constructor(name, args) {
    this.name = name
    this.args = args.map(String)
    this.initPromise()
  }

  initPromise() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = (value) => resolve(this.transformReply(value))
      this.reject = reject
    })
  }

  transformReply(value) {
    return Buffer.isBuffer(value) ? value.toString() : value
  }

  toWritable() {
    const words = [this.name, ...this.args]
    return words.reduce(
      (text, word) => `${text}$${Buffer.byteLength(word)}\r\n${word}\r\n`,
      `*${words.length}\r\n`
    )
  }
}

class ReplyError extends Error {
  get name() {
    return 'ReplyError'
  }
}

class Redis {
  constructor() {
    this.data = new Map()
  }

  sendCommand(command) {
    command.toWritable()
    setTimeout(() => {
      const [key, value] = command.args
      if (command.name === 'set') {
        this.data.set(key, value)
        command.resolve(Buffer.from('OK'))
      } else if (command.name === 'get') {
        const found = this.data.get(key)
        command.resolve(found === undefined ? null : Buffer.from(found))
      } else if (command.name === 'slow') {
        command.resolve(null)
      } else if (command.name === 'odd') {
        command.resolve({ not: 'a reply' }) // what no Redis says
      } else {
        command.reject(new ReplyError(`ERR unknown command '${command.name}'`))
      }
    }, command.name === 'slow' ? 1000 : Math.random() * 4)
    return command.promise
  }

  set(...args) {
    return this.sendCommand(new Command('set', args))
  }

  get(...args) {
    return this.sendCommand(new Command('get', args))
  }

  call(name, ...args) {
    return this.sendCommand(new Command(name, args))
  }
}

Redis.Command = Command
module.exports = Redis

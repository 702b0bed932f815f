'use strict'
// Preload for a Node relay whose background work is looked at: `node --require ./jobs.cjs src/app.js`.
//
// Long intervals of the service's own files are kept back instead of started, so that its jobs run only
// when they are asked for. CRS_CONFORM_CONTROL names a loopback port; what is posted there runs to its end:
//
//   {"timer": "app.js", "ms": 60000}                    the callbacks that this file gave this interval
//   {"call": "services/x", "method": "f", "args": []}   a function of one of the service's modules
//   {"shift": 0}                                        the clock's distance from the real one, in ms
//
// CRS_CONFORM_SHIFT is the distance at the start. Timers of the runtime keep real time.

const http = require('http')
const path = require('path')

const KEPT_BACK_MS = 10000
const kept = []

let shift = Number(process.env.CRS_CONFORM_SHIFT || 0)
const RealDate = Date
class ShiftedDate extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + shift] : args))
  }

  static now() {
    return RealDate.now() + shift
  }
}
// Called without `new` it gives a text.
global.Date = new Proxy(ShiftedDate, { apply: () => new ShiftedDate().toString() })

const plainInterval = global.setInterval
global.setInterval = function setInterval(work, ms, ...args) {
  const own = `${process.cwd()}${path.sep}src${path.sep}`
  const line = new Error().stack.split('\n').find((text) => text.includes(own))
  if (!line || ms < KEPT_BACK_MS) {
    return plainInterval(work, ms, ...args)
  }
  kept.push({ file: path.basename(line.split(own)[1].split(':')[0]), ms, work })
  const timer = plainInterval(() => {}, 0x7fffffff)
  timer.unref()
  return timer
}

async function run(order) {
  if (order.shift !== undefined) {
    shift = order.shift
  }
  if (order.timer) {
    const found = kept.filter(({ file, ms }) => file === order.timer && ms === order.ms)
    for (const { work } of found) {
      await work()
    }
    return { ran: found.length }
  }
  if (order.call) {
    const owner = require(path.join(process.cwd(), 'src', order.call))
    return { gave: await owner[order.method](...(order.args || [])) }
  }
  return {}
}

const server = http.createServer((request, response) => {
  let text = ''
  request.on('data', (chunk) => (text += chunk))
  request.on('end', () => {
    run(JSON.parse(text)).then(
      (done) => response.end(JSON.stringify(done)),
      (error) => {
        response.statusCode = 500
        response.end(String(error && error.stack))
      }
    )
  })
})
if (process.env.CRS_CONFORM_CONTROL) {
  server.listen(Number(process.env.CRS_CONFORM_CONTROL), '127.0.0.1')
  server.unref()
}

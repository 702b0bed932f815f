'use strict'
// A service to watch. Without Redis (REDIS_PORT) it uses the stand-in for ioredis beside it.

const http = require('http')
const Module = require('module')
const path = require('path')

if (!process.env.REDIS_PORT) {
  const resolve = Module._resolveFilename
  Module._resolveFilename = function (request, ...rest) {
    return request === 'ioredis' ? path.join(__dirname, 'fake-ioredis.cjs') : resolve.call(this, request, ...rest)
  }
}
const Redis = require('ioredis')
const options = process.env.REDIS_PREFIX ? { keyPrefix: process.env.REDIS_PREFIX } : {}
const redis = new Redis(Number(process.env.REDIS_PORT || 0), '127.0.0.1', options)
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function read(stream) {
  return new Promise((resolve, reject) => {
    const chunks = []
    stream.on('data', (chunk) => chunks.push(chunk))
    stream.on('end', () => resolve(Buffer.concat(chunks)))
    stream.on('error', reject)
  })
}

/** Forwards as a relay does: the answer is passed on as it comes, listeners on plain events. */
function relay(req, res, url, payload) {
  const target = `http://127.0.0.1:${process.env.UPSTREAM_PORT}${url.searchParams.get('to')}`
  const headers = { 'X-First': '1', 'content-type': 'text/plain', 'User-Agent': 'test/1' }
  const up = http.request(target, { method: 'POST', headers, agent }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers)
    answer.on('data', (chunk) => res.write(chunk))
    answer.on('end', async () => {
      res.end()
      await redis.set(`after:${url.searchParams.get('id')}`, 'settled')
    })
    answer.on('error', () => res.destroy())
  })
  up.on('error', async (error) => {
    await redis.set(`failed:${url.searchParams.get('id')}`, error.code || 'none')
    if (!res.headersSent) {
      res.writeHead(502)
    }
    res.end()
  })
  res.on('close', async () => {
    await redis.set(`closed:${url.searchParams.get('id')}`, '1')
    up.destroy()
  })
  up.write(payload.subarray(0, 3).toString(), 'utf8')
  up.end(payload.subarray(3))
}

const routes = {
  '/stats': async (req, res) => {
    const stats = process[Symbol.for('crs.tap')] || {}
    global.gc()
    const { heapUsed, external } = process.memoryUsage()
    res.end(JSON.stringify({ ...stats, held: heapUsed + external }))
  },
  '/seen': async (req, res) => {
    const plain = { headers: req.headers, raw: req.rawHeaders, distinct: req.headersDistinct }
    res.end(JSON.stringify(plain))
  },
  // A few commands with waits between them, one of them after the answer.
  '/chain': async (req, res, url) => {
    const id = url.searchParams.get('id')
    await redis.set(`a:${id}`, id)
    await pause(Math.random() * 10)
    const value = await redis.get(`a:${id}`)
    await Promise.all([redis.set(`b:${id}`, 'ü'), redis.get(`none:${id}`)])
    await redis.call('nonsense', id).catch(() => {})
    setTimeout(() => redis.set(`late:${id}`, id), 30)
    res.end(value)
  },
  // Open for longer than the tap rests after, then a command that takes as long again.
  '/held': async (req, res) => {
    await pause(1000)
    const slow = redis.call('slow', 'x')
    res.end('held')
    await slow
    await redis.set('after', 'slow')
  },
  '/relay': async (req, res, url) => relay(req, res, url, await read(req)),
  '/big': async (req, res, url) => {
    await redis.set('big', 'x'.repeat(Number(url.searchParams.get('size'))))
    res.end('done')
  },
  '/fault': async (req, res, url) => {
    const up = http.request(`http://127.0.0.1:${process.env.UPSTREAM_PORT}/echo`, { method: 'POST' })
    const broken = {
      get proxy() {
        throw new Error('no proxy for you')
      }
    }
    up.agent = url.searchParams.get('kind') === 'agent' ? broken : up.agent
    up.on('response', async (answer) => {
      const body = await read(answer)
      const odd = await redis.call('odd', 'x').catch(() => 'failed')
      res.end(`${answer.statusCode} ${body} ${typeof odd}`)
    })
    up.end('payload')
  },
  '/crash': async () => {
    setImmediate(() => {
      throw new Error('the service itself fails')
    })
  },
  '/quit': async (req, res) => {
    res.end('bye', () => {
      server.close()
      server.closeAllConnections()
      agent.destroy()
      process.disconnect()
      if (redis.quit) {
        redis.quit()
      }
    })
  }
}

const extra = process.env.ROUTES && require(process.env.ROUTES)
if (extra) {
  Object.assign(routes, extra({ redis, Redis, http, read, pause }))
}

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://localhost')
  const route = routes[url.pathname]
  if (!route) {
    res.writeHead(404).end('nothing here')
    return
  }
  route(req, res, url).catch((error) => {
    res.writeHead(500).end(String(error))
  })
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))

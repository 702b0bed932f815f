'use strict'
// Routes for the test service that use installed packages or newer Node interfaces.

const http2 = require('http2')

module.exports = ({ redis, Redis, read }) => {
  const upstream = () => `http://127.0.0.1:${process.env.UPSTREAM_PORT}`
  redis.defineCommand &&
    redis.defineCommand('bump', {
      numberOfKeys: 1,
      lua: "redis.call('INCRBY', KEYS[1], ARGV[1]) return {redis.call('GET', KEYS[1]), 7, false}"
    })
  return {
    '/replies': async (req, res) => {
      await redis.hset('h', { a: 1, b: 'zwei' })
      const hash = await redis.hgetall('h')
      const piped = await redis.pipeline().incr('n').get('none').lpush('h', 'x').getBuffer('h2').exec()
      const multi = await redis.multi().set('m', 'v').get('m').incrbyfloat('f', 1.5).exec()
      const evaluated = await redis.eval("return {1, 'two', {3, redis.call('PING')}}", 0)
      const bumped = [await redis.bump('k', 5), await redis.bump('k', 2)]
      await redis.set('bin', Buffer.from([0, 255, 13, 10]))
      const binary = await redis.getBuffer('bin')
      await redis.set('m', 'w', 'EX', 100)
      const scanned = await redis.scan('0', 'MATCH', '*nothing*')
      const other = redis.duplicate()
      await other.get('m')
      other.disconnect()
      await redis.script('FLUSH')
      bumped.push(await redis.bump('k', 1))
      const plain = piped.map(([error, value]) => (error ? error.message : value))
      res.end(JSON.stringify({ hash, plain, multi, evaluated, bumped, binary: [...binary], found: scanned[1] }))
    },
    '/shared': async (req, res, url) => {
      const id = url.searchParams.get('id')
      await Promise.all([redis.auto.set(`s:${id}`, id), redis.auto.get(`s:${id}`)])
      res.end(id)
    },
    '/cut': async (req, res) => {
      const other = redis.duplicate()
      await other.ping()
      const lost = other.blpop('nothing', 0).catch((error) => error.message)
      setTimeout(() => other.disconnect(), 20)
      res.end(await lost)
    },
    '/axios': async (req, res) => {
      const axios = require('axios')
      const data = { text: 'über', n: [1, 2] }
      const client = axios.create({ validateStatus: () => true, headers: { 'X-Api-Key': 'k' } })
      const json = await client.post(`${upstream()}/echo`, data)
      const zipped = await client.post(`${upstream()}/gzip`, 'plain')
      const stream = await client.post(`${upstream()}/sse`, data, { responseType: 'stream' })
      const streamed = await read(stream.data)
      const late = await client.post(`${upstream()}/hang`, data, { timeout: 60 }).catch(() => 'failed')
      res.end(JSON.stringify([json.data, zipped.data.text.length, streamed.length, late]))
    },
    '/proxied': async (req, res) => {
      const { HttpsProxyAgent } = require('https-proxy-agent')
      const https = require('https')
      const agent = new HttpsProxyAgent(`http://user:secret@127.0.0.1:${process.env.PROXY_PORT}`)
      const options = { method: 'POST', agent, rejectUnauthorized: false }
      const request = https.request('https://vendor.test:8443/v1/x?y=1', options, async (answer) => {
        res.end(await read(answer))
      })
      request.end('through the tunnel')
    },
    '/fetch': async (req, res) => {
      const answer = await fetch(`${upstream()}/gzip`, {
        method: 'POST',
        headers: { 'X-Api-Key': 'k' },
        body: 'fetched'
      })
      const { text } = await answer.json()
      await redis.set('fetched', String(text.length))
      const bare = await fetch(`${upstream()}/other`)
      res.end(`${text.length} ${await bare.text()}`)
    },
    '/http2': async (req, res) => {
      const session = http2.connect(`http://127.0.0.1:${process.env.HTTP2_PORT}`)
      const stream = session.request({ ':method': 'POST', ':path': '/model/x', 'x-amz-date': 'now' })
      stream.on('response', (headers) => res.setHeader('x-status', headers[':status']))
      stream.write('one ')
      stream.end('two')
      const body = await read(stream)
      session.close()
      await redis.set('second', 'h2')
      res.end(body)
    },
    ...(Redis && process.env.REDIS_PORT && autopipelined(redis, Redis))
  }
}

function autopipelined(redis, Redis) {
  redis.auto = new Redis(Number(process.env.REDIS_PORT), '127.0.0.1', {
    enableAutoPipelining: true,
    keyPrefix: process.env.REDIS_PREFIX
  })
  return {}
}

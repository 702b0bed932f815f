'use strict'
// The same accounts, keys and requests for any service on this schema, and what they left in Redis.

const crypto = require('crypto')
const http = require('http')
const seed = require('../seed.cjs')
const { Vault } = require('../vault.cjs')

const ENCRYPTION_KEY = '0123456789abcdef0123456789abcdef'
const [FIRST, SECOND] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']
const KEY = '33333333-3333-4333-8333-333333333333'
const API_KEY = `cr_${'ab'.repeat(32)}`
const SESSION = '44444444-4444-4444-8444-444444444444'
const CLIENT = {
  'content-type': 'application/json',
  accept: 'application/json',
  'anthropic-version': '2023-06-01',
  'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14,own-beta',
  'anthropic-dangerous-direct-browser-access': 'true',
  'user-agent': 'claude-cli/2.0.14 (external, cli)',
  'x-app': 'cli',
  'x-stainless-retry-count': '0',
  'x-stainless-timeout': '600',
  'x-stainless-lang': 'js',
  'x-stainless-package-version': '0.60.0',
  'x-stainless-os': 'Linux',
  'x-stainless-arch': 'x64',
  'x-stainless-runtime': 'node',
  'x-stainless-runtime-version': 'v22.11.0'
}

async function prepare(redis, fields) {
  const vault = new Vault(ENCRYPTION_KEY)
  const pipeline = redis.pipeline()
  const times = Date.now() - 1000
  seed.account(pipeline, vault, { id: FIRST, name: 'first', token: 'token-of-first' }, times)
  seed.account(pipeline, vault, { id: SECOND, name: 'second', token: 'token-of-second' }, times + 1)
  seed.apiKey(pipeline, vault, { id: KEY, plain: API_KEY, fields })
  await pipeline.exec()
}

/** A request of Claude Code. */
function body({ stream = false, session = SESSION, ...rest } = {}) {
  return {
    model: 'claude-sonnet-4-20250514',
    max_tokens: 1024,
    system: [
      {
        type: 'text',
        text: "You are Claude Code, Anthropic's official CLI for Claude.",
        cache_control: { type: 'ephemeral' }
      }
    ],
    messages: [{ role: 'user', content: 'hi' }],
    metadata: { user_id: `user_${'0a'.repeat(32)}_account__session_${session}` },
    ...(stream && { stream }),
    ...rest
  }
}

function ask(port, { path = '/api/v1/messages', method = 'POST', key = API_KEY, headers, value = body() } = {}) {
  return new Promise((resolve, reject) => {
    const all = { ...CLIENT, ...(key && { 'x-api-key': key }), ...headers }
    const request = http.request({ port, host: '127.0.0.1', path, method, headers: all }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks).toString()
        })
      )
    })
    request.on('error', reject)
    request.end(method === 'GET' ? undefined : JSON.stringify(value))
  })
}

const readers = {
  string: (redis, key) => redis.get(key),
  hash: (redis, key) => redis.hgetall(key),
  set: (redis, key) => redis.smembers(key).then((members) => members.sort()),
  zset: (redis, key) => redis.zrange(key, 0, -1, 'WITHSCORES'),
  list: (redis, key) => redis.lrange(key, 0, -1),
  stream: (redis, key) => redis.xrange(key, '-', '+')
}

/** Every key with its lifetime in seconds (-1: none). */
async function dump(redis) {
  const all = {}
  for (const key of (await redis.keys('*')).sort()) {
    const type = await redis.type(key)
    all[key] = { value: await readers[type](redis, key), ttl: await redis.ttl(key) }
  }
  return all
}

/** The same with clocks, ids and ciphertexts blanked, so that two runs can be compared. */
function blanked(all) {
  for (const { value } of Object.values(all)) {
    if (value.sessionWindowEnd) {
      const hours = (Date.parse(value.sessionWindowEnd) - Date.parse(value.sessionWindowStart)) / 36e5
      value.sessionWindowEnd = `start + ${hours} h`
    }
  }
  const text = JSON.stringify(all)
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
    .replace(/\b17\d{11}-[a-z0-9]{6,10}\b/g, '<event>')
    .replace(/\b17\d{11}(-\d+)?\b/g, '<ms>')
    .replace(/[0-9a-f]{32}:[0-9a-f]{32,}/g, '<secret>')
    .replace(/(\\"requestId\\":\\")[^"\\]+/g, '$1<id>')
    .replace(/(\\"durationMs\\":)\d+/g, '$1<ms>')
  const value = JSON.parse(text)
  for (const [key, entry] of Object.entries(value)) {
    if (key.startsWith('system:metrics:minute:')) {
      delete value[key] // which minute a request falls into is chance
    }
    entry.ttl = entry.ttl < 0 ? entry.ttl : Math.ceil(entry.ttl / 60)
  }
  return value
}

const sha = (text) => crypto.createHash('sha256').update(text).digest('hex')

module.exports = { ENCRYPTION_KEY, FIRST, SECOND, KEY, API_KEY, SESSION, CLIENT, prepare, body, ask, dump, blanked, sha }

'use strict'
// A small service that keeps the legacy service's Redis schema for Claude Code traffic on official
// accounts. For demonstrations and tests of a comparison: it can be told to misbehave (faults.cjs).

const crypto = require('crypto')
const express = require('express')
const Redis = require('ioredis')
const { Accounts, sessionOf } = require('./accounts.cjs')
const bedrock = require('./bedrock.cjs')
const { parse } = require('./faults.cjs')
const { isOver, refresh } = require('./refresh.cjs')
const { settle } = require('./settle.cjs')
const { trouble } = require('./trouble.cjs')
const { VendorAgent, send, stainless } = require('./upstream.cjs')
const { Vault } = require('./vault.cjs')
const { capture } = require('./capture.cjs')
const { passLines, reportedUsage } = require('./stream.cjs')

const STANDING = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'Referrer-Policy': 'strict-origin-when-cross-origin',
  'Strict-Transport-Security': 'max-age=15552000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '1; mode=block',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers':
    'Origin, X-Requested-With, Content-Type, Accept, Authorization, x-api-key, x-goog-api-key, ' +
    'api-key, x-admin-token, anthropic-version, anthropic-dangerous-direct-browser-access',
  'Access-Control-Expose-Headers': 'X-Request-ID, Content-Type',
  'Access-Control-Max-Age': '86400',
  'Access-Control-Allow-Credentials': 'true',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  Expires: '0'
}
const LEASE_MS = 300000
const WINDOW_STATUSES = new Set(['allowed', 'allowed_warning', 'rejected'])
const UNHANDLED = new Set(['content-encoding', 'transfer-encoding', 'content-length'])

function create(env = process.env) {
  const redis = new Redis({
    host: env.REDIS_HOST || '127.0.0.1',
    port: Number(env.REDIS_PORT || 6379),
    password: env.REDIS_PASSWORD || undefined,
    db: Number(env.REDIS_DB || 0)
  })
  const vault = new Vault(env.ENCRYPTION_KEY)
  const service = {
    redis,
    vault,
    accounts: new Accounts(redis, vault),
    agent: new VendorAgent(env.UPSTREAM),
    prefix: env.API_KEY_PREFIX || 'cr_'
  }
  const app = express()
  app.disable('x-powered-by')
  app.use((req, res, next) => {
    try {
      req.faults = parse(env.STANDIN_FAULTS, req.get('x-standin-fault'))
    } catch (error) {
      res.status(400).json({ error: error.message })
      return
    }
    req.id = Math.random().toString(36).slice(2, 15)
    req.begun = Date.now()
    res.set(STANDING)
    res.set('X-Request-ID', req.id)
    res.vary('Accept-Encoding')
    if (req.faults.has('header-missing')) {
      res.removeHeader('Strict-Transport-Security')
    }
    if (req.faults.has('header-changed')) {
      res.set('Cache-Control', 'public, max-age=60')
    }
    next()
  })
  app.get('/health', (req, res) => {
    res.json({ status: 'healthy', service: 'claude-relay-service', version: 'standin', redis: redis.status })
  })
  app.use(express.json({ limit: '100mb' }))
  app.post(['/api/v1/messages', '/claude/v1/messages'], (req, res) => {
    messages(service, req, res).catch((error) => {
      if (res.headersSent) {
        res.end()
      } else {
        const timestamp = new Date().toISOString()
        res.status(500).json({ error: 'Relay service error', message: error.message, timestamp })
      }
    })
  })
  app.post(['/api/v1/messages/count_tokens', '/claude/v1/messages/count_tokens'], (req, res) => {
    countTokens(service, req, res).catch(() => {
      res.status(500).json({ error: { type: 'server_error', message: 'Failed to count tokens' } })
    })
  })
  app.use((req, res) => {
    const timestamp = new Date().toISOString()
    const message = `Route ${req.originalUrl} not found`
    res.status(404).json({ error: 'Not Found', message, timestamp })
  })
  return { app, ...service }
}

/** The key's record, or null after a refusal was sent. */
async function admit({ redis, vault, prefix }, req, res) {
  const bearer = /^Bearer (.+)$/i.exec(req.get('authorization') || '')
  const key = req.get('x-api-key') || req.get('x-goog-api-key') || (bearer && bearer[1])
  const refuse = (error, message) => {
    const status = req.faults.has('error-status') ? 403 : 401
    res.status(status).json({ error, message: req.faults.has('error-body') ? 'Go away' : message })
    return null
  }
  if (!key) {
    return refuse(
      'Missing API key',
      'Please provide an API key in the x-api-key, x-goog-api-key, or Authorization header'
    )
  }
  if (key.length < 10 || key.length > 512) {
    return refuse('Invalid API key format', 'API key format is invalid')
  }
  if (!key.startsWith(prefix)) {
    return refuse('Invalid API key', 'Invalid API key format')
  }
  const id = await redis.hget('apikey:hash_map', vault.hash(key))
  const record = id ? await redis.hgetall(`apikey:${id}`) : {}
  if (!record.id) {
    return refuse('Invalid API key', 'API key not found')
  }
  return record.isActive === 'true' ? record : refuse('Invalid API key', 'API key is disabled')
}

/** Takes a slot of the key; returns how to give it back, or null when there is none left. */
async function takeSlot({ redis }, key, faults) {
  const limit = parseInt(key.concurrencyLimit, 10) || 0
  if (limit <= 0) {
    return () => {}
  }
  const [slots, member, now] = [`concurrency:${key.id}`, crypto.randomUUID(), Date.now()]
  const taken = await redis
    .multi()
    .zremrangebyscore(slots, '-inf', now)
    .zadd(slots, now + LEASE_MS, member)
    .pexpire(slots, LEASE_MS + 30000)
    .zcard(slots)
    .exec()
  const give = () => {
    if (!faults.has('slot-stale')) {
      redis.zrem(slots, member).catch(() => {}) // the lease ends by itself
    }
  }
  if (taken[3][1] > limit) {
    await redis.zrem(slots, member)
    return null
  }
  return give
}

async function messages(service, req, res) {
  const key = await admit(service, req, res)
  if (!key) {
    return
  }
  const give = await takeSlot(service, key, req.faults)
  if (!give) {
    const error = 'Concurrency limit exceeded'
    const message = `Too many concurrent requests. Limit: ${key.concurrencyLimit} concurrent requests`
    res.status(429).json({ error, message, concurrencyLimit: Number(key.concurrencyLimit) })
    return
  }
  res.once('close', give)
  const { body } = req
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    const message = Array.isArray(body.messages)
      ? 'Messages array cannot be empty'
      : 'Missing or invalid field: messages (must be an array)'
    res.status(400).json({ error: 'Invalid request', message })
    return
  }
  const own = await bedrock.bound(service, key)
  if (own) {
    await bedrock.serve(service, { key, account: own }, req, res)
    return
  }
  const account = await service.accounts.choose(key, sessionOf(body), req.faults)
  if (!account) {
    throw new Error(`No available Claude accounts support the requested model: ${body.model}`)
  }
  const token = await tokenOf(service, account, req.faults)
  await remember(service, account, req)
  await forward(service, { key, account, token }, req, res)
}

/** Counts tokens: an account as for a message, but no slot and nothing booked. */
async function countTokens(service, req, res) {
  const key = await admit(service, req, res)
  if (!key) {
    return
  }
  const account = await service.accounts.choose(key, sessionOf(req.body), req.faults)
  if (!account) {
    throw new Error('No available Claude accounts')
  }
  const token = await tokenOf(service, account, req.faults)
  await remember(service, account, req)
  await new Promise((resolve, reject) => {
    const answer = async (response) => {
      try {
        const body = await collected(response)
        passHead(response, res)
        res.status(response.statusCode).json(JSON.parse(body.toString()))
        if (response.statusCode === 200) {
          await succeeded(service, account, req, response)
        }
        resolve()
      } catch (error) {
        reject(error)
      }
    }
    const call = { clientHeaders: req.headers, client: req.body, account, token, faults: req.faults }
    const request = send(service.agent, { ...call, path: '/v1/messages/count_tokens' }, answer, reject)
    res.once('close', () => request.destroy())
  })
}

/** The account's access token, refreshed when it is over. */
function tokenOf(service, account, faults) {
  return isOver(account, Date.now()) ? refresh(service, account) : service.accounts.token(account, faults)
}

/** What the client's SDK says of itself is kept once per account. */
async function remember({ redis }, account, req) {
  const found = stainless(req.headers)
  if (Object.keys(found).length >= 4) {
    await redis.set(`fmt_claude_req:stainless_headers:${account.id}`, JSON.stringify(found), 'NX')
  }
}

async function collected(stream) {
  const chunks = []
  for await (const chunk of stream) {
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The vendor's headers, but for those of its transport. */
function passHead(response, res) {
  for (const [name, value] of Object.entries(response.headers)) {
    if (!UNHANDLED.has(name)) {
      res.set(name, value)
    }
  }
}

/** An answer without fault tells how full the account's window is, and ends its counts of errors. */
async function succeeded({ redis }, account, req, response) {
  const status = response.headers['anthropic-ratelimit-unified-5h-status']
  if (WINDOW_STATUSES.has(status)) {
    const fields = { sessionWindowStatus: status, sessionWindowStatusUpdatedAt: new Date().toISOString() }
    await redis.hset(`claude:account:${account.id}`, fields)
  }
  await redis.del(`claude_account:${account.id}:401_errors`)
  await redis.del(`claude_account:${account.id}:5xx_errors`)
  await capture(redis, account.id, req.headers)
}

function forward(service, { key, account, token }, req, res) {
  const { faults, body } = req
  const stream = body.stream === true
  const book = (model, usage) => {
    const call = {
      key,
      usage,
      stream,
      accountId: account.id,
      model: model || body.model,
      requestId: req.id,
      endpoint: req.originalUrl.split('?')[0],
      method: req.method,
      begun: req.begun
    }
    return settle(service.redis, call, faults)
  }
  return new Promise((resolve, reject) => {
    const answer = async (response) => {
      try {
        const status = response.statusCode
        const good = status === 200 || status === 201
        if (!good) {
          await trouble(service.redis, { account, session: sessionOf(body), status })
        }
        await (stream ? streamed : whole)(response, good)
        resolve()
      } catch (error) {
        reject(error)
      }
    }
    const streamed = async (response, good) => {
      res.status(faults.has('status-changed') ? 203 : 200)
      res.removeHeader('Vary')
      res.setHeader('Content-Type', 'text/event-stream') // express would name a charset
      res.setHeader('Cache-Control', faults.has('header-changed') ? 'private' : 'no-cache')
      res.setHeader('Connection', 'keep-alive')
      res.setHeader('X-Accel-Buffering', 'no')
      if (!good) {
        const details = (await collected(response)).toString()
        const timestamp = new Date().toISOString()
        const error = { error: 'Claude API error', status: response.statusCode, details, timestamp }
        res.write(`event: error\ndata: ${JSON.stringify(error)}\n\n`)
        res.end()
        return
      }
      const seen = await passLines(response, res, faults)
      if (seen.complete) {
        await succeeded(service, account, req, response)
        await (seen.usage && book(seen.model, seen.usage))
      }
    }
    const whole = async (response, good) => {
      const body = await collected(response)
      passHead(response, res)
      const value = JSON.parse(body.toString())
      const shown = reportedUsage(value, faults)
      res.status(good && faults.has('status-changed') ? 203 : response.statusCode).json(shown)
      if (good) {
        await succeeded(service, account, req, response)
        await (value.usage && book(value.model, value.usage))
      }
    }
    const call = { clientHeaders: req.headers, client: body, account, token, faults }
    const request = send(service.agent, call, answer, reject)
    res.once('close', () => request.destroy())
  })
}

if (require.main === module) {
  const { app } = create()
  const server = app.listen(Number(process.env.PORT || 3000), process.env.HOST || '127.0.0.1', () => {
    console.log(`stand-in listens on ${server.address().address}:${server.address().port}`)
  })
  server.keepAliveTimeout = 605000
  process.once('SIGTERM', () => process.exit(0))
}

module.exports = { create }

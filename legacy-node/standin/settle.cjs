'use strict'
// What one request leaves in Redis: counters, costs, indexes, the usage record, the billing event.
// Keys, fields, amounts and lifetimes are those of the legacy service.

const { parts, period } = require('./clock.cjs')
const { cost } = require('./prices.cjs')

const DAY = 24 * 60 * 60

/** Token counts of a `usage` object as the vendor reports it. */
function counts(reported) {
  const split = reported.cache_creation
  const ephemeral5m = split ? split.ephemeral_5m_input_tokens || 0 : 0
  const ephemeral1h = split ? split.ephemeral_1h_input_tokens || 0 : 0
  return {
    input: reported.input_tokens || 0,
    output: reported.output_tokens || 0,
    cacheCreate: split ? ephemeral5m + ephemeral1h : reported.cache_creation_input_tokens || 0,
    cacheRead: reported.cache_read_input_tokens || 0,
    ephemeral5m,
    ephemeral1h
  }
}

function fields(usage, all) {
  return {
    inputTokens: usage.input,
    outputTokens: usage.output,
    cacheCreateTokens: usage.cacheCreate,
    cacheReadTokens: usage.cacheRead,
    ephemeral5mTokens: usage.ephemeral5m,
    ephemeral1hTokens: usage.ephemeral1h,
    requests: 1,
    allTokens: all
  }
}

function totals(usage, all) {
  return {
    totalTokens: usage.input + usage.output,
    totalInputTokens: usage.input,
    totalOutputTokens: usage.output,
    totalCacheCreateTokens: usage.cacheCreate,
    totalCacheReadTokens: usage.cacheRead,
    totalAllTokens: all,
    totalEphemeral5mTokens: usage.ephemeral5m,
    totalEphemeral1hTokens: usage.ephemeral1h,
    totalRequests: 1
  }
}

const without = ({ allTokens: _, ...rest }) => rest

/** Books `call` (key, accountId, model, usage as reported, and where it came from). */
async function settle(redis, call, faults, now = Date.now()) {
  const usage = counts(call.usage)
  const all = usage.input + usage.output + usage.cacheCreate + usage.cacheRead
  const costs = cost(call.model, usage)
  const factor = faults.has('cost-wrong') ? 2 : 1
  const dollars = costs ? costs.total * factor : 0
  const pipeline = redis.pipeline()
  const add = (key, amounts, ttl) => {
    if (key === 'usage:global:total' && faults.has('increment-missing')) {
      return
    }
    for (const [field, amount] of Object.entries(amounts)) {
      pipeline.hincrby(key, field, amount)
    }
    if (ttl) {
      pipeline.expire(key, ttl)
    }
  }
  if (!faults.has('usage-skipped')) {
    counters(pipeline, add, call, usage, all, dollars, faults, now)
    amounts(pipeline, call, dollars, now)
    await keyUsed(pipeline, call, faults, now)
    accountCounters(pipeline, add, call, usage, all, now)
    entries(pipeline, call, usage, all, costs, dollars, faults, now)
  }
  if (faults.has('key-extra')) {
    pipeline.set(`usage:standin:${call.key.id}`, '1', 'EX', DAY)
  }
  await pipeline.exec()
}

function counters(pipeline, add, call, usage, all, dollars, faults, now) {
  const { day, month, hour } = parts(now)
  const k = call.key.id
  const m = faults.has('model-wrong') ? `${call.model}-standin` : call.model
  const one = fields(usage, all)
  const keyed = { tokens: usage.input + usage.output, ...one }
  const micro = Math.round(dollars * 1e6)
  const priced = micro > 0 ? { realCostMicro: micro, ratedCostMicro: micro } : {}
  const hourly = faults.has('ttl-missing') ? 0 : 7 * DAY
  add(`usage:${k}`, totals(usage, all))
  add(`usage:daily:${k}:${day}`, keyed, (faults.has('ttl-off') ? 31 : 32) * DAY)
  if (faults.has('increment-double')) {
    add(`usage:daily:${k}:${day}`, keyed)
  }
  add(`usage:monthly:${k}:${month}`, keyed, 365 * DAY)
  add(`usage:hourly:${k}:${hour}`, keyed, hourly)
  add(`usage:model:daily:${m}:${day}`, one, 32 * DAY)
  add(`usage:model:monthly:${m}:${month}`, one, 365 * DAY)
  add(`usage:model:hourly:${m}:${hour}`, one, 7 * DAY)
  add(`usage:${k}:model:daily:${m}:${day}`, { ...one, ...priced }, 32 * DAY)
  add(`usage:${k}:model:monthly:${m}:${month}`, { ...one, ...priced }, 365 * DAY)
  add(`usage:${k}:model:hourly:${m}:${hour}`, { ...one, ...priced }, 7 * DAY)
  add(`usage:${k}:model:alltime:${m}`, { ...without(one), ...priced })
  const minute = {
    requests: 1,
    totalTokens: all,
    inputTokens: usage.input,
    outputTokens: usage.output,
    cacheCreateTokens: usage.cacheCreate,
    cacheReadTokens: usage.cacheRead
  }
  add(`system:metrics:minute:${Math.floor(now / 60000)}`, minute, 600)
  add('usage:global:total', one)
  add(`usage:global:daily:${day}`, one, 32 * DAY)
  add(`usage:global:monthly:${month}`, one, 365 * DAY)
  const indexes = [
    [`usage:daily:index:${day}`, k, 32 * DAY],
    [`usage:hourly:index:${hour}`, k, 7 * DAY],
    [`usage:model:daily:index:${day}`, m, 32 * DAY],
    [`usage:model:hourly:index:${hour}`, m, 7 * DAY],
    [`usage:model:monthly:index:${month}`, m, 365 * DAY],
    [`usage:keymodel:daily:index:${day}`, `${k}:${m}`, 32 * DAY],
    [`usage:keymodel:hourly:index:${hour}`, `${k}:${m}`, 7 * DAY]
  ]
  for (const [key, member, ttl] of indexes) {
    index(pipeline, key, member, ttl, faults)
  }
  pipeline.sadd('usage:model:monthly:months', month)
}

/** Adds to an index; its marker of emptiness must go, or the service keeps hiding what is in it. */
function index(pipeline, key, member, ttl, faults) {
  if (key.startsWith('usage:keymodel:daily:') && faults.has('index-missing')) {
    return
  }
  pipeline.sadd(key, member)
  if (key.startsWith('usage:daily:index:') && faults.has('empty-marker')) {
    pipeline.set(`${key}:empty`, '1', 'EX', 3600)
  } else {
    pipeline.del(`${key}:empty`)
  }
  pipeline.expire(key, ttl)
}

function amounts(pipeline, call, dollars, now) {
  if (dollars <= 0) {
    return
  }
  const { day, month, hour } = parts(now)
  const k = call.key.id
  const week = period(now, Number(call.key.weeklyResetDay) || 1, Number(call.key.weeklyResetHour) || 0)
  const booked = [
    [`usage:cost:daily:${k}:${day}`, 30 * DAY],
    [`usage:cost:monthly:${k}:${month}`, 90 * DAY],
    [`usage:cost:hourly:${k}:${hour}`, 7 * DAY],
    [`usage:cost:total:${k}`],
    [`usage:cost:real:total:${k}`],
    [`usage:cost:real:daily:${k}:${day}`, 30 * DAY],
    [`usage:opus:weekly:${k}:${week}`, 14 * DAY],
    [`usage:opus:total:${k}`],
    [`usage:opus:real:weekly:${k}:${week}`, 14 * DAY],
    [`usage:opus:real:total:${k}`]
  ]
  // The week's limit counts no Bedrock accounts.
  const counted = ([key]) => call.accountType !== 'bedrock' || !key.startsWith('usage:opus:')
  for (const [key, ttl] of booked.filter(counted)) {
    pipeline.incrbyfloat(key, dollars)
    if (ttl) {
      pipeline.expire(key, ttl)
    }
  }
}

async function keyUsed(pipeline, call, faults, now) {
  const key = `apikey:${call.key.id}`
  if (!faults.has('last-used-missing')) {
    pipeline.hset(key, 'lastUsedAt', new Date(now).toISOString())
  }
  pipeline.expire(key, 365 * DAY)
  pipeline.zadd('apikey:idx:lastUsedAt', now, call.key.id)
}

function accountCounters(pipeline, add, call, usage, all, now) {
  const { day, month, hour } = parts(now)
  const { accountId: a, model: m } = call
  const one = fields(usage, all)
  const keyed = { tokens: usage.input + usage.output, ...one }
  const perModel = Object.fromEntries(Object.entries(one).map(([name, n]) => [`model:${m}:${name}`, n]))
  add(`account_usage:${a}`, totals(usage, all))
  add(`account_usage:daily:${a}:${day}`, keyed, 32 * DAY)
  add(`account_usage:monthly:${a}:${month}`, keyed, 365 * DAY)
  add(`account_usage:hourly:${a}:${hour}`, { ...keyed, ...perModel }, 7 * DAY)
  add(`account_usage:model:daily:${a}:${m}:${day}`, one, 32 * DAY)
  add(`account_usage:model:monthly:${a}:${m}:${month}`, one, 365 * DAY)
  add(`account_usage:model:hourly:${a}:${m}:${hour}`, one, 7 * DAY)
  const indexes = [
    [`account_usage:hourly:index:${hour}`, a, 7 * DAY],
    [`account_usage:model:hourly:index:${hour}`, `${a}:${m}`, 7 * DAY],
    [`account_usage:daily:index:${day}`, a, 32 * DAY],
    [`account_usage:model:daily:index:${day}`, `${a}:${m}`, 32 * DAY]
  ]
  for (const [key, member, ttl] of indexes) {
    index(pipeline, key, member, ttl, new Set())
  }
}

const sixDecimals = (value) => Number(value.toFixed(6))

function entries(pipeline, call, usage, all, costs, dollars, faults, now) {
  const timestamp = new Date(now).toISOString()
  const { total: _, ...parts } = costs || { total: 0 }
  const record = {
    timestamp,
    model: call.model,
    accountId: call.accountId,
    accountType: call.accountType || 'claude-official',
    requestId: call.requestId,
    endpoint: faults.has('record-altered') ? '/standin' : call.endpoint,
    method: call.method,
    statusCode: 200,
    stream: call.stream,
    durationMs: now - call.begun,
    inputTokens: usage.input,
    outputTokens: usage.output,
    cacheCreateTokens: usage.cacheCreate,
    cacheReadTokens: usage.cacheRead,
    ephemeral5mTokens: usage.ephemeral5m,
    ephemeral1hTokens: usage.ephemeral1h,
    totalTokens: all,
    cost: sixDecimals(dollars),
    realCost: sixDecimals(dollars),
    costBreakdown: costs,
    realCostBreakdown: costs,
    pricingSource: 'dynamic',
    usedFallbackPricing: false,
    isLongContext: false
  }
  const records = `usage:records:${call.key.id}`
  pipeline.lpush(records, JSON.stringify(record)).ltrim(records, 0, 199).expire(records, 90 * DAY)
  if (faults.has('event-missing')) {
    return
  }
  const event = {
    eventId: `${now}-${Math.random().toString(36).slice(2, 11)}`,
    eventType: 'usage.recorded',
    timestamp,
    version: '1.0',
    apiKey: { id: call.key.id, name: call.key.name, userId: call.key.userId || null },
    usage: {
      model: call.model,
      inputTokens: usage.input,
      outputTokens: usage.output,
      cacheCreateTokens: usage.cacheCreate,
      cacheReadTokens: usage.cacheRead,
      ephemeral5mTokens: usage.ephemeral5m,
      ephemeral1hTokens: usage.ephemeral1h,
      totalTokens: all
    },
    cost: { total: dollars, currency: 'USD', breakdown: parts },
    account: { id: call.accountId, type: call.accountType || 'claude-official' },
    context: { isLongContext: false, requestTimestamp: timestamp }
  }
  pipeline.xadd('billing:events', 'MAXLEN', '~', 100000, '*', 'data', JSON.stringify(event))
}

module.exports = { settle }

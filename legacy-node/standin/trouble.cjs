'use strict'
// What an upstream error does to an account: counted, cooled down, remembered, and its session let go.

const { TYPE } = require('./accounts.cjs')

const COUNTED_SECONDS = 300
const HISTORY = 5000
const HISTORY_SECONDS = 3 * 24 * 60 * 60

/** Name of the cooldown and its seconds; null when the status does not cool down. */
function cooldown(status) {
  if (status === 529) {
    return ['overload', 600]
  }
  if (status === 503) {
    return ['service_unavailable', 60]
  }
  if (status === 504) {
    return ['timeout', 300]
  }
  return status === 401 ? ['auth_error', 1800] : status >= 500 ? ['server_error', 300] : null
}

async function trouble(redis, { account, session, status }, now = Date.now()) {
  const found = cooldown(status)
  if (!found) {
    return
  }
  const [errorType, seconds] = found
  const time = new Date(now).toISOString()
  const counter = { 401: '401_errors', 529: null }[status]
  const counted = counter === undefined ? '5xx_errors' : counter
  if (counted) {
    const key = `claude_account:${account.id}:${counted}`
    await redis.incr(key)
    await redis.expire(key, COUNTED_SECONDS)
  }
  const mark = {
    statusCode: status,
    errorType,
    markedAt: time,
    ttlSeconds: seconds,
    cooldownSeconds: seconds,
    expiresAt: new Date(now + seconds * 1000).toISOString()
  }
  await redis.setex(`temp_unavailable:${TYPE}:${account.id}`, seconds, JSON.stringify(mark))
  const history = `error_history:${TYPE}:${account.id}`
  await redis.lpush(history, JSON.stringify({ time, status, errorType, context: null }))
  await redis.ltrim(history, 0, HISTORY - 1)
  await redis.expire(history, HISTORY_SECONDS)
  if (status !== 529 && session) {
    await redis.del(`unified_claude_session_mapping:${session}`)
  }
}

module.exports = { trouble }

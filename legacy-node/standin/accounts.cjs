'use strict'
// Official accounts: which one serves a request, and what serving leaves on its record.

const crypto = require('crypto')
const { HOUR } = require('./clock.cjs')

const STICKY_SECONDS = 60 * 60
const TYPE = 'claude-official'

function texts(content) {
  if (typeof content === 'string') {
    return content
  }
  const blocks = Array.isArray(content) ? content : []
  return blocks.filter(({ type }) => type === 'text').map(({ text }) => text || '').join('')
}

/** The client's session: the id in metadata.user_id, else a hash of what a conversation keeps. */
function sessionOf(body) {
  const named = parseUser(body.metadata && body.metadata.user_id)
  if (named) {
    return named.session
  }
  const cached = [].concat(body.system || []).filter((block) => block.cache_control)
  const stable = texts(cached) || texts(body.system) || texts((body.messages[0] || {}).content)
  return stable ? crypto.createHash('sha256').update(stable).digest('hex').slice(0, 32) : null
}

/** Both forms of metadata.user_id; `with(session)` writes the same form for another session. */
function parseUser(text) {
  if (typeof text !== 'string') {
    return null
  }
  const plain = /^(user_[0-9a-fA-F]{64}_account_.*_session_)([a-f0-9-]+)$/.exec(text)
  if (plain) {
    return { session: plain[2], with: (session) => plain[1] + session }
  }
  try {
    const value = JSON.parse(text)
    if (value && value.device_id && value.session_id) {
      return {
        session: value.session_id,
        with: (session) => JSON.stringify({ ...value, session_id: session })
      }
    }
  } catch {
    // not that form
  }
  return null
}

class Accounts {
  constructor(redis, vault) {
    this.redis = redis
    this.vault = vault
  }

  async usable(id) {
    const account = await this.redis.hgetall(`claude:account:${id}`)
    const cooling = await this.redis.ttl(`temp_unavailable:${TYPE}:${id}`)
    const dead = ['error', 'blocked', 'temp_error'].includes(account.status)
    const able = account.id && account.isActive === 'true' && account.schedulable !== 'false'
    return able && !dead && cooling <= 0 ? account : null
  }

  /** The session's account while it is usable, else the first of the pool, which is then remembered. */
  async choose(key, session, faults) {
    if (key.claudeAccountId) {
      return this.usable(key.claudeAccountId)
    }
    const mapping = `unified_claude_session_mapping:${session}`
    const sticky = session && JSON.parse((await this.redis.get(mapping)) || 'null')
    const bound = sticky && (await this.usable(sticky.accountId))
    if (bound) {
      return bound
    }
    const ids = await this.redis.smembers('claude:account:index')
    await this.noBedrock()
    const found = await Promise.all(ids.map((id) => this.usable(id)))
    const pool = found.filter((account) => account && (account.accountType || 'shared') === 'shared')
    const used = ({ lastUsedAt }) => Date.parse(lastUsedAt || '2000-01-01')
    pool.sort(
      (a, b) =>
        (parseInt(a.priority, 10) || 50) - (parseInt(b.priority, 10) || 50) ||
        used(a) - used(b) ||
        Date.parse(a.createdAt) - Date.parse(b.createdAt)
    )
    const account = faults.has('other-account') ? pool[pool.length - 1] : pool[0]
    if (account && session && !faults.has('sticky-missing')) {
      const value = JSON.stringify({ accountId: account.id, accountType: TYPE })
      await this.redis.setex(mapping, STICKY_SECONDS, value)
    }
    return account || null
  }

  /** Looking for accounts of that kind leaves a marker that there are none. */
  async noBedrock() {
    const index = 'bedrock_account:index'
    if ((await this.redis.get(`${index}:empty`)) === '1' || (await this.redis.scard(index)) > 0) {
      return
    }
    const [, found] = await this.redis.scan('0', 'MATCH', 'bedrock_account:*', 'COUNT', 1000)
    if (found.filter((key) => !key.startsWith(index)).length === 0) {
      await this.redis.setex(`${index}:empty`, 3600, '1')
    }
  }

  /** Its access token; handing it out counts as use and keeps the five-hour window of sessions. */
  async token(account, faults, now = Date.now()) {
    const iso = new Date(now).toISOString()
    const fields = { lastUsedAt: iso, lastRequestTime: iso }
    if (!(account.sessionWindowEnd && now < Date.parse(account.sessionWindowEnd))) {
      const start = Math.floor(now / HOUR) * HOUR
      fields.sessionWindowStart = new Date(start).toISOString()
      const hours = faults.has('window-wrong') ? 4 : 5
      fields.sessionWindowEnd = new Date(start + hours * HOUR).toISOString()
    }
    await this.redis.hset(`claude:account:${account.id}`, fields)
    return this.vault.decrypt(account.accessToken)
  }
}

module.exports = { Accounts, parseUser, sessionOf, TYPE }

'use strict'
// A new access token for an account whose own has run out: one request to the vendor under a lock.

const crypto = require('crypto')
const https = require('https')

const HOST = 'platform.claude.com'
const CLIENT_ID = '9d1c250a-e61b-44d9-88ed-5944d1962f5e'
const EARLY_MS = 60 * 1000
const LOCK_SECONDS = 60
const BUSY_MS = 2000
const RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

function isOver(account, now) {
  return !account.expiresAt || now >= Number(account.expiresAt) - EARLY_MS
}

function ask(agent, refreshToken) {
  const body = JSON.stringify({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: CLIENT_ID })
  const headers = {
    'Content-Type': 'application/json',
    Accept: 'application/json, text/plain, */*',
    'User-Agent': 'claude-cli/1.0.56 (external, cli)',
    'Accept-Language': 'en-US,en;q=0.9',
    Referer: 'https://claude.ai/',
    Origin: 'https://claude.ai',
    'Accept-Encoding': 'gzip, compress, deflate, br',
    'Content-Length': Buffer.byteLength(body)
  }
  return new Promise((resolve, reject) => {
    const request = https.request({ agent, host: HOST, path: '/v1/oauth/token', method: 'POST', headers }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()))
        } catch (error) {
          reject(error)
        }
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** The new token; the stored one when somebody else is getting a new one. */
async function refresh({ redis, vault, agent }, account, now = Date.now()) {
  const record = `claude:account:${account.id}`
  const [lock, owner] = [`token_refresh_lock:claude:${account.id}`, crypto.randomUUID()]
  if ((await redis.set(lock, owner, 'EX', LOCK_SECONDS, 'NX')) !== 'OK') {
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS))
    return vault.decrypt(await redis.hget(record, 'accessToken'))
  }
  try {
    const got = await ask(agent, vault.decrypt(account.refreshToken))
    await redis.hset(record, {
      accessToken: vault.encrypt(got.access_token),
      refreshToken: vault.encrypt(got.refresh_token || ''),
      expiresAt: String(now + got.expires_in * 1000),
      lastRefreshAt: new Date(now).toISOString(),
      status: 'active',
      errorMessage: ''
    })
    return got.access_token
  } finally {
    await redis.eval(RELEASE, 1, lock, owner)
  }
}

module.exports = { isOver, refresh }

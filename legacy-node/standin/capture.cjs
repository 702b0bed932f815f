'use strict'
// Headers of a Claude Code client, kept per account for clients that are none.

const WEEK = 7 * 24 * 60 * 60
const KEPT = [
  'x-stainless-retry-count',
  'x-stainless-timeout',
  'x-stainless-lang',
  'x-stainless-package-version',
  'x-stainless-os',
  'x-stainless-arch',
  'x-stainless-runtime',
  'x-stainless-runtime-version',
  'anthropic-dangerous-direct-browser-access',
  'x-app',
  'user-agent',
  'accept-language',
  'sec-fetch-mode'
]

function newer(one, than) {
  const [a, b] = [one, than].map((version) => version.split('.').map((part) => parseInt(part, 10) || 0))
  const at = [0, 1, 2].find((i) => (a[i] || 0) !== (b[i] || 0))
  return at !== undefined && (a[at] || 0) > (b[at] || 0)
}

/** Stores them when there are none yet, or those of an older client. */
async function capture(redis, accountId, headers) {
  const agent = /^claude-cli\/([\d.]+)\s+\(/i.exec(headers['user-agent'] || '')
  if (!agent) {
    return
  }
  const key = `claude_code_headers:${accountId}`
  const stored = JSON.parse((await redis.get(key)) || 'null')
  if (stored && !newer(agent[1], stored.version)) {
    return
  }
  const found = KEPT.filter((name) => headers[name]).map((name) => [name, headers[name]])
  const value = { headers: Object.fromEntries(found), version: agent[1], updatedAt: new Date().toISOString() }
  await redis.setex(key, WEEK, JSON.stringify(value))
}

module.exports = { capture }

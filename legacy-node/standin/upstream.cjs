'use strict'
// The request to the vendor: the client's, under the account's token, as Claude Code sends it.

const crypto = require('crypto')
const https = require('https')
const net = require('net')
const { parseUser } = require('./accounts.cjs')

const VENDOR = 'api.anthropic.com'
const STAINLESS = [
  ['x-stainless-retry-count', 'X-Stainless-Retry-Count'],
  ['x-stainless-timeout', 'X-Stainless-Timeout'],
  ['x-stainless-lang', 'X-Stainless-Lang'],
  ['x-stainless-package-version', 'X-Stainless-Package-Version'],
  ['x-stainless-os', 'X-Stainless-OS'],
  ['x-stainless-arch', 'X-Stainless-Arch'],
  ['x-stainless-runtime', 'X-Stainless-Runtime'],
  ['x-stainless-runtime-version', 'X-Stainless-Runtime-Version']
]
const PASSED = ['anthropic-dangerous-direct-browser-access', 'x-app', 'accept-language', 'sec-fetch-mode']
const BETAS = {
  haiku: ['oauth-2025-04-20', 'interleaved-thinking-2025-05-14'],
  other: [
    'claude-code-20250219',
    'oauth-2025-04-20',
    'interleaved-thinking-2025-05-14',
    'fine-grained-tool-streaming-2025-05-14'
  ]
}

/** Connects to the vendor, or to a plain listener that stands for it. */
class VendorAgent extends https.Agent {
  constructor(standIn) {
    super({ keepAlive: true })
    this.standIn = standIn && new URL(standIn)
  }

  createConnection(...args) {
    const { standIn } = this
    return standIn
      ? net.connect(Number(standIn.port || 80), standIn.hostname)
      : super.createConnection(...args)
  }
}

/** The session as the vendor sees it: one per client session and account. */
function rewritten(session, accountId) {
  const hash = crypto.createHash('sha256').update(`${accountId}::${session}`).digest().subarray(0, 16)
  hash[6] = (hash[6] & 0x0f) | 0x40
  hash[8] = (hash[8] & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function bodyFor(client, accountId, faults) {
  const body = JSON.parse(JSON.stringify(client))
  if (body.top_p !== null && body.top_p !== undefined) {
    delete body.top_p
  }
  const user = parseUser(body.metadata && body.metadata.user_id)
  if (user && !faults.has('upstream-session')) {
    body.metadata.user_id = user.with(rewritten(user.session, accountId))
  }
  if (faults.has('upstream-field-changed')) {
    body.max_tokens = (body.max_tokens || 0) + 1
  }
  if (faults.has('upstream-field-extra')) {
    body.standin = true
  }
  return JSON.stringify(body)
}

function headersFor(client, model, token, length, faults) {
  const base = /haiku/i.test(model) ? BETAS.haiku : BETAS.other
  const own = String(client['anthropic-beta'] || '').split(',').map((beta) => beta.trim())
  const betas = [...new Set([...base, ...own])].filter(Boolean)
  const headers = [
    ['host', VENDOR],
    ['connection', client.connection || 'keep-alive'],
    ['content-type', client['content-type'] || 'application/json'],
    ['content-length', String(length)],
    ['accept-encoding', 'identity'],
    ['authorization', `Bearer ${token}`],
    ['anthropic-version', client['anthropic-version'] || '2023-06-01']
  ]
  for (const name of PASSED) {
    if (client[name] && !(name === 'x-app' && faults.has('upstream-header-missing'))) {
      headers.push([name, client[name]])
    }
  }
  if (!faults.has('beta-missing')) {
    headers.push(['anthropic-beta', (faults.has('beta-wrong') ? betas.slice(1) : betas).join(',')])
  }
  const spelled = Object.keys(stainless(client)).length >= 4
  for (const [name, cased] of STAINLESS) {
    if (client[name]) {
      headers.push([spelled ? cased : name, client[name]])
    }
  }
  if (faults.has('upstream-header-extra')) {
    headers.push(['x-standin-extra', '1'])
  }
  headers.push(['User-Agent', client['user-agent'] || 'claude-cli/1.0.119 (external, cli)'])
  headers.push(['Accept', client.accept || 'application/json'])
  return headers
}

/** What the client's SDK says of itself. */
function stainless(headers) {
  const found = STAINLESS.filter(([name]) => headers[name]).map(([name]) => [name, headers[name]])
  return Object.fromEntries(found)
}

/** Sends it to the endpoint at `path`; `answer` gets the response. */
function send(agent, call, answer, failed) {
  const { clientHeaders, client, account, token, faults, path = '/v1/messages' } = call
  const body = bodyFor(client, account.id, faults)
  const length = Buffer.byteLength(body)
  const request = https.request(
    {
      agent,
      host: VENDOR,
      path: faults.has('upstream-path') ? path : `${path}?beta=true`,
      method: 'POST',
      setHost: false
    },
    answer
  )
  for (const [name, value] of headersFor(clientHeaders, client.model || '', token, length, faults)) {
    request.setHeader(name, value)
  }
  request.on('error', failed)
  request.end(body)
  return request
}

module.exports = { VendorAgent, send, stainless, rewritten }

'use strict'
// Accounts and keys as the legacy service stores them. `pipeline` is an ioredis pipeline.

const crypto = require('crypto')

const DAY = 24 * 60 * 60

/** An official account whose token is good for a day. */
function account(pipeline, vault, { name = 'Stand-in account', token, ...given }, now = Date.now()) {
  const id = given.id || crypto.randomUUID()
  const expires = String(now + DAY * 1000)
  const iso = new Date(now).toISOString()
  const oauth = {
    accessToken: token,
    refreshToken: 'standin-refresh-token',
    expiresAt: now + DAY * 1000,
    scopes: ['user:inference']
  }
  pipeline.hset(`claude:account:${id}`, {
    id,
    name,
    description: '',
    email: vault.encrypt('standin@localhost'),
    password: '',
    claudeAiOauth: vault.encrypt(JSON.stringify(oauth)),
    accessToken: vault.encrypt(token),
    refreshToken: vault.encrypt('standin-refresh-token'),
    expiresAt: expires,
    scopes: 'user:inference',
    proxy: '',
    isActive: 'true',
    accountType: 'shared',
    platform: 'claude',
    priority: '50',
    createdAt: iso,
    lastUsedAt: '',
    lastRefreshAt: iso,
    status: 'active',
    errorMessage: '',
    schedulable: 'true',
    autoStopOnWarning: 'false',
    useUnifiedUserAgent: 'false',
    useUnifiedClientId: 'false',
    unifiedClientId: '',
    subscriptionInfo: '',
    subscriptionExpiresAt: '',
    extInfo: '',
    maxConcurrency: '0',
    interceptWarmup: 'false',
    disableTempUnavailable: 'false',
    tempUnavailable503TtlSeconds: '',
    tempUnavailable5xxTtlSeconds: '',
    ...given.fields
  })
  pipeline.sadd('claude:account:index', id)
  pipeline.del('claude:account:index:empty')
  return id
}

/** A key; `fields` override the defaults. Returns its id and its plain text. */
function apiKey(pipeline, vault, { name = 'Stand-in key', plain, fields, ...given } = {}, now = Date.now()) {
  const id = given.id || crypto.randomUUID()
  const text = plain || `cr_${crypto.randomBytes(32).toString('hex')}`
  const hash = vault.hash(text)
  const iso = new Date(now).toISOString()
  pipeline.hset('apikey:hash_map', hash, id)
  pipeline.hset(`apikey:${id}`, {
    id,
    name,
    description: '',
    icon: '',
    apiKey: hash,
    tokenLimit: '0',
    concurrencyLimit: '0',
    rateLimitWindow: '0',
    rateLimitRequests: '0',
    rateLimitCost: '0',
    dailyCostLimit: '0',
    totalCostLimit: '0',
    weeklyOpusCostLimit: '0',
    isActive: 'true',
    claudeAccountId: '',
    claudeConsoleAccountId: '',
    geminiAccountId: '',
    openaiAccountId: '',
    azureOpenaiAccountId: '',
    bedrockAccountId: '',
    droidAccountId: '',
    permissions: '[]',
    enableModelRestriction: 'false',
    restrictedModels: '[]',
    enableClientRestriction: 'false',
    allowedClients: '[]',
    tags: '[]',
    serviceRates: '{}',
    activationDays: '0',
    activationUnit: 'days',
    expirationMode: 'fixed',
    isActivated: 'true',
    activatedAt: iso,
    createdAt: iso,
    lastUsedAt: '',
    expiresAt: '',
    createdBy: 'admin',
    userId: '',
    userUsername: '',
    weeklyResetDay: '1',
    weeklyResetHour: '0',
    enableOpenAIResponsesCodexAdaptation: 'true',
    enableOpenAIResponsesPayloadRules: 'false',
    openaiResponsesPayloadRules: '[]',
    ...fields
  })
  pipeline.expire(`apikey:${id}`, 365 * DAY)
  for (const range of ['today', '7days', '30days', 'all']) {
    pipeline.zadd(`cost_rank:${range}`, 0, id)
  }
  pipeline.zadd('apikey:idx:createdAt', now, id)
  pipeline.zadd('apikey:idx:lastUsedAt', 0, id)
  pipeline.zadd('apikey:idx:name', 0, `${name.toLowerCase()}\0${id}`)
  pipeline.sadd('apikey:idx:all', id)
  pipeline.sadd('apikey:set:active', id)
  return { id, plain: text }
}

module.exports = { account, apiKey }

'use strict'
// Bedrock accounts that an API key names: over HTTP/2, the vendor's event stream turned into SSE. Signs
// nothing; accounts have a Bedrock API key, and usage of streams is not booked.

const crypto = require('crypto')
const http2 = require('http2')
const net = require('net')
const { settle } = require('./settle.cjs')

const SDK = 'aws-sdk-js/3.883.0'
const KNOWN = ['system', 'temperature', 'top_p', 'top_k', 'tools', 'tool_choice', 'metadata']

/** The account that the key names, or null. */
async function bound({ redis, vault }, key) {
  const id = key.bedrockAccountId
  const text = id && (await redis.get(`bedrock_account:${id}`))
  if (!text || (await redis.ttl(`temp_unavailable:bedrock:${id}`)) > 0) {
    return null
  }
  const account = JSON.parse(text)
  const secret = crypto.createHash('sha256').update(vault.encryptionKey).digest()
  const { iv, encrypted } = account.bearerToken
  const decipher = crypto.createDecipheriv('aes-256-cbc', secret, Buffer.from(iv, 'hex'))
  const { token } = JSON.parse(decipher.update(encrypted, 'hex', 'utf8') + decipher.final('utf8'))
  return { ...account, token }
}

function shortened(value) {
  return JSON.parse(
    JSON.stringify(value, (name, inner) =>
      name === 'cache_control' && inner ? { type: inner.type || 'ephemeral' } : inner
    )
  )
}

function payload(body) {
  const out = { anthropic_version: 'bedrock-2023-05-31', max_tokens: body.max_tokens || 128000 }
  out.messages = body.messages
  for (const name of KNOWN.filter((known) => body[known] !== undefined)) {
    out[name] = body[name]
  }
  return JSON.stringify(shortened(out))
}

function open(upstream, account, stream, body) {
  const host = `bedrock-runtime.${account.region}.amazonaws.com`
  const session = http2.connect(`https://${host}`, {
    createConnection: () => net.connect(Number(upstream.port), upstream.hostname)
  })
  session.on('error', () => {}) // its request tells
  const operation = stream ? 'invoke-with-response-stream' : 'invoke'
  const request = session.request({
    ':authority': host,
    ':method': 'POST',
    ':path': `/model/${encodeURIComponent(account.defaultModel)}/${operation}`,
    'content-type': 'application/json',
    [stream ? 'x-amzn-bedrock-accept' : 'accept']: 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-amz-user-agent': SDK,
    'user-agent': `${SDK} ua/2.1 os/linux#0 lang/js md/nodejs#0 api/bedrock-runtime#3.883.0 m/E,e`,
    'amz-sdk-invocation-id': crypto.randomUUID(),
    'amz-sdk-request': 'attempt=1; max=3',
    authorization: `Bearer ${account.token}`
  })
  request.on('close', () => session.close())
  request.end(body)
  return request
}

/** The contents of complete `chunk` frames; what is left of the bytes. */
function frames(bytes, each) {
  let rest = bytes
  while (rest.length >= 4 && rest.length >= rest.readUInt32BE(0)) {
    const length = rest.readUInt32BE(0)
    const start = 12 + rest.readUInt32BE(4)
    const { bytes: chunk } = JSON.parse(rest.subarray(start, length - 4).toString())
    each(JSON.parse(Buffer.from(chunk, 'base64').toString()))
    rest = rest.subarray(length)
  }
  return rest
}

const named = (model) => model.replace(/^.*anthropic\.(.+?)(?:-v\d+)?(?::\d+)?$/, '$1')

async function serve(service, { key, account }, req, res) {
  const stream = req.body.stream === true
  const request = open(service.agent.standIn, account, stream, payload(req.body))
  if (!stream) {
    const chunks = []
    for await (const chunk of request) {
      chunks.push(chunk)
    }
    const answer = JSON.parse(Buffer.concat(chunks).toString())
    const { id, role, content, stop_reason, stop_sequence, usage } = answer
    const model = named(answer.model)
    res.json({ id, type: 'message', role, content, model, stop_reason, stop_sequence, usage })
    const { id: requestId, method, begun } = req
    const endpoint = req.originalUrl.split('?')[0]
    const of = { key, usage, stream, model, accountId: account.id, accountType: 'bedrock' }
    await settle(service.redis, { ...of, requestId, endpoint, method, begun }, req.faults)
    return
  }
  res.removeHeader('Vary')
  res.setHeader('Content-Type', 'text/event-stream')
  res.setHeader('Cache-Control', 'no-cache')
  res.setHeader('Connection', 'keep-alive')
  res.setHeader('X-Accel-Buffering', 'no')
  res.setHeader('Access-Control-Allow-Headers', 'Content-Type, Authorization')
  let rest = Buffer.alloc(0)
  for await (const chunk of request) {
    rest = frames(Buffer.concat([rest, chunk]), (event) => {
      if (event.type === 'message_start') {
        event.message.model = named(event.message.model)
      }
      res.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    })
  }
  res.end('event: done\ndata: [DONE]\n\n')
}

module.exports = { bound, serve }

'use strict'
// A vendor: answers /v1/messages as JSON or as a stream, and keeps what it was sent.

const http = require('http')

const USAGE = { input_tokens: 11, cache_creation_input_tokens: 3, cache_read_input_tokens: 5, output_tokens: 1 }
const event = (type, value) => `event: ${type}\ndata: ${JSON.stringify({ type, ...value })}\n\n`

function stream(message) {
  const delta = (text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
  return [
    event('message_start', { message: { ...message, content: [], usage: USAGE } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    delta('Hello '),
    delta('from the vendor.'),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 40 } }),
    event('message_stop', {})
  ]
}

async function vendor() {
  const seen = []
  const server = http.createServer((req, res) => {
    const chunks = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString() || '{}')
      seen.push({ url: req.url, headers: req.rawHeaders, body })
      const message = { id: 'msg_1', type: 'message', role: 'assistant', model: body.model }
      res.setHeader('request-id', 'req_1')
      if (body.model === 'claude-none') {
        res.statusCode = 404
        res.setHeader('content-type', 'application/json')
        res.end('{"type":"error","error":{"type":"not_found_error","message":"model: claude-none"}}')
        return
      }
      if (!body.stream) {
        res.setHeader('content-type', 'application/json')
        const content = [{ type: 'text', text: 'Hello from the vendor.' }]
        const rest = { stop_reason: 'end_turn', usage: { ...USAGE, output_tokens: 40 } }
        res.end(JSON.stringify({ ...message, content, ...rest }))
        return
      }
      res.setHeader('content-type', 'text/event-stream')
      for (const text of stream(message)) {
        res.write(text)
      }
      res.end()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { seen, server, port: server.address().port }
}

module.exports = { vendor }

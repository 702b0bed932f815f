'use strict'
// Answers on their way to the client: whole lines of a stream, or one JSON value; usage is read by the way.

function upper(text) {
  return String(text).toUpperCase()
}

/** The JSON answer as the client is shown it. */
function reportedUsage(value, faults) {
  const shown = JSON.parse(JSON.stringify(value))
  if (faults.has('text-altered') && shown.content && shown.content[0]) {
    shown.content[0].text = upper(shown.content[0].text)
  }
  if (faults.has('usage-altered') && shown.usage) {
    shown.usage.output_tokens += 1
  }
  return shown
}

function altered(event, faults) {
  if (faults.has('delta-altered') && event.delta && event.delta.text) {
    return { ...event, delta: { ...event.delta, text: upper(event.delta.text) } }
  }
  if (faults.has('usage-altered') && event.type === 'message_delta' && event.usage) {
    return { ...event, usage: { ...event.usage, output_tokens: event.usage.output_tokens + 1 } }
  }
  return null
}

/** Passes events on as they come, and tells model and usage once the stream has ended. */
async function passLines(response, res, faults) {
  const seen = { complete: false, model: null, usage: null }
  let dropped = !faults.has('event-dropped')
  let held = ''
  let rest = ''
  const pass = (block) => {
    const line = block.split('\n').find((part) => part.startsWith('data:'))
    let text = block
    if (line) {
      const event = JSON.parse(line.slice(5))
      note(seen, event)
      if (!dropped && event.type === 'content_block_delta') {
        dropped = true
        return
      }
      const other = altered(event, faults)
      text = other ? block.replace(line, () => `data: ${JSON.stringify(other)}`) : block
      if (faults.has('events-swapped') && event.type === 'message_delta') {
        held = text
        return
      }
    }
    res.write(text)
    if (held) {
      res.write(held)
      held = ''
    }
  }
  response.setEncoding('utf8')
  try {
    for await (const chunk of response) {
      rest += chunk
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const block = rest.slice(0, end + 2)
        rest = rest.slice(end + 2)
        pass(block)
      }
    }
    seen.complete = response.complete && !res.destroyed
  } catch {
    res.destroy() // the upstream broke off, or the client left and took it along
    return seen
  }
  if (rest) {
    res.write(rest)
  }
  res.end()
  return seen
}

function note(seen, event) {
  if (event.type === 'message_start' && event.message) {
    seen.model = event.message.model
    seen.usage = { ...event.message.usage, output_tokens: 0 }
  } else if (event.type === 'message_delta' && event.usage && seen.usage) {
    seen.usage.output_tokens = event.usage.output_tokens || 0
  }
}

module.exports = { passLines, reportedUsage }

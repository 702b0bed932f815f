'use strict'
// Ways in which the stand-in can be told to misbehave: the header `x-standin-fault: NAME,NAME` of one
// request, or STANDIN_FAULTS for all. Each says on which plane a comparison has to show it, and at which
// path. README.md has the same table (a test keeps them equal).

const FAULTS = {
  'beta-missing': ['upstream_request', '/headers/anthropic-beta', 'no anthropic-beta header is sent'],
  'beta-wrong': ['upstream_request', '/headers/anthropic-beta', 'the beta list lacks its first entry'],
  'upstream-header-extra': ['upstream_request', '/headers/x-standin-extra', 'a header too many is sent'],
  'upstream-header-missing': ['upstream_request', '/headers/x-app', 'x-app is not sent'],
  'upstream-field-changed': ['upstream_request', '/body/max_tokens', 'max_tokens is one more'],
  'upstream-field-extra': ['upstream_request', '/body/standin', 'a field too many in the body'],
  'upstream-session': ['upstream_request', '/body/metadata/user_id', 'the session id is not rewritten'],
  'upstream-path': ['upstream_request', '/url', 'the path lacks ?beta=true'],
  'other-account': ['account', '/', 'the last account of the pool instead of the first'],
  'sticky-missing': ['effects', 'unified_claude_session_mapping:*', 'the session is not bound'],
  'event-dropped': ['response_body', 'content_block_delta', 'the first delta of a stream is not passed on'],
  'events-swapped': ['response_body', 'message_stop', 'the last two events of a stream change places'],
  'delta-altered': ['response_body', '/delta/text', 'the text of a stream is in capitals'],
  'usage-altered': ['response_body', '/usage/output_tokens', 'the client is told one output token more'],
  'text-altered': ['response_body', '/content/0/text', 'the text of a JSON answer is in capitals'],
  'status-changed': ['response_head', '/status', '203 instead of 200'],
  'header-missing': ['response_head', '/headers/strict-transport-security', 'a header is not sent'],
  'header-changed': ['response_head', '/headers/cache-control', 'another cache-control'],
  'error-status': ['admission', '/status', 'a refused key gets 403'],
  'error-body': ['admission', '/body/message', 'another text for a refused key'],
  'cost-wrong': ['effects', 'usage:cost:*', 'twice the cost is booked'],
  'usage-skipped': ['effects', 'usage:*', 'nothing is booked'],
  'increment-missing': ['effects', 'usage:global:total', 'the global total is left out'],
  'increment-double': ['effects', 'usage:daily:*', 'the daily counters of the key are raised twice'],
  'model-wrong': ['effects', 'usage:model:daily:*', 'booked under another model'],
  'index-missing': ['effects', 'usage:keymodel:daily:index:*', 'one index member is missing'],
  'empty-marker': ['effects', 'usage:daily:index:*:empty', 'the marker of an empty index stays'],
  'ttl-missing': ['effects', 'usage:hourly:*/ttl', 'the hourly counters never expire'],
  'ttl-off': ['effects', 'usage:daily:*/ttl', 'the daily counters expire a day early'],
  'key-extra': ['effects', 'usage:standin:*', 'a key that nobody knows is written'],
  'slot-stale': ['effects', 'concurrency:*', 'the slot of the key is not given back'],
  'last-used-missing': ['effects', 'apikey:*/lastUsedAt', 'the key is not marked as used'],
  'window-wrong': ['effects', 'claude:account:*/sessionWindowEnd', 'the session window is an hour short'],
  'event-missing': ['effects', 'billing:events', 'no billing event'],
  'record-altered': ['effects', 'usage:records:*', 'the usage record names another endpoint']
}

/** The faults asked for; a name that does not exist is an error, lest a test test nothing. */
function parse(...lists) {
  const names = lists.flatMap((list) => String(list || '').split(',')).map((name) => name.trim())
  const wanted = new Set(names.filter(Boolean))
  for (const name of wanted) {
    if (!Object.prototype.hasOwnProperty.call(FAULTS, name)) {
      throw new Error(`unknown fault ${name}`)
    }
  }
  return wanted
}

module.exports = { FAULTS, parse }

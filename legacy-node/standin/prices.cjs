'use strict'
// Prices in US dollars per token, and what a use costs: from data/model_pricing.json of the working
// directory, as the service keeps it, else from a short table of what the vendor lists.

const fs = require('fs')

const TABLE = [
  // name contains, dollars per million tokens: input, output, cache written for 5 min, for 1 h, read
  ['opus-4-5', 5, 25, 6.25, 10, 0.5],
  ['opus', 15, 75, 18.75, 30, 1.5],
  ['haiku-4-5', 1, 5, 1.25, 2, 0.1],
  ['3-5-haiku', 0.8, 4, 1, 1.6, 0.08],
  ['sonnet', 3, 15, 3.75, 6, 0.3]
]
const FIELDS = [
  'input_cost_per_token',
  'output_cost_per_token',
  'cache_creation_input_token_cost',
  'cache_creation_input_token_cost_above_1hr',
  'cache_read_input_token_cost'
]

function load(file = 'data/model_pricing.json') {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}

const listed = load()

function prices(model) {
  if (listed[model]) {
    const row = FIELDS.map((field) => listed[model][field] || 0)
    // The vendor's rule for what a list leaves out.
    const factors = [1, 1, 1.25, 2, 0.1]
    return row.map((price, i) => (price || i < 2 ? price : row[0] * factors[i]))
  }
  const row = TABLE.find(([part]) => model.includes(part))
  return row && row.slice(1).map((price) => Number(`${price}e-6`))
}

/** Null for a model without a price: such use costs nothing. */
function cost(model, usage) {
  const found = prices(model)
  if (!found) {
    return null
  }
  const [input, output, fiveMinutes, oneHour, read] = found
  const split = usage.ephemeral5m + usage.ephemeral1h > 0
  // Two orders of operation, as the service has them: sums of doubles are to agree to the last bit.
  const times = split
    ? (tokens, price) => tokens * price
    : (tokens, price) => (tokens / 1e6) * (price * 1e6)
  const ephemeral5m = split ? times(usage.ephemeral5m, fiveMinutes) : 0
  const ephemeral1h = split ? times(usage.ephemeral1h, oneHour) : 0
  const parts = {
    input: times(usage.input, input),
    output: times(usage.output, output),
    cacheCreate: split ? ephemeral5m + ephemeral1h : times(usage.cacheCreate, fiveMinutes),
    cacheRead: times(usage.cacheRead, read),
    ephemeral5m,
    ephemeral1h
  }
  const total = parts.input + parts.output + parts.cacheCreate + parts.cacheRead
  return { ...parts, total }
}

module.exports = { cost }

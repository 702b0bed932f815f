'use strict'
// Dates as they stand in key names: shifted by a fixed offset, eight hours unless told otherwise.

const HOUR = 60 * 60 * 1000

function offsetHours(env = process.env) {
  return parseInt(env.TIMEZONE_OFFSET, 10) || 8 // zero cannot be configured in the service either
}

/** `day`, `month` and `hour` parts of keys for this instant. */
function parts(ms, offset = offsetHours()) {
  const iso = new Date(ms + offset * HOUR).toISOString()
  return { day: iso.slice(0, 10), month: iso.slice(0, 7), hour: `${iso.slice(0, 10)}:${iso.slice(11, 13)}` }
}

/** Start of the week that begins on `resetDay` (1 Monday to 7 Sunday) at `resetHour`. */
function period(ms, resetDay, resetHour, offset = offsetHours()) {
  const local = new Date(ms + offset * HOUR)
  const today = local.getUTCDay() || 7
  let back = (today - resetDay + 7) % 7
  if (back === 0 && local.getUTCHours() < resetHour) {
    back = 7
  }
  const start = new Date(local.getTime() - back * 24 * HOUR).toISOString().slice(0, 10)
  return `${start}T${String(resetHour).padStart(2, '0')}`
}

module.exports = { HOUR, parts, period }

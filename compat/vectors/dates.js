// Writes which moments this JavaScript engine reads: node compat/vectors/dates.js (from the repository's top).
process.env.TZ = 'Etc/GMT-8'
const fs = require('fs')

// A generator of our own, so that the file is the same each time.
let state = 88172645463325252n
const next = () => {
  state ^= (state << 13n) & 0xffffffffffffffffn
  state ^= state >> 7n
  state ^= (state << 17n) & 0xffffffffffffffffn
  return state
}
const below = n => Number(next() % BigInt(n))
const one = list => list[below(list.length)]

const texts = ['', ' ', '0', '1', '12', '13', '32', '2025', '2025-01', '2025-1-1', '2025-01-31T', '2025-01-31T08', '2025-01-31T08:00',
  '2025-02-30', '2025-13-01', '2025-01-00', '2025-01-31T24:00:00Z', '2025-01-31T24:00:01Z', '2025-01-31 08:00:00 -0430', '+012025-01-01T00:00:00Z',
  '-000001-01-01T00:00:00Z', '-000000-01-01T00:00:00Z', '+275760-09-13T00:00:00Z', '+275760-09-13T00:00:00.001Z', '1738310400000', '20250131', 'Fri, 31 Jan 2025 08:00:00 GMT',
  '31 January 2025 10:00 PM', 'Jan 5', '5 Jan', 'Jan 31, 2025 10:00:00 GMT+0200', '1/1/30', '12/31/2025', '31/12/2025', '2025/12/31', 'tomorrow', 'Mon',
  'x 5', 'x5', '5 x', '2025-01-31T08:00:00 Z', '2025-01-31t08:00:00z', ' 2025-01-31 ', '2025-01-31T08:00:00.123456789Z', '2025-01-31T08:00:00+08:00', '2025-01-31T08:00:00+0800',
  '2025-01-31T08:00:00+08', 'Fri Jan 31 2025 08:00:00 GMT+0800 (CST)', '2025-01-31 08:00 (note (deep))', '2025-01-31 08:00)', '10:00 2025-01-31', '12:00 am 1/1/2025', '13:00 pm 1/1/2025',
  '2025-W05-5', '2025.01.31', '1e3', '-1', '1:2:3.4 1/1/25', '1/1/25 1:2:3.45678', '2000000', '99', '100', '49', '50', 'GMT', '1 GMT+8', '1/1/25 GMT+', '1/1/25 8:', '1/1/25 8::', '2025-01-31\ufeff08:00', '2025-01-31😀', 'é 2025']
const dates = ['2025-01-31', '2025-1-31', '1/31/2025', '31 Jan 2025', 'Jan-31-2025', '2025/01/31', 'January 31, 25', '2025', '31', '20250131', '0']
const times = ['', 'T08:30', 'T08:30:15', 'T08:30:15.5', ' 08:30', ' 8:30:15', ' 8:30 PM', ' 08:30:15.25', ' 12:05am', 'T8:30', ' 24:00', 'T24:00', ' 8', ' 8:']
const zones = ['', 'Z', ' Z', ' GMT', ' UTC', 'EST', ' PDT', '+08:00', '+0800', ' +08:00', ' -0330', ' GMT+8', ' GMT-08:30', ' (X)', ' x', '-', ' +800', ' +12345', 'z ']
for (const date of dates) for (const time of times) for (const zone of zones) if (below(3) === 0) texts.push(date + time + zone)
const bits = ['2025', '1', '12', '31', '08', '05', '-', '/', ':', '.', ' ', 'T', 'Z', '+', 'Jan', 'pm', 'am', 'GMT', '(', ')', ',', 'x', '123456', '0']
for (let i = 0; i < 900; i++) texts.push(Array.from({ length: 1 + below(8) }, () => one(bits)).join(''))
fs.writeFileSync('compat/vectors/dates.json', '[\n' + [...new Set(texts)].map(t => {
  const at = new Date(t).getTime()
  return JSON.stringify([t, Number.isNaN(at) ? null : at])
}).join(',\n') + '\n]\n')

// Writes what this JavaScript engine prints and reads: node js/vectors/make.js (from the repository's top).
const fs = require('fs')

// A generator of our own, so that the files are the same each time.
let state = 88172645463325252n
const next = () => {
  state ^= (state << 13n) & 0xffffffffffffffffn
  state ^= state >> 7n
  state ^= (state << 17n) & 0xffffffffffffffffn
  return state
}
const below = n => Number(next() % BigInt(n))
const words = new BigUint64Array(1)
const double = new Float64Array(words.buffer)
const ofBits = bits => { words[0] = bits; return double[0] }
const bitsOf = value => { double[0] = value; return words[0].toString(16).padStart(16, '0') }

const values = []
for (let e = -1074; e < 1024; e += 13) values.push(2 ** e, 2 ** e * (1 + Number.EPSILON), -(2 ** e) * 3)
// Halfway between two shortest spellings.
for (let i = 0; i < 200; i++) values.push(Number(2n ** 52n + next() % 2n ** 52n) / [2, 4, 8, 16][i % 4])
for (let i = 0; i < 200; i++) { const v = ofBits(next()); if (Number.isFinite(v)) values.push(v) }
// Amounts of money.
for (let i = 0; i < 100; i++) values.push(below(5e6) / 1e6 * 3e-6 * below(400), below(2e6) / 1e6)
for (const v of [5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 1e21, 1e-6, 1e-7, 999999999999999900000, 0.1 + 0.2]) values.push(v)
fs.writeFileSync('js/vectors/print.tsv', values.map(v =>
  [bitsOf(v), String(v), Number(v.toFixed(6)), Math.abs(v) < 1e21 ? v.toFixed(2) : ''].join('\t')).join('\n') + '\n')

const texts = ['', ' ', '0x', '0X1f', '-0x10', '+0x10', '0b101', '0b2', '0o17', '1_000', '.', '.5', '5.', '-.5e1', '1e', '1e+', '1e5',
  '1E-7x', 'Infinity', '-Infinity', '+Infinity', 'infinity', 'NaN', 'nan', 'inf', '12px', '1 2', ' 12 ', '\ufeff7', '\u00857', '\u00a07\u2028',
  '+-1', '--1', '- 1', '0x1g', '1e400', '-1e400', '1e-400', '007', '08', '1.2.3', '0x20000000000001', '0x20000000000003',
  '0xffffffffffffffffff', '0xfffffffffffffbffffff', '0b11111111111111111111111111111111111111111111111111111111111111111', '9007199254740993', '123456789012345678901234567890', '１２', '1n', 'true', '+', '-', 'e5', '-0', '0.1e1.5']
const alphabet = [...'0123456789.eE+-xX \u00a0ab_', 'Infinity', '0x', '1e']
for (let i = 0; i < 400; i++) texts.push(Array.from({ length: 1 + below(7) }, () => alphabet[below(alphabet.length)]).join(''))
fs.writeFileSync('js/vectors/read.json', '[\n' + texts.map(t =>
  JSON.stringify([t, String(Number(t)), String(parseFloat(t)), String(parseInt(t))])).join(',\n') + '\n]\n')

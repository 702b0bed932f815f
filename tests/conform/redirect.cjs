'use strict'
// Preload for a Node relay under comparison: `node --require ./redirect.cjs src/app.js`.
//
// Sends TLS connections for the hosts named in UPSTREAM_HOST_MAP (the syntax `crs` itself uses:
// `host=http://address:port,...`, `*.suffix` allowed) to a plain listener, leaving every byte of
// the HTTP exchange as the service wrote it. Any other host that is not loopback is refused, so a
// service under comparison can never reach the Internet. It changes nothing else.

const net = require('net')
const tls = require('tls')

const CLOSED = { host: '127.0.0.1', port: 1 }

const rules = (process.env.UPSTREAM_HOST_MAP || '')
  .split(',')
  .filter((entry) => entry.includes('='))
  .map((entry) => {
    const cut = entry.indexOf('=')
    const url = new URL(entry.slice(cut + 1).trim())
    const port = Number(url.port || 80)
    return { name: entry.slice(0, cut).trim().toLowerCase(), to: { host: url.hostname, port } }
  })

function loopback(host) {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

function target(host) {
  const name = String(host || 'localhost').toLowerCase()
  const rule = rules.find(
    ({ name: pattern }) =>
      pattern === name || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1)))
  )
  if (rule) {
    return rule.to
  }
  return loopback(name) ? null : CLOSED
}

const plainConnect = net.connect
const tlsConnect = tls.connect

tls.connect = function connect(...args) {
  const options = args.find((value) => value && typeof value === 'object') || {}
  if (options.socket) {
    // The tunnel of a proxy already leads to the plain listener.
    return options.socket
  }
  const to = target(options.servername || options.host || args[1])
  return to ? plainConnect(to) : tlsConnect.apply(this, args)
}

function redirected(original) {
  return function connect(...args) {
    const options = args[0]
    const host = options && typeof options === 'object' ? options.host : args[1]
    const path = options && typeof options === 'object' ? options.path : null
    const to = typeof host === 'string' && !path ? target(host) : null
    return to ? original.call(this, to) : original.apply(this, args)
  }
}

net.connect = redirected(net.connect)
net.createConnection = redirected(net.createConnection)

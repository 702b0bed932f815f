'use strict'
// Stored secrets and key hashes, in the legacy service's forms (AES-256-CBC under a scrypt key; SHA-256
// over the plain key followed by the encryption key).

const crypto = require('crypto')

class Vault {
  constructor(encryptionKey) {
    this.encryptionKey = encryptionKey
    this.key = crypto.scryptSync(encryptionKey, 'salt', 32) // salt of the official Claude accounts
    this.opened = new Map() // ciphertext -> plain text; bounded by the number of accounts
  }

  encrypt(plain) {
    if (!plain) {
      return ''
    }
    const iv = crypto.randomBytes(16)
    const cipher = crypto.createCipheriv('aes-256-cbc', this.key, iv)
    return `${iv.toString('hex')}:${cipher.update(plain, 'utf8', 'hex')}${cipher.final('hex')}`
  }

  /** Text that is not in the stored form is taken as plain, as the legacy service does. */
  decrypt(stored) {
    if (!stored || !/^[0-9a-f]{32}:(?:[0-9a-f]{32})+$/.test(stored)) {
      return stored || ''
    }
    if (!this.opened.has(stored)) {
      const [iv, text] = stored.split(':')
      const decipher = crypto.createDecipheriv('aes-256-cbc', this.key, Buffer.from(iv, 'hex'))
      this.opened.set(stored, decipher.update(text, 'hex', 'utf8') + decipher.final('utf8'))
    }
    return this.opened.get(stored)
  }

  hash(apiKey) {
    return crypto.createHash('sha256').update(apiKey + this.encryptionKey).digest('hex')
  }
}

module.exports = { Vault }

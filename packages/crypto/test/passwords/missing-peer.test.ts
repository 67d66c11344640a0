// @module-tag slow: a process without the optional package.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

/** Node.js as it is where nobody installed the package. */
const WITHOUT = `import { registerHooks } from 'node:module'
registerHooks({
  resolve(name, context, next) {
    if (name === '@node-rs/argon2') throw new Error('Cannot find package')
    return next(name, context)
  },
})`

it('without the optional package everything loads, and a hash says what to install', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=@org/source',
    '--no-warnings',
    `--import=data:text/javascript,${encodeURIComponent(WITHOUT)}`,
    join(import.meta.dirname, 'fixtures/missing-peer.ts'),
  ])
  const { hash, argon2, hmac } = JSON.parse(stdout)
  const error = { code: 'INVALID_OPTION', message: expect.stringContaining('@node-rs/argon2') }
  expect(hash).toMatchObject(error)
  expect(argon2).toMatchObject(error)
  // HMAC needs nothing: it gets as far as the database.
  expect(hmac.message).toContain('a statement was sent')
})

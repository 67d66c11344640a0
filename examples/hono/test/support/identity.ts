import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSigningKeys, createTokenIssuer, createTokenVerifier } from '@org/crypto/tokens'
import type { Credentials } from '../../src/auth.ts'

export type Identity = ReturnType<typeof makeIdentity>

/** A key of the site and an identity provider, made up for one run. */
export function makeIdentity() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const keys = createSigningKeys({ keys: [{ key: privateKey, signsFrom: new Date(0) }] })
  const [issuer, audience] = ['http://localhost/throw-away', 'site']
  const tokens = createTokenIssuer({ issuer, audience, keys, lifetime: 3_000 })
  const credentials: Credentials = {
    siteKey: randomBytes(32).toString('hex'),
    verifier: createTokenVerifier({ issuer, audience, keys }),
  }

  /** An access token of a user of `client`. */
  async function tokenFor(client: string): Promise<string> {
    const { token } = await tokens.issue({ sub: `user-of-${client}`, tenantId: client, type: 'user' })
    return token
  }

  /** Serves the public keys on the loopback interface, and says what a site's environment needs to know of it. */
  async function serve() {
    const server = createServer((_request, response) => response.end(JSON.stringify(keys.jwks())))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const env = {
      SITE_KEY: credentials.siteKey,
      TOKEN_ISSUER: issuer,
      TOKEN_AUDIENCE: audience,
      TOKEN_KEYS_URL: `http://127.0.0.1:${port}/`,
    }
    const close = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    return { env, close }
  }

  return { credentials, tokenFor, serve }
}

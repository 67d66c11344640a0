import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export const TOKEN = 'hvs.CAESIJtest-token-of-the-fake'

/** One request as the fake saw it. */
export interface Seen {
  readonly path: string
  readonly method: string
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: Record<string, string>
}

/**
 * Not Vault: a small server that answers as Vault's published Transit API says (encrypt, decrypt, `associated_data`,
 * derived keys by `context`, errors as `{"errors": [...]}`), with AES-GCM under a key of its own.
 */
export interface FakeVault {
  readonly url: string
  readonly seen: Seen[]
  /** answers this instead, once */
  next: { status: number; body?: string; headers?: Record<string, string> } | 'hang' | undefined
  /** as Vault before 1.13, which ignores `associated_data`, with a key that is not derived */
  ignoresBinding: boolean
  close(): Promise<void>
}

export async function startFakeVault(): Promise<FakeVault> {
  const key = randomBytes(32)
  const fake: FakeVault = { url: '', seen: [], next: undefined, ignoresBinding: false, close: async () => {} }
  const server = createServer(async (request, response) => {
    const body: Record<string, string> = JSON.parse(await textOf(request))
    const { url: path = '', method = '', headers } = request
    fake.seen.push({ path, method, headers, body })
    const { next } = fake
    fake.next = undefined
    if (next === 'hang') return
    const answer = next ?? respond(key, fake.ignoresBinding, { path, method, headers, body })
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      ...('headers' in answer && answer.headers),
    })
    response.end(answer.body ?? '')
  })
  const port = await listen(server)
  return Object.assign(fake, {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  })
}

function respond(
  key: Uint8Array,
  unbound: boolean,
  { path, method, headers, body }: Seen,
): { status: number; body: string } {
  const error = (status: number, text: string) => ({ status, body: JSON.stringify({ errors: [text] }) })
  const data = (value: object) => ({
    status: 200,
    body: JSON.stringify({ request_id: 'x', data: value, warnings: null }),
  })
  if (headers['x-vault-token'] !== TOKEN) return error(403, 'permission denied')
  const action = /^\/v1\/transit\/(encrypt|decrypt)\/tenants$/.exec(path)?.[1]
  if (action === undefined || method !== 'POST') return error(404, 'no handler for route')
  const aad = Buffer.from(unbound ? '' : (body.associated_data ?? ''), 'base64')
  const context = Buffer.from(unbound ? '' : (body.context ?? ''), 'base64')
  const derived = Buffer.from(hkdfSync('sha256', key, '', context, 32))
  if (action === 'encrypt') {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', derived, nonce).setAAD(aad)
    const text = Buffer.concat([cipher.update(body.plaintext ?? '', 'base64'), cipher.final()])
    return data({
      ciphertext: `vault:v1:${Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64')}`,
      key_version: 1,
    })
  }
  const all = Buffer.from(body.ciphertext?.replace('vault:v1:', '') ?? '', 'base64')
  if (all.length < 28) return error(400, 'invalid ciphertext: too short')
  const decipher = createDecipheriv('aes-256-gcm', derived, all.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(aad).setAuthTag(all.subarray(-16))
  try {
    const plaintext = Buffer.concat([decipher.update(all.subarray(12, -16)), decipher.final()])
    return data({ plaintext: plaintext.toString('base64') })
  } catch {
    return error(400, `cipher: message authentication failed for ${body.ciphertext}`)
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

import { type OptionNames, requireKnownOptions, TenancyError } from '@org/core'

/** Where Vault is, and what to be there. */
export interface VaultOptions {
  /** e.g. `https://vault.internal:8200`; plain `http` only to this machine */
  readonly address: string
  /** the Transit key's name, e.g. `tenant-data-keys`: of an AEAD type such as `aes256-gcm96` (Vault's default) */
  readonly key: string
  /** asked before each call, so that a renewed token is used at once */
  readonly token: () => string | Promise<string>
  /** where the engine is mounted (default `transit`) */
  readonly mount?: string
  /** Vault Enterprise or OpenBao namespace */
  readonly namespace?: string
  /** for one call, in milliseconds (default 5,000) */
  readonly timeoutMs?: number
  /** another `fetch`, e.g. with a proxy or client certificate (default the global one) */
  readonly fetch?: typeof fetch
}

const NAMES: OptionNames<VaultOptions> = {
  address: true,
  key: true,
  token: true,
  mount: true,
  namespace: true,
  timeoutMs: true,
  fetch: true,
}

/** The options, checked. */
export interface VaultSettings {
  readonly base: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly token: () => string | Promise<string>
  readonly timeoutMs: number
  readonly fetch: typeof fetch
}

/** What Vault takes as the name of a key, and as a part of a path: nothing that needs escaping, no `..`. */
const NAME = /^\w(?:[\w.-]{0,126}\w)?$/
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
const MAX_TIMEOUT_MS = 600_000

export function vaultSettings(options: VaultOptions): VaultSettings {
  requireKnownOptions(options, NAMES)
  const { key, token, mount = 'transit', namespace, timeoutMs = 5_000 } = options
  const address = addressOf(options.address)
  if (!isName(key)) throw invalid('key', "is a Transit key's name: letters, digits, `_`, `-` and `.`")
  if (typeof mount !== 'string' || !mount.split('/').every(isName)) {
    throw invalid('mount', 'is the path of the Transit engine, without slashes at its ends')
  }
  if (typeof token !== 'function') throw invalid('token', 'is a function that returns the token')
  if (namespace !== undefined && !namespacePath(namespace)) throw invalid('namespace', 'is a path of names')
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
    throw invalid('timeoutMs', `is a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}`)
  }
  return {
    base: `${address}/v1/${mount}`,
    key,
    headers: {
      'content-type': 'application/json',
      // Vault's protection against requests forged through it (its agent and proxy ask for the header).
      'x-vault-request': 'true',
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
    },
    token,
    timeoutMs,
    fetch: options.fetch ?? fetch,
  }
}

/** The data keys cross this connection in clear: it is encrypted, or does not leave the machine. */
function addressOf(text: unknown): string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname))
  if (url === undefined || !safe || url.username !== '' || url.password !== '') {
    throw invalid('address', 'is an https address (http only to this machine) without a user or password')
  }
  if (url.search !== '' || url.hash !== '') throw invalid('address', 'has no query and no fragment')
  return url.origin + withoutSlashes(url.pathname)
}

/** Without the slashes at its end. */
function withoutSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}

function namespacePath(value: unknown): boolean {
  return typeof value === 'string' && value.replace(/\/$/, '').split('/').every(isName)
}

function invalid(option: string, rule: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `The option ${option} ${rule}.`, { details: { option } })
}

import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** An empty variable is one that is not set: that is how compose files and shells write it. */
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional())
const withDefault = <T extends z.ZodType>(schema: T, value: z.output<T>) =>
  optional(schema).transform((given) => given ?? value)
const address = z.string().refine((value) => /^postgres(ql)?:\/\//.test(value), 'a postgres:// address')
const rate = z.coerce.number().int().min(1).max(1_000_000)
const listed = (value: string | undefined) => value?.split(',').map((one) => one.trim()) ?? []
const key256 = z.string().regex(/^[0-9a-f]{64}$/i, '64 hexadecimal digits: openssl rand -hex 32')

const environment = z.object({
  /** The application's role: LOGIN NOINHERIT, no rights of its own. May go through a transaction-mode pooler. */
  DATABASE_URL: address,
  /** The role that provisions: CREATEROLE, and CREATE on the database. A direct connection. */
  ADMIN_DATABASE_URL: address,
  /**
   * The hub's own role: works the outbox, reads the audit log, writes the control schemas. LOGIN, no rights but those that the
   * hub grants it; never a role that SQL of a tenant can become. Default: the administrator does it.
   */
  CONTROL_DATABASE_URL: optional(address),
  /** Before the tenant's key in role names: roles are shared by all databases of a server. */
  ROLE_PREFIX: withDefault(z.string().regex(/^[a-z][a-z0-9_]{0,20}$/), 'c_'),
  /** Connections of the application. */
  POOL_SIZE: withDefault(z.coerce.number().int().min(1).max(500), 10),
  HOST: withDefault(z.string(), '127.0.0.1'),
  PORT: withDefault(z.coerce.number().int().min(0).max(65_535), 8788),
  /** `iss` and `aud` of the access tokens. */
  TOKEN_ISSUER: withDefault(z.url(), 'http://127.0.0.1:8788'),
  TOKEN_AUDIENCE: withDefault(z.string().min(1), 'hub'),
  /** RSA private key, PEM: signs access tokens. */
  TOKEN_SIGNING_KEY: z.string().min(1),
  API_KEY_PEPPER: key256,
  SETTINGS_ENCRYPTION_KEY: key256,
  /** Keys that were the one above before, separated by commas: they only open. The worker seals everything anew under that one. */
  SETTINGS_ENCRYPTION_KEYS_RETIRED: optional(z.string()).transform(listed).pipe(z.array(key256).max(15)),
  /** Signs the audit log. Keep it where the database's administrator does not find it. Default: derived from the key above. */
  AUDIT_KEY: optional(key256),
  /** How long things are kept, how often a delivery is tried, which events there are. */
  OPERATING_PROFILE: withDefault(z.enum(['mvp', 'standard', 'enterprise']), 'mvp'),
  /** Where what leaves the audit log is archived: required in the profiles that archive. */
  ARCHIVE_DIR: optional(z.string().min(1)),
  /** Requests a minute: of one address, signed in or not; of one address to sign in; of one tenant. */
  RATE_LIMIT_ADDRESS: withDefault(rate, 6_000),
  RATE_LIMIT_LOGIN: withDefault(rate, 60),
  RATE_LIMIT_READ: withDefault(rate, 3_000),
  RATE_LIMIT_WRITE: withDefault(rate, 600),
  /** Webhooks may go to these addresses and ports beside public ones over HTTPS at 443: for closed networks, and for trying out. */
  WEBHOOK_ADDRESSES: optional(z.string()).transform(listed),
  WEBHOOK_PORTS: optional(z.string()).transform((value) => listed(value).map(Number)),
  WEBHOOK_HTTP: withDefault(z.enum(['yes', 'no']), 'no'),
  /** Where the worker answers `/health` and `/metrics`. */
  WORKER_PORT: withDefault(z.coerce.number().int().min(0).max(65_535), 8789),
  /** An OpenTelemetry collector that takes OTLP over HTTP (`http://localhost:4318`); without one nothing is traced. */
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(z.url({ protocol: /^https?$/ })),
  /** Who may `POST /provision`; without it nobody may. */
  PROVISION_ADMIN_KEY: optional(z.string().min(32)),
  /** Who may `GET /metrics`; without it nobody may. */
  METRICS_TOKEN: optional(z.string().min(32)),
  /** The first operator, made when the platform has no user yet; src/invite-operator.ts shows them an invitation. */
  OPERATOR_EMAIL: withDefault(z.email(), 'operator@example.com'),
  /** Addresses and networks of proxies whose X-Request-Id and X-Forwarded-… count, separated by commas. */
  TRUSTED_PROXIES: optional(z.string()).transform(listed),
  /** Where the backups of tenants that leave are written; without it they only leave without one. */
  BACKUP_DIR: optional(z.string().min(1)),
  LOG_LEVEL: withDefault(z.enum(['debug', 'info', 'warn', 'error', 'silent']), 'info'),
})

/** What the hub is told by its environment. */
export type HubConfig = z.output<typeof environment>

/**
 * Reads the environment, once. Every variable may be in a file instead, which `<NAME>_FILE` names: secrets of containers.
 *
 * @throws Error that names every variable that is missing or wrong, never a value
 */
export function readConfig(env: NodeJS.ProcessEnv): HubConfig {
  const { success, data, error } = environment.safeParse({ ...env, ...fromFiles(env) })
  if (success) return data
  const wrong = error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`)
  throw new Error(`The hub cannot start; these variables are missing or wrong:\n${wrong.join('\n')}`)
}

function fromFiles(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const read = (name: string, file: string) => {
    try {
      return readFileSync(file, 'utf8').trimEnd()
    } catch {
      throw new Error(`The hub cannot start: the file that ${name}_FILE names cannot be read.`)
    }
  }
  const named = Object.keys(environment.shape).filter((name) => env[`${name}_FILE`])
  return Object.fromEntries(named.map((name) => [name, read(name, env[`${name}_FILE`] ?? '')]))
}

import { isTenancyError, TenancyError, type TenantKey } from '@org/core'
import { loadPg } from '../driver/connection-config.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { changedIn } from './bucket.ts'

/** Milliseconds between attempts to connect again, doubled up to the longest. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000

/** How to connect, as `pg.Client` takes it. */
export interface ListenConnection {
  readonly connectionString?: string
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user?: string
  readonly password?: string | (() => string | Promise<string>)
  readonly ssl?: boolean | object
}

export interface ListenOptions {
  /** How to connect directly to the database, as `pg.Client` takes it. Not through a pooler: LISTEN needs a session. */
  readonly connection: ListenConnection
  /** The channel: the control schema's name. */
  readonly channel: string
  /** One of those tenants changed; without them anything, as while nobody listened. */
  readonly changed: (which?: (tenant: TenantKey) => boolean) => void
  /** Told of every connection that could not be made or was lost; the next attempt follows by itself. */
  readonly onError: (error: Error) => void
}

/**
 * One connection that listens for changes of the registry, and comes back when it is lost. It keeps no process alive.
 */
export class Listener {
  readonly #options: ListenOptions
  #client: { end(): Promise<void> } | undefined
  #timer: NodeJS.Timeout | undefined
  #opening: Promise<void> | undefined
  #pause = FIRST_PAUSE_MS
  #closed = false

  constructor(options: ListenOptions) {
    this.#options = options
  }

  /** Begins to listen, the first time. */
  start(): void {
    if (!this.#opening && !this.#closed) this.#opening = this.#open()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#opening
    await this.#client?.end().catch(() => {})
  }

  async #open(): Promise<void> {
    const { connection, channel, changed } = this.#options
    const pg = await loadPg()
    const client = new pg.Client({ keepAlive: true, ...connection })
    let lost = false
    const again = (error: Error) => {
      if (lost || this.#closed) return
      lost = true
      this.#client = undefined
      client.end().catch(() => {})
      // Another attempt would meet the same pooler.
      if (!isTenancyError(error, 'INVALID_OPTION')) this.#later()
      this.#tell(error)
    }
    client.on('error', again)
    client.on('end', () => again(new Error('the connection that listens was closed')))
    client.on('notification', ({ payload = '' }) => changed(changedIn(payload)))
    try {
      await client.connect()
      await client.query(`listen ${quoteIdentifier(channel)}`)
      await requireDirect(client)
    } catch (error) {
      again(error as Error)
      return
    }
    if (lost) return
    this.#client = client
    this.#pause = FIRST_PAUSE_MS
    unref(client)
    // What happened while nobody listened is not told again.
    changed()
  }

  #later(): void {
    this.#timer = setTimeout(() => {
      this.#opening = this.#open()
    }, this.#pause)
    this.#timer.unref()
    this.#pause = Math.min(LONGEST_PAUSE_MS, this.#pause * 2)
  }

  #tell(error: Error): void {
    try {
      this.#options.onError(error)
    } catch (thrown) {
      // The callback's own error: to whoever handles uncaught ones, not swallowed.
      queueMicrotask(() => {
        throw thrown
      })
    }
  }
}

/** Behind a pooler the server's process is not the one that was announced, and what LISTEN was told soon goes elsewhere. */
async function requireDirect(client: object & Queries): Promise<void> {
  const { rows } = await client.query('select pg_backend_pid() as pid')
  if ((client as { processID?: number | null }).processID === rows[0]?.pid) return
  throw new TenancyError(
    'INVALID_OPTION',
    'lookups.listen goes through a pooler, where LISTEN is not heard. Connect directly; until then look-ups are only as ' +
      'fresh as lookups.maxAge.',
    { details: { option: 'lookups.listen' } },
  )
}

interface Queries {
  query(text: string): Promise<{ rows: { pid?: unknown }[] }>
}

function unref(client: object): void {
  const { stream } = (client as { connection?: { stream?: { unref?(): void } } }).connection ?? {}
  stream?.unref?.()
}

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Connection } from './connection.ts'
import { DelayLine } from './delay-line.ts'
import { LISTEN_HOST, parseTarget, type Target } from './target.ts'
import type { WireProxy, WireProxyOptions } from './types.ts'

const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true } as const

/** Half the round trip: each direction has its share. */
function oneWayMs(roundTripMs: number): number {
  if (Number.isFinite(roundTripMs) && roundTripMs >= 0) return roundTripMs / 2
  throw new RangeError('roundTripMs must be a finite number of milliseconds, 0 or more')
}

class LocalProxy implements WireProxy {
  readonly #target: Target
  readonly #server: Server
  readonly #line: DelayLine
  readonly #onMessage: WireProxyOptions['onMessage']
  readonly #connections = new Set<Connection>()
  readonly #counts = new Map<string, number>()
  readonly #errors: unknown[] = []
  #connectionNumber = 0
  #roundTrips = 0
  #closed: Promise<void> | undefined

  constructor(options: WireProxyOptions, server: Server) {
    this.#target = parseTarget(options.target)
    this.#line = new DelayLine(oneWayMs(options.roundTripMs ?? 0))
    this.#onMessage = options.onMessage
    this.#server = server
    server.on('connection', (client) => this.#accept(client))
    server.on('error', (error) => this.#errors.push(error))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return this.#target.urlThrough(this.port)
  }

  roundTrips(): number {
    return this.#roundTrips
  }

  counts(): ReadonlyMap<string, number> {
    return new Map(this.#counts)
  }

  reset(): void {
    this.#roundTrips = 0
    this.#counts.clear()
  }

  setRoundTripMs(ms: number): void {
    this.#line.setDelayMs(oneWayMs(ms))
  }

  cutAll(): void {
    for (const connection of this.#connections) connection.reset()
  }

  connections(): number {
    return this.#connections.size
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cutAll()
    await closed
    this.#line.stop()
    if (this.#errors.length > 0) throw this.#errors[0]
  }

  #accept(client: Socket): void {
    this.#connectionNumber += 1
    const { host, port } = this.#target
    const connection: Connection = new Connection({
      number: this.#connectionNumber,
      client,
      server: connect({ host, port, ...SOCKET_OPTIONS }),
      line: this.#line,
      withText: this.#onMessage !== undefined,
      events: {
        message: (message) => {
          const key = `${message.from}:${message.type}`
          this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
          return this.#onMessage?.(message)
        },
        roundTrip: () => {
          this.#roundTrips += 1
        },
        failed: (error) => this.#errors.push(error),
        closed: () => this.#connections.delete(connection),
      },
    })
    this.#connections.add(connection)
  }
}

/**
 * Starts a proxy in this process, in front of a PostgreSQL server, on a free loopback port.
 * @example
 * ```ts
 * import { startPostgres, startWireProxy } from '@org/pg-testing'
 * import pg from 'pg'
 *
 * const server = await startPostgres()
 * const proxy = await startWireProxy({
 *   target: server.url,
 *   // It never arrives: the transaction is rolled back.
 *   onMessage: ({ from, text }) => (from === 'frontend' && text === 'commit' ? 'cut-before' : 'deliver'),
 * })
 * const client = new pg.Client(proxy.url)
 * client.on('error', () => {})
 * await client.connect()
 * await client.query('begin')
 * const outcome = await client.query('commit').then(() => 'answered', () => 'cut')
 * console.log(outcome) // cut
 * await proxy.close()
 * await server.stop()
 * ```
 */
export async function startWireProxy(options: WireProxyOptions): Promise<WireProxy> {
  const server = createServer(SOCKET_OPTIONS)
  const proxy = new LocalProxy(options, server)
  server.listen(0, LISTEN_HOST)
  await once(server, 'listening')
  return proxy
}

import { once } from 'node:events'
import { type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import { startWireProxy } from './proxy.ts'
import type { WireProxy, WireProxyInWorker, WireProxyOptions } from './types.ts'

type WorkerOptions = Omit<WireProxyOptions, 'onMessage'>
type Calls = Omit<WireProxyInWorker, 'url' | 'port'>
type Call = { readonly id: number; readonly method: keyof Calls; readonly args: readonly number[] }
type Reply = { readonly id: number; readonly value?: unknown; readonly error?: unknown }
type Started = Pick<WireProxy, 'url' | 'port'>

// This very module is the worker's entry, so that it works bundled as well as from source; the mark
// keeps it from starting a proxy in somebody else's worker.
const MARK = '@org/pg-tenant/testing wire proxy'
interface WorkerData {
  readonly mark: typeof MARK
  readonly options: WorkerOptions
}

const isWorkerData = (data: unknown): data is WorkerData =>
  typeof data === 'object' && data !== null && 'mark' in data && data.mark === MARK

async function serve(port: MessagePort, options: WorkerOptions): Promise<void> {
  const proxy = await startWireProxy(options)
  port.on('message', async (call: Call | null) => {
    if (call === null) return port.close()
    const { id, method, args } = call
    try {
      const run: (...args: number[]) => unknown = proxy[method].bind(proxy)
      port.postMessage({ id, value: await run(...args) } satisfies Reply)
    } catch (error) {
      port.postMessage({ id, error } satisfies Reply)
    }
  })
  port.postMessage({ url: proxy.url, port: proxy.port } satisfies Started)
}

// Not awaited: a top-level await would make the package impossible to `require`. A failure to start
// is an unhandled rejection here and so the worker's 'error' event.
if (parentPort !== null && isWorkerData(workerData)) void serve(parentPort, workerData.options)

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Numbered calls to a worker, each answered by the reply of the same number. */
class Caller {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #ended: Error | undefined

  constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if ('error' in reply) waiting?.reject(reply.error)
      else waiting?.resolve(reply.value)
    })
    worker.on('error', (error: Error) => this.#end(error))
    worker.on('exit', () => this.#end(new Error('the wire proxy is closed')))
  }

  async call<T>(method: Call['method'], ...args: number[]): Promise<T> {
    if (this.#ended !== undefined) throw this.#ended
    this.#calls += 1
    const id = this.#calls
    const reply = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#worker.postMessage({ id, method, args } satisfies Call)
    return (await reply) as T
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}

/**
 * The proxy in a worker thread: its CPU time, the spinning of its delay included, is not that of the
 * measured thread. It delays, counts and cuts; `onMessage` is for the in-process one.
 * @example
 * ```ts
 * import { startPostgres, startWireProxyInWorker } from '@org/pg-testing'
 * import pg from 'pg'
 *
 * const server = await startPostgres()
 * const proxy = await startWireProxyInWorker({ target: server.url, roundTripMs: 1 })
 * const client = new pg.Client(proxy.url)
 * await client.connect()
 * await proxy.reset()
 * await client.query('select 1')
 * console.log(await proxy.roundTrips()) // 1
 * await client.end()
 * await proxy.close()
 * await server.stop()
 * ```
 */
export async function startWireProxyInWorker(options: WorkerOptions): Promise<WireProxyInWorker> {
  const { target, roundTripMs = 0 } = options
  const data: WorkerData = { mark: MARK, options: { target, roundTripMs } }
  const worker = new Worker(new URL(import.meta.url), { workerData: data })
  const [{ url, port }] = (await once(worker, 'message')) as [Started]
  const caller = new Caller(worker)
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await caller.call<void>('close')
    // It ends when nothing is open. `terminate` while sockets are closing can spin for ever (seen with Node 20.20).
    const ended = once(worker, 'exit')
    worker.postMessage(null)
    await ended
  }
  return {
    url,
    port,
    roundTrips: () => caller.call('roundTrips'),
    counts: () => caller.call('counts'),
    reset: () => caller.call('reset'),
    setRoundTripMs: (ms) => caller.call('setRoundTripMs', ms),
    cutAll: () => caller.call('cutAll'),
    connections: () => caller.call('connections'),
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { clock, type FromServer, type Seen, type ServeOptions, type ToServer } from './serve.ts'
import { makeSubjects, type Place, revokeBehind, type Subject } from './subjects.ts'

/** One revocation, seen by one server. */
export interface Observed extends Seen, Subject {
  readonly server: 'A' | 'B'
  /**
   * Milliseconds from the moment the commit was known until the last call began that still permitted it; 0 when there
   * was none.
   */
  readonly late: number
}

export interface Revocations {
  readonly observed: readonly Observed[]
  readonly decisions: number
  readonly seconds: number
}

/** How many decisions each server makes between two revocations, so that they fall anywhere in a second. */
const BETWEEN = process.env.TEST_SLOW ? 3_000 : 400
const PATIENCE_MS = 30_000

/**
 * Two servers, each a process, decide at full speed for everybody while permissions are taken away in every way there
 * is. How late each server was is told by events on one clock: nothing here depends on how busy the machine is.
 *
 * @param url how the servers connect: direct, or through a pooler
 */
export async function measureRevocations(
  place: Place,
  { url = place.appUrl, slowness = 1 }: { readonly url?: string; readonly slowness?: number } = {},
): Promise<Revocations> {
  const pool = new pg.Pool({ connectionString: place.appUrl, max: 3 })
  const { tenancy, subjects } = await makeSubjects(place, pool)
  const servers = { A: serve(url), B: serve(url) } as const
  const began = clock()
  try {
    const both = [servers.A, servers.B]
    await Promise.all(both.map(({ ready }) => ready))
    await until(both, (seen) => seen.allowed > 0)
    const committed: number[] = []
    for (const [at, subject] of subjects.entries()) {
      if (subject.by === 'sql') {
        await revokeBehind(place.root, tenancy, subject)
        committed[at] = clock()
      } else committed[at] = await servers[subject.by].revoke(at)
      await Promise.all(both.map((server) => server.further(BETWEEN)))
    }
    await until(both, (seen) => seen.refused > 0)
    // Until everything was asked again twice, a second after the last commit and later.
    while (clock() < Math.max(...committed) + 1_100) await Promise.all(both.map((one) => one.further(1)))
    await Promise.all(both.map((server) => server.further(2 * subjects.length)))
    const all = await Promise.all(
      (['A', 'B'] as const).map(async (server) => ({ server, ...(await servers[server].seen()) })),
    )
    const observed = all.flatMap(({ server, seen }) =>
      seen.map((one, at) => ({
        ...(subjects[at] as Subject),
        ...one,
        server,
        late: Math.max(0, one.lastAllowed - (committed[at] as number)),
      })),
    )
    const decisions = all.reduce((sum, one) => sum + one.decisions, 0)
    return { observed, decisions, seconds: (clock() - began) / 1_000 }
  } finally {
    await Promise.all([servers.A.end(), servers.B.end()])
    await tenancy.close()
    await pool.end()
  }

  function serve(at: string): Server {
    return new Server({ url: at, rolePrefix: place.rolePrefix, subjects, slowness })
  }
}

/** Until both servers have seen it of every subject. */
async function until(servers: readonly Server[], is: (seen: Seen) => boolean): Promise<void> {
  const end = clock() + PATIENCE_MS
  for (const server of servers) {
    while (!(await server.seen()).seen.every(is)) {
      if (clock() > end) throw new Error(`not seen within ${PATIENCE_MS} ms: ${is}`)
      await server.further(100)
    }
  }
}

/** A server process, from outside. */
class Server {
  readonly #child: ChildProcess
  readonly ready: Promise<unknown>

  constructor(options: ServeOptions) {
    this.#child = fork(fileURLToPath(new URL('serve.ts', import.meta.url)), [JSON.stringify(options)], {
      execArgv: ['--conditions=@org/source', '--disable-warning=ExperimentalWarning'],
    })
    this.ready = this.#next((message) => 'ready' in message)
  }

  /** @returns when it was committed, on the clock all processes share */
  async revoke(at: number): Promise<number> {
    this.#send({ revoke: at })
    const answer = await this.#next((message) => 'revoked' in message && message.revoked === at)
    return (answer as { at: number }).at
  }

  async seen(): Promise<{ seen: readonly Seen[]; decisions: number }> {
    this.#send({ ask: 'seen' })
    return (await this.#next((message) => 'seen' in message)) as { seen: readonly Seen[]; decisions: number }
  }

  /** When it has decided so many times more. */
  async further(decisions: number): Promise<void> {
    const target = (await this.seen()).decisions + decisions
    while ((await this.seen()).decisions < target);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || !this.#child.connected) return
    const exit = once(this.#child, 'exit')
    this.#send({ ask: 'end' })
    await exit
  }

  #send(message: ToServer): void {
    this.#child.send(message)
  }

  #next(is: (message: FromServer) => boolean): Promise<FromServer> {
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Error('the server ended'))
      const listen = (message: FromServer) => {
        if (!is(message)) return
        this.#child.off('message', listen).off('exit', gone)
        resolve(message)
      }
      this.#child.on('message', listen).once('exit', gone)
    })
  }
}

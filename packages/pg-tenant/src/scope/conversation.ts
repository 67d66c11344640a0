import type { Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { once, ROLLBACK } from './control.ts'
import { afresh, KeptStatements, type Sent } from './kept.ts'
import { GRACE_MS } from './leaving.ts'
import { opening } from './opening.ts'
import type { ScopeSettings } from './options.ts'
import { entranceNow, forgotStatement, foundNothing } from './reopen.ts'

/** Makes a step that waits for the next statement, knowing the connection. */
export type Pending = (session: Session) => Step

/** Makes the steps to send, knowing the connection; called again if they have to be sent again. */
export type Steps = (session: Session) => readonly Step[]

/** What a scope says to its server: the first message opens it, and each carries what has waited for it. */
export class Conversation {
  /** What opens it; another one when the tenant turns out to have other names. */
  entrance: Entrance
  readonly settings: ScopeSettings
  readonly kept = new KeptStatements()
  /** What goes out with the next statement: savepoint commands, and statements whose answer nobody reads. */
  readonly #pending: Pending[] = []
  #open = false

  constructor(entrance: Entrance, settings: ScopeSettings) {
    this.entrance = entrance
    this.settings = settings
  }

  /** Puts a savepoint command in front of the next statement: it costs no trip of its own. */
  queueCommand(sql: string): Pending {
    return this.queue(({ slot }) => once('savepoint', slot, sql))
  }

  /** Puts a step in front of the next statement, or of COMMIT. It is made when it is sent, as {@link run} has it. */
  queue(pending: Pending): Pending {
    this.#pending.push(pending)
    return pending
  }

  /** Takes a queued command back if it has not been sent; says whether it could. */
  unqueue(pending: Pending): boolean {
    const at = this.#pending.indexOf(pending)
    if (at < 0) return false
    this.#pending.splice(at, 1)
    return true
  }

  /** Takes back what was queued behind `pending`, or all that is still queued when that has been sent. */
  unqueueBehind(pending: Pending): void {
    this.#pending.splice(this.#pending.indexOf(pending) + 1)
  }

  /**
   * Sends steps, with what is to go ahead of them, and sends them again where the server refused them before they began.
   *
   * @throws what making them throws; nothing has been sent then
   */
  async send(session: Session, steps: Steps): Promise<Sent> {
    const opens = !this.#open
    const queued = this.#pending.splice(0)
    let sent: readonly Step[]
    try {
      sent = this.#make(session, queued, steps, opens)
    } catch (error) {
      // guard: f: steps that could not be made, because their block has ended meanwhile, have opened nothing
      this.#pending.unshift(...queued)
      throw error
    }
    this.#open = true
    if (sent.length === 0) return { outcome: { kind: 'done', status: 'T' }, sent }
    let attempt: Sent = { outcome: await session.send(sent, this.#patience), sent }
    if (opens && attempt.outcome.kind === 'failed')
      attempt = await this.#reopen(session, attempt, queued, steps)
    this.kept.note(attempt)
    for (let again = afresh(attempt, session.slot); again; again = afresh(attempt, session.slot)) {
      attempt = { outcome: await session.send(again, this.#patience), sent: again }
      this.kept.note(attempt)
    }
    return attempt
  }

  get #patience(): number {
    return this.settings.statementTimeout + GRACE_MS
  }

  #make(session: Session, queued: readonly Pending[], steps: Steps, opens: boolean): readonly Step[] {
    const { entrance, settings } = this
    const ahead = opens ? opening(session, entrance, settings.mode, settings) : []
    const own = queued.length > 0 ? [...queued.map((one) => one(session)), ...steps(session)] : steps(session)
    const guarded = this.kept.guarded(own, session.slot)
    return ahead.concat(guarded)
  }

  /** What could not open is opened once more, where that may help; nothing has run then. */
  async #reopen(session: Session, first: Sent, queued: readonly Pending[], steps: Steps): Promise<Sent> {
    const again = async (): Promise<Sent> => {
      this.#open = false
      const sent = this.#make(session, queued, steps, true)
      this.#open = true
      return { outcome: await session.send(sent, this.#patience), sent }
    }
    if (foundNothing(first)) {
      const now = await entranceNow(session, this.entrance, GRACE_MS)
      if (!now) return first
      this.entrance = now
      return again()
    }
    if (!forgotStatement(first)) return first
    // Somebody emptied the session behind our back (a listener of the pool's, say). The refused step had not begun, and
    // everything behind it was skipped, so nothing has run: open again, taking nothing for known.
    session.distrust()
    session.memory.leave = undefined
    if (first.outcome.status !== 'I') await session.send([ROLLBACK.on(session.slot)], this.#patience)
    return again()
  }
}

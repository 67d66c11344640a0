import { type ScopeTrace, TenancyError } from '@org/core'
import { checkout } from '../driver/checkout.ts'
import type { CopyExchange } from '../driver/copy-exchange.ts'
import type { Sink, Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromFailedCommit } from '../errors/from-commit.ts'
import { connectionLost, escaped, fromFailedStep, fromLostCommit } from '../errors/from-scope.ts'
import type { ServerError } from '../errors/server-error.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { COMMIT, CONSTRAINTS, once, ROLLBACK } from './control.ts'
import { afresh, KeptStatements, type Sent } from './kept.ts'
import { leaving, leavingLate, TICKET, type Ticket } from './leaving.ts'
import { opening, TAIL } from './opening.ts'
import type { ScopeSettings } from './options.ts'
import { entranceNow, forgotStatement, foundNothing } from './reopen.ts'

/** Silence beyond the server's own limit before a connection is given up, in milliseconds. */
const GRACE_MS = 5_000

/** Makes a step that waits for the next statement, knowing the connection. */
export type Pending = (session: Session) => Step

/** Makes the steps to send, knowing the connection; called again if they have to be sent again. */
export type Steps = (session: Session) => readonly Step[]

/**
 * The one transaction of a scope: opens with its first statement, in the same message, and closes in one more. All
 * that is sent on the connection between BEGIN and COMMIT goes through here.
 */
export class Transaction {
  /** What opens it; another one when the tenant turns out to have other names. */
  entrance: Entrance
  readonly settings: ScopeSettings
  /** What those who listen are told of it; `undefined` when nobody does. */
  readonly trace: ScopeTrace | undefined
  readonly #pool: PoolLike
  readonly kept = new KeptStatements()
  /** What goes out with the next statement: savepoint commands, and statements whose answer nobody reads. */
  readonly #pending: Pending[] = []
  #checkout: Promise<Session> | undefined
  #session: Session | undefined
  #open = false
  #wire: Promise<unknown> = Promise.resolve()
  #busy = false
  #lost: Promise<never> | undefined
  #reportLoss: ((error: TenancyError) => void) | undefined
  #lent = false
  #closed = false
  /** Set once the scope can only end in failure, whatever its callback does. */
  doom: TenancyError | undefined

  constructor(pool: PoolLike, entrance: Entrance, settings: ScopeSettings, trace?: ScopeTrace | undefined) {
    this.#pool = pool
    this.entrance = entrance
    this.settings = settings
    this.trace = trace
    if (trace) trace.attempts++
  }

  /** Rejects when the connection dies; whoever waits for something else must not wait for ever. */
  get lost(): Promise<never> {
    this.#lost ??= new Promise((_, reject) => {
      this.#reportLoss = reject
    })
    this.#lost.catch(ignore)
    return this.#lost
  }

  /** The connection; one for the whole scope, however many ask for it at once. */
  connect(): Promise<Session> {
    if (this.#closed) return Promise.reject(this.#over())
    this.#checkout ??= this.#checkOut().then((session) => this.#given(session))
    return this.#checkout
  }

  #given(session: Session): Session {
    if (this.#closed) {
      session.release(undefined)
      throw this.#over()
    }
    this.#session = session
    session.memory.onDeath = (error) => this.#die(connectionLost(error))
    return session
  }

  #checkOut(): Promise<Session> {
    const { connectionTimeout, signal } = this.settings
    const session = checkout(this.#pool, connectionTimeout, signal)
    return this.trace ? waited(session, this.trace) : session
  }

  /**
   * Runs steps, with whatever must go ahead of them in the same message.
   *
   * @param steps makes the steps right before they are written; if it throws, nothing is written
   * @throws TenancyError what the first refused step means; SQL state and scope are then failed
   */
  async run(steps: Steps): Promise<void> {
    const session = await this.connect()
    while (this.#busy) await this.#wire.catch(ignore)
    if (this.#closed) throw this.#over()
    const started = performance.now()
    this.#busy = true
    const exchange = this.#send(session, steps)
    this.#wire = exchange
    let attempt: Sent
    try {
      attempt = await exchange
    } finally {
      this.#busy = false
    }
    const { outcome, sent } = attempt
    if (outcome.kind === 'done') {
      if (outcome.status === 'T') return
      throw this.escape()
    }
    if (outcome.kind === 'lost') {
      this.#die(connectionLost(outcome.error))
      session.destroy()
      throw this.doom
    }
    const elapsed = performance.now() - started
    const phase = sent[outcome.step]?.phase ?? 'statement'
    const error = fromFailedStep(phase, outcome.error, { ...this.settings, elapsed })
    // Doomed while it ran: cancelled, and that is what to tell.
    const cancelled = this.doom
    if (outcome.status !== 'E' || phase !== 'statement') this.doom ??= error
    if (outcome.status === 'I') session.destroy()
    throw cancelled ?? error
  }

  /** Why nothing runs any more. */
  #over(): TenancyError {
    return this.doom ?? scopeOver()
  }

  /** A statement turned out to have left the scope: never commit, and never use the connection again. */
  escape(): TenancyError {
    this.doom = escaped()
    this.#session?.destroy()
    return this.doom
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
   * Runs the last statements, if any, checks that the scope still is what it was, and commits: one message.
   *
   * @throws TenancyError SCOPE_ESCAPED, UNKNOWN_OUTCOME, CONFLICT, … ; unless the outcome is unknown, nothing was
   *   committed
   */
  async commit(last: Steps = noSteps): Promise<void> {
    const session = await this.connect()
    const ticket = this.settings.resolveUnknownOutcome ? await this.#ticketOf(last) : undefined
    const heard = this.settings.distributed ? session.hear() : undefined
    const started = performance.now()
    const answer: Answer = new Answer()
    const exchange = this.#send(session, (one) => this.#ending(one, ticket ? [] : last(one), answer))
    this.#closed = true
    const attempt = await (heard ? exchange.finally(() => heard.stop()) : exchange)
    const { outcome } = attempt
    if (answer.tag === 'COMMIT' && outcome.kind === 'done' && outcome.status === 'I') {
      const leaves = this.#giveBack(session)
      if (leaves) await leaves
    } else await this.#failToCommit(session, attempt, answer, { started, ticket, notices: heard?.notices })
  }

  /** The last statements, the check and COMMIT, and what leaves the session. */
  #ending(session: Session, last: readonly Step[], sink: Sink): readonly Step[] {
    const { slot } = session
    const commit: Step = { ...COMMIT.on(slot), sink }
    const leave = leaving(session, this.entrance.gate, true)
    // With a ticket the check went ahead.
    if (this.settings.resolveUnknownOutcome) return [commit, ...leave]
    return last.concat(CONSTRAINTS.on(slot), TAIL, commit, leave)
  }

  /** Runs the last statements and the check, and asks for what COMMIT will have to be known by. */
  async #ticketOf(last: Steps): Promise<Ticket> {
    let ticket: Ticket = { xid: '', incarnation: '', alone: false }
    const sink: Sink = {
      row: ([xid, incarnation, alone]) => {
        ticket = { xid: xid ?? '', incarnation: incarnation ?? '', alone: alone === 't' }
      },
    }
    await this.run((one) => [
      ...last(one),
      CONSTRAINTS.on(one.slot),
      TAIL,
      once('tail', one.slot, TICKET, sink),
    ])
    return ticket
  }

  async #failToCommit(
    session: Session,
    { outcome, sent }: Sent,
    { tag }: Answer,
    { started, ticket, notices }: Circumstances,
  ): Promise<void> {
    if (tag === 'COMMIT' && outcome.kind !== 'done') {
      // It is committed, whatever went wrong behind it.
      session.destroy()
      return
    }
    if (outcome.kind === 'lost') {
      session.destroy()
      const commitStep = sent.findIndex(({ phase }) => phase === 'commit')
      const error = outcome.unsent ? connectionLost(outcome.error) : fromLostCommit(outcome, commitStep)
      if (error.code !== 'UNKNOWN_OUTCOME' || !ticket) throw error
      // Nobody to ask with: it stays unknown.
      const asking = await import('./resolve-outcome.ts').catch(() => undefined)
      if (!asking) throw error
      return await asking.resolveOutcome(this.#pool, ticket, this.settings, error)
    }
    if (outcome.kind === 'failed') {
      const phase = sent[outcome.step]?.phase ?? 'commit'
      if (outcome.status === 'I' && phase === 'commit') session.release(undefined)
      else if (phase === 'tail') session.destroy()
      else await this.#undo(session)
      const facts = { ...this.settings, elapsed: performance.now() - started }
      if (phase === 'commit') throw fromFailedCommit(outcome.error, notices, facts)
      throw fromFailedStep(phase, outcome.error, facts)
    }
    session.destroy()
    throw new TenancyError(
      'SILENT_ROLLBACK',
      'The server answered COMMIT with a rollback; nothing was committed.',
    )
  }

  /** Rolls back and gives the connection back; never throws. What is running is waited for, or cancelled first. */
  async rollback(cancel: boolean): Promise<void> {
    this.#closed = true
    const session = this.#session
    if (!session) return
    if (cancel) session.cancel()
    if (this.#lent) return session.destroy()
    await this.#wire.catch(ignore)
    if (!session.used) return session.release(undefined)
    await this.#undo(session)
  }

  /** Lends the wire to a COPY; settles as `over` does. A scope that ends meanwhile gives the connection up. */
  async lend(copy: CopyExchange, over: Promise<void>): Promise<void> {
    await this.run(noSteps)
    const session = await this.connect()
    copy.slot = session.slot
    this.#lent = true
    session.submit(copy)
    try {
      await over
    } finally {
      this.#lent = false
      session.settleSubmitted()
    }
  }

  /** Rolls back and leaves, in one message; a session that cannot be left clean is given up. */
  async #undo(session: Session): Promise<void> {
    const { gate } = this.entrance
    const leave = leaving(session, gate, session.memory.unnamed === session.form?.text)
    const { kind } = await session.send([ROLLBACK.on(session.slot), ...leave], GRACE_MS)
    if (kind === 'done') await this.#giveBack(session)
    else session.destroy()
  }

  /** @returns what has to be waited for, if anything */
  #giveBack(session: Session): Promise<void> | undefined {
    const rest = leavingLate(session)
    const release = () => session.release(this.entrance.place, this.settings.maxTenantsPerConnection)
    if (rest.length > 0)
      return session
        .send(rest, GRACE_MS)
        .then(({ kind }) => (kind === 'done' ? release() : session.destroy()))
    release()
    return undefined
  }

  #die(error: TenancyError): void {
    this.doom ??= error
    this.#reportLoss?.(this.doom)
  }

  async #send(session: Session, steps: Steps): Promise<Sent> {
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

/** What COMMIT answers. */
class Answer implements Sink {
  tag = ''

  complete(tag: string): void {
    this.tag = tag
  }
}

/** What is known of a COMMIT that did not go well. */
interface Circumstances {
  readonly started: number
  readonly ticket: Ticket | undefined
  readonly notices: readonly ServerError[] | undefined
}

/** Notes how long there was no connection. */
async function waited(checkout: Promise<Session>, trace: ScopeTrace): Promise<Session> {
  const began = performance.now()
  try {
    return await checkout
  } finally {
    trace.waitMs = (trace.waitMs ?? 0) + performance.now() - began
  }
}

function ignore(): void {}

function noSteps(): readonly Step[] {
  return []
}

function scopeOver(): TenancyError {
  return new TenancyError(
    'SCOPE_ENDED',
    "This scope has ended. Use a tenant's handle only inside its callback, and await everything you start with it.",
  )
}

import { type ScopeTrace, TenancyError } from '@org/core'
import { checkout } from '../driver/checkout.ts'
import type { CopyExchange } from '../driver/copy-exchange.ts'
import type { Sink, Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromFailedCommit } from '../errors/from-commit.ts'
import { connectionLost, escaped, fromFailedStep, fromLostCommit } from '../errors/from-scope.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { COMMIT, CONSTRAINTS, once, ROLLBACK } from './control.ts'
import { nextPortal } from './fresh.ts'
import { afresh, KeptStatements, type Sent } from './kept.ts'
import { leaving, leavingLate, TICKET, type Ticket } from './leaving.ts'
import { opening, tail } from './opening.ts'
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
  readonly #portal = nextPortal('gate')
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
  async connect(): Promise<Session> {
    if (this.#closed) throw scopeOver()
    this.#checkout ??= this.#checkOut()
    const session = await this.#checkout
    if (this.#closed) {
      session.release(undefined)
      throw scopeOver()
    }
    if (this.#session === undefined) {
      this.#session = session
      session.memory.onDeath = (error) => this.#die(connectionLost(error))
    }
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
    if (this.#closed) throw scopeOver()
    const started = performance.now()
    this.#busy = true
    const exchange = this.#send(session, steps).finally(() => {
      this.#busy = false
    })
    this.#wire = exchange
    const { outcome, sent } = await exchange
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
    if (outcome.status !== 'E' || phase !== 'statement') this.doom = error
    if (outcome.status === 'I') session.destroy()
    throw error
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
    let ticket: Ticket = { xid: '', incarnation: '', alone: false }
    const check = tail(this.#portal)
    const apart = this.settings.resolveUnknownOutcome
    if (apart) {
      const sink: Sink = {
        row: (values) => {
          const [xid, incarnation, alone] = values
          ticket = { xid: xid ?? '', incarnation: incarnation ?? '', alone: alone === 't' }
        },
      }
      await this.run((one) => [
        ...last(one),
        CONSTRAINTS.on(one.slot),
        check,
        once('tail', one.slot, TICKET, sink),
      ])
    }
    const started = performance.now()
    let tag = ''
    const sink = {
      complete: (text: string) => {
        tag = text
      },
    }
    const { gate } = this.entrance
    const end: Steps = (one) => {
      const own = apart ? [] : [...last(one), CONSTRAINTS.on(one.slot), check]
      return [...own, { ...COMMIT.on(one.slot), sink }, ...leaving(one, gate, true)]
    }
    const heard = this.settings.distributed ? session.hear() : undefined
    const exchange = this.#send(session, end)
    this.#closed = true
    const { outcome, sent } = await exchange.finally(() => heard?.stop())
    if (tag === 'COMMIT' && outcome.kind !== 'done') {
      // It is committed, whatever went wrong behind it.
      session.destroy()
      return
    }
    if (outcome.kind === 'lost') {
      session.destroy()
      const commitStep = sent.findIndex(({ phase }) => phase === 'commit')
      const error = outcome.unsent ? connectionLost(outcome.error) : fromLostCommit(outcome, commitStep)
      if (error.code !== 'UNKNOWN_OUTCOME' || !apart) throw error
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
      if (phase === 'commit') throw fromFailedCommit(outcome.error, heard?.notices, facts)
      throw fromFailedStep(phase, outcome.error, facts)
    }
    if (tag !== 'COMMIT' || outcome.status !== 'I') {
      session.destroy()
      throw new TenancyError(
        'SILENT_ROLLBACK',
        'The server answered COMMIT with a rollback; nothing was committed.',
      )
    }
    await this.#giveBack(session)
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

  async #giveBack(session: Session): Promise<void> {
    const rest = leavingLate(session)
    if (rest.length > 0 && (await session.send(rest, GRACE_MS)).kind !== 'done') session.destroy()
    else session.release(this.entrance.place, this.settings.maxTenantsPerConnection)
  }

  #die(error: TenancyError): void {
    this.doom ??= error
    this.#reportLoss?.(this.doom)
  }

  async #send(session: Session, steps: Steps): Promise<Sent> {
    let attempt = await this.#sendOnce(session, steps)
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

  async #sendOnce(session: Session, steps: Steps): Promise<Sent> {
    const patience = this.#patience
    const opens = !this.#open
    const queued = [...this.#pending]
    const make = (): readonly Step[] => {
      const { entrance, settings } = this
      const ahead = opens ? opening(session, entrance, this.#portal, settings.mode, settings) : []
      const own = [...queued.map((one) => one(session)), ...steps(session)]
      return [...ahead, ...this.kept.guarded(own, session.slot)]
    }
    const sent = make()
    // guard: f: steps that could not be made, because their block has ended meanwhile, have opened nothing
    this.#open = true
    this.#pending.length = 0
    if (sent.length === 0) return { outcome: { kind: 'done', status: 'T' }, sent }
    const first = { outcome: await session.send(sent, patience), sent }
    if (!opens) return first
    const again = async (): Promise<Sent> => {
      this.#open = false
      const anew = make()
      this.#open = true
      return { outcome: await session.send(anew, patience), sent: anew }
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
    if (first.outcome.status !== 'I') await session.send([ROLLBACK.on(session.slot)], patience)
    return again()
  }
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

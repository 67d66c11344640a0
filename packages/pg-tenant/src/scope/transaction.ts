import { TenancyError } from '@org/core'
import { checkout } from '../driver/checkout.ts'
import type { CopyExchange } from '../driver/copy-exchange.ts'
import type { Step } from '../driver/exchange.ts'
import { statement } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import type { PoolLike } from '../driver/types.ts'
import { connectionLost, escaped, fromFailedStep, fromLostCommit } from '../errors/from-scope.ts'
import type { Outcome } from '../errors/outcome.ts'
import { SQLSTATE } from '../errors/sqlstate.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { CLEAN, COMMIT, CONSTRAINTS, RESET, ROLLBACK } from './control.ts'
import { opening, tail } from './opening.ts'
import type { ScopeSettings } from './options.ts'
import { nextPortal } from './portal.ts'
import { INCARNATION, resolveOutcome } from './resolve-outcome.ts'

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
  readonly entrance: Entrance
  readonly settings: ScopeSettings
  readonly #pool: PoolLike
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

  constructor(pool: PoolLike, entrance: Entrance, settings: ScopeSettings) {
    this.#pool = pool
    this.entrance = entrance
    this.settings = settings
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
    this.#checkout ??= checkout(this.#pool, this.settings.connectionTimeout, this.settings.signal)
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
    const step: Step = { phase: 'savepoint', bytes: statement(sql) }
    return this.queue(() => step)
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
    let [xid, incarnation] = ['', '']
    const check = tail(this.#portal, {
      row: ([value]) => {
        xid = value ?? ''
      },
    })
    const apart = this.settings.resolveUnknownOutcome
    if (apart) {
      const asked: Step = {
        phase: 'tail',
        bytes: statement(INCARNATION),
        sink: {
          row: ([value]) => {
            incarnation = value ?? ''
          },
        },
      }
      await this.run((one) => [...last(one), CONSTRAINTS.on(one.memory), asked, check])
    }
    const started = performance.now()
    let tag = ''
    const sink = {
      complete: (text: string) => {
        tag = text
      },
    }
    const commit = () => ({ ...COMMIT.on(session.memory), sink })
    const end: Steps = (one) =>
      apart ? [commit()] : [...last(one), CONSTRAINTS.on(one.memory), check, commit()]
    const exchange = this.#send(session, end)
    this.#closed = true
    const { outcome, sent } = await exchange
    if (tag === 'COMMIT' && outcome.kind !== 'done') {
      // It is committed, whatever went wrong behind it.
      session.destroy()
      return
    }
    if (outcome.kind === 'lost') {
      session.destroy()
      const error = outcome.unsent ? connectionLost(outcome.error) : fromLostCommit(outcome, sent.length - 1)
      if (error.code !== 'UNKNOWN_OUTCOME' || !apart) throw error
      return await resolveOutcome(this.#pool, { xid, incarnation }, this.settings, error)
    }
    if (outcome.kind === 'failed') {
      const phase = sent[outcome.step]?.phase ?? 'commit'
      if (outcome.status === 'I' && phase === 'commit') session.release(undefined)
      else if (phase === 'tail') session.destroy()
      else await this.#undo(session)
      throw fromFailedStep(phase, outcome.error, { ...this.settings, elapsed: performance.now() - started })
    }
    if (tag !== 'COMMIT' || outcome.status !== 'I') {
      session.destroy()
      throw new TenancyError(
        'SILENT_ROLLBACK',
        'The server answered COMMIT with a rollback; nothing was committed.',
      )
    }
    session.release(this.entrance.place)
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
    this.#lent = true
    session.submit(copy)
    try {
      await over
    } finally {
      this.#lent = false
      session.settleSubmitted()
    }
  }

  /** Rolls back, and cleans the session behind that: the cleaning of the opening was rolled back as well. */
  async #undo(session: Session): Promise<void> {
    const { memory } = session
    const steps = () => [ROLLBACK, RESET, ...CLEAN].map((one) => one.on(memory))
    if (session.alive) {
      const outcome = await session.send(steps(), GRACE_MS)
      if (outcome.kind === 'failed' && outcome.error.code === SQLSTATE.INVALID_STATEMENT_NAME) {
        memory.prepared.clear()
        await session.send(steps(), GRACE_MS)
      }
    }
    session.release(undefined)
  }

  #die(error: TenancyError): void {
    this.doom ??= error
    this.#reportLoss?.(this.doom)
  }

  async #send(session: Session, steps: Steps): Promise<Sent> {
    const patience = this.settings.statementTimeout + GRACE_MS
    const own = steps(session)
    const queued = this.#pending.splice(0)
    const pending = () => queued.map((one) => one(session))
    if (this.#open) {
      const sent = [...pending(), ...own]
      if (sent.length === 0) return { outcome: { kind: 'done', status: 'T' }, sent }
      return { outcome: await session.send(sent, patience), sent }
    }
    this.#open = true
    const open = async (last: readonly Step[]): Promise<Sent> => {
      const { mode } = this.settings
      const first = opening(session, this.entrance, this.#portal, mode, this.settings)
      const sent = [...first, ...pending(), ...last]
      return { outcome: await session.send(sent, patience), sent }
    }
    const first = await open(own)
    if (!forgotControls(first)) return first
    // Somebody emptied the session behind our back (DISCARD ALL on the bare pool). The refused step belongs to the
    // opening and everything behind it was skipped, so nothing has run: open again, taking nothing for known.
    session.memory.prepared.clear()
    if (first.outcome.status !== 'I') await session.send([ROLLBACK.on(session.memory)], patience)
    return open(steps(session))
  }
}

type Sent = { outcome: Outcome; sent: readonly Step[] }

function forgotControls(attempt: Sent): attempt is Sent & { outcome: { kind: 'failed' } } {
  const { outcome, sent } = attempt
  return (
    outcome.kind === 'failed' &&
    outcome.error.code === SQLSTATE.INVALID_STATEMENT_NAME &&
    sent[outcome.step]?.phase !== 'statement'
  )
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

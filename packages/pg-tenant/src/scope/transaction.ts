import { type ScopeTrace, TenancyError } from '@org/core'
import { checkout } from '../driver/checkout.ts'
import type { CopyExchange } from '../driver/copy-exchange.ts'
import type { Step } from '../driver/exchange.ts'
import type { Session } from '../driver/session.ts'
import type { PoolLike } from '../driver/types.ts'
import { connectionLost, escaped, fromFailedStep } from '../errors/from-scope.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { askTicket, commit } from './commit.ts'
import { Conversation, type Steps } from './conversation.ts'
import type { Sent } from './kept.ts'
import { undo } from './leaving.ts'
import type { ScopeSettings } from './options.ts'

/**
 * The one transaction of a scope: opens with its first statement, in the same message, and closes in one more. It takes
 * the connection, has one exchange on it at a time, and says what their outcomes mean for the scope.
 */
export class Transaction {
  readonly settings: ScopeSettings
  readonly conversation: Conversation
  /** What those who listen are told of it; `undefined` when nobody does. */
  readonly trace: ScopeTrace | undefined
  readonly #pool: PoolLike
  #checkout: Promise<Session> | undefined
  #session: Session | undefined
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
    this.settings = settings
    this.conversation = new Conversation(entrance, settings)
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
    const exchange = this.conversation.send(session, steps)
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

  /**
   * Runs the last statements, if any, checks that the scope still is what it was, and commits: one message.
   *
   * @throws TenancyError SCOPE_ESCAPED, UNKNOWN_OUTCOME, CONFLICT, … ; unless the outcome is unknown, nothing was
   *   committed
   */
  async commit(last: Steps = noSteps): Promise<void> {
    const session = await this.connect()
    const { settings } = this
    const ticket = settings.resolveUnknownOutcome
      ? await askTicket((steps) => this.run(steps), last, settings)
      : undefined
    this.#closed = true
    await commit(session, this.conversation, { last, ticket, pool: this.#pool })
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
    await undo(session, this.conversation)
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

  #die(error: TenancyError): void {
    this.doom ??= error
    this.#reportLoss?.(this.doom)
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

import { crossTenant, type ScopeTrace, TenancyError, type TenantKey, tryCurrentTenant } from '@org/core'
import { aborted } from '../errors/from-scope.ts'
import type { Isolation } from '../isolation/isolation.ts'
import { tracedScope } from '../observe/traced.ts'
import { Block } from './block.ts'
import { blockOf, createHandle } from './handle.ts'
import type { ScopeSettings } from './options.ts'
import { notAwaited, swallowed } from './refuse.ts'
import { Savepoint } from './savepoint.ts'
import type { TenantDb } from './tenant-db.ts'
import { Transaction } from './transaction.ts'

/** A scope that is opened and closed by hand, for code that cannot be put into a callback. */
export interface OpenScope extends AsyncDisposable {
  /** The tenant's database. Opens with its first statement; dead when the scope has ended. */
  readonly db: TenantDb
  /** Begins a savepoint; `db` is another handle from then on, until it is released or rolled back to. */
  savepoint(name: string): void
  /**
   * Undoes what has been done since the savepoint of that name, a failed statement included. It can be rolled back to again.
   *
   * @throws TenancyError VALIDATION_ERROR when there is none
   */
  rollbackTo(name: string): Promise<void>
  /** Keeps what has been done since the savepoint. @throws TenancyError VALIDATION_ERROR; SCOPE_FAILED */
  release(name: string): Promise<void>
  /**
   * Checks that the scope still is what it was, and commits.
   *
   * @throws TenancyError SILENT_ROLLBACK, QUERY_NOT_AWAITED, SCOPE_ESCAPED, UNKNOWN_OUTCOME, … as `withTenant` does
   */
  commit(): Promise<void>
  /** Undoes everything; never throws. Disposing does the same where nobody has committed. */
  rollback(): Promise<void>
}

/** A savepoint under the name that its caller gave it, and the block behind it, another one after each rollback to it. */
interface Named {
  readonly name: string
  readonly savepoint: Savepoint
  block: Block
}

/** What is the same of a scope of one's own and of a part of another. */
abstract class Scope implements OpenScope {
  readonly #base: Block
  readonly #stack: Named[] = []
  readonly #handles = new WeakMap<Block, TenantDb>()
  #over = false

  constructor(base: Block) {
    this.#base = base
  }

  get block(): Block {
    return this.#stack.at(-1)?.block ?? this.#base
  }

  get over(): boolean {
    return this.#over
  }

  get db(): TenantDb {
    const { block } = this
    const known = this.#handles.get(block)
    if (known) return known
    const made = createHandle(block)
    this.#handles.set(block, made)
    return made
  }

  savepoint(name: string): void {
    this.#assertOpen()
    const { block } = this
    if (block.failure) throw block.failure
    const savepoint = new Savepoint(block)
    this.#stack.push({ name, savepoint, block: savepoint.block() })
  }

  async rollbackTo(name: string): Promise<void> {
    this.#assertOpen()
    const [found, ...inner] = this.#from(name)
    for (const { block } of [found, ...inner]) block.end()
    await found.savepoint.rewind()
    found.block = found.savepoint.block()
    this.#stack.push(found)
  }

  async release(name: string): Promise<void> {
    this.#assertOpen()
    this.#indexOf(name)
    const { block } = this
    if (block.busy) throw notAwaited()
    if (block.failure) throw block.failure
    const [found, ...inner] = this.#from(name)
    for (const one of [found, ...inner]) one.block.end()
    for (const { savepoint } of inner) savepoint.forget()
    found.savepoint.release()
  }

  async commit(): Promise<void> {
    this.#assertOpen()
    const { block } = this
    const { transaction } = block
    const failure = [this.#base, ...this.#stack.map((one) => one.block)].find((one) => one.failure)?.failure
    const wrong = block.busy ? notAwaited() : (transaction.doom ?? (failure && swallowed(failure)))
    if (wrong) {
      await this.rollback()
      throw wrong
    }
    this.#close()
    await this.committing()
  }

  async rollback(): Promise<void> {
    if (this.#over) return
    this.#close()
    await this.undoing()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rollback()
  }

  /** No statement of the scope, or of a savepoint in it, runs any more. */
  protected endBlocks(why: () => TenancyError): void {
    for (const block of [this.#base, ...this.#stack.map((one) => one.block)]) block.end(why)
  }

  protected abstract committing(): Promise<void>
  protected abstract undoing(): Promise<void>

  #close(): void {
    this.#over = true
    this.#base.end()
  }

  #indexOf(name: string): number {
    const at = this.#stack.findLastIndex((one) => one.name === name)
    if (at >= 0) return at
    throw new TenancyError('VALIDATION_ERROR', 'There is no savepoint of that name in this scope.')
  }

  /** Takes the savepoint of that name off, with those behind it. */
  #from(name: string): readonly [Named, ...Named[]] {
    return this.#stack.splice(this.#indexOf(name)) as [Named, ...Named[]]
  }

  #assertOpen(): void {
    if (!this.#over) return
    throw new TenancyError('SCOPE_ENDED', 'This scope has been committed or rolled back. Open another one.')
  }
}

class OwnScope extends Scope {
  readonly #transaction: Transaction
  readonly #end: End
  #undone: Promise<void> | undefined
  readonly #onAbort = () => this.#abort()

  constructor(owner: object, tenant: TenantKey, transaction: Transaction, end: End) {
    super(new Block(owner, tenant, transaction))
    this.#transaction = transaction
    this.#end = end
    transaction.settings.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** What is running is cancelled on the server, everything is rolled back, and no statement runs any more. */
  #abort(): void {
    const { settings } = this.#transaction
    const why = () => aborted(settings.signal as AbortSignal)
    this.#transaction.doom ??= why()
    this.endBlocks(why)
    this.#undo(true)
  }

  #undo(cancel: boolean): Promise<void> {
    this.#transaction.settings.signal?.removeEventListener('abort', this.#onAbort)
    this.#undone ??= this.#transaction.rollback(cancel)
    return this.#undone
  }

  protected async committing(): Promise<void> {
    this.#transaction.settings.signal?.removeEventListener('abort', this.#onAbort)
    try {
      await this.#transaction.commit()
      this.#end()
    } catch (error) {
      await this.#transaction.rollback(false)
      this.#end(error)
      throw error
    }
  }

  protected async undoing(): Promise<void> {
    await this.#undo(false)
    this.#end(this.#transaction.doom)
  }
}

/** Tells of its end, and of what made it fail, if anything. */
type End = (failure?: unknown) => void

/** What is opened and closed by hand has no promise of its own; those who listen are given one. */
function begun(facts: Parameters<typeof tracedScope>[0]): [ScopeTrace | undefined, End] {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let trace: ScopeTrace | undefined
  tracedScope(facts, (made) => {
    trace = made
    return promise
  }).catch(() => {})
  return [trace, (failure) => (failure === undefined ? resolve() : reject(failure))]
}

/** Opens a scope of its own. @throws TenancyError CROSS_TENANT inside a request of another tenant */
export function openScope(
  owner: object,
  isolation: Isolation,
  tenant: TenantKey,
  settings: ScopeSettings,
): OpenScope {
  const current = tryCurrentTenant()
  if (current !== undefined && current !== tenant) throw crossTenant()
  if (settings.signal?.aborted) throw aborted(settings.signal)
  const pool = isolation.poolOf(tenant)
  const [trace, end] = begun({ kind: 'open', tenant, level: isolation.level, readOnly: settings.readOnly })
  const transaction = new Transaction(pool, isolation.entranceOf(tenant), settings, trace)
  return new OwnScope(owner, tenant, transaction, end)
}

class InnerScope extends Scope {
  readonly #around: Block
  readonly #savepoint: Savepoint

  constructor(around: Block) {
    const savepoint = new Savepoint(around)
    super(savepoint.block())
    this.#around = around
    this.#savepoint = savepoint
  }

  protected async committing(): Promise<void> {
    this.#savepoint.release()
  }

  protected async undoing(): Promise<void> {
    // What is around has ended, and this with it.
    if (!this.#around.ended) await this.#savepoint.undo()
  }
}

/** A part of the scope that `db` belongs to, in a savepoint of it. */
export function openWithin(db: TenantDb): OpenScope {
  return new InnerScope(blockOf(db))
}

import { Block, currentBlock } from './block.ts'
import { once, rollbackTo } from './control.ts'
import type { Conversation, Pending } from './conversation.ts'
import { notAwaited, swallowed } from './refuse.ts'

let savepoints = 0

/**
 * A savepoint of the block that it is made in. SAVEPOINT goes out with the first statement behind it, RELEASE with whatever
 * comes next: neither costs a round trip, and where nothing was sent in between, neither is sent.
 */
export class Savepoint {
  readonly #name = `pgt_s${(++savepoints).toString(36)}`
  readonly #around: Block
  #entry: Pending

  constructor(around: Block) {
    this.#around = around
    this.#entry = this.#queue()
  }

  get #conversation(): Conversation {
    return this.#around.transaction.conversation
  }

  #queue(): Pending {
    return this.#conversation.queueCommand(`savepoint ${this.#name}`)
  }

  /** A block of statements behind it. */
  block(): Block {
    const { owner, tenant, transaction } = this.#around
    return new Block(owner, tenant, transaction, this.#around)
  }

  release(): void {
    if (!this.forget()) this.#conversation.queueCommand(`release savepoint ${this.#name}`)
  }

  /** Takes it back if it has not been sent; says whether it could. One around it ends what was sent. */
  forget(): boolean {
    return this.#conversation.unqueue(this.#entry)
  }

  /** Undoes what has been done behind it; it stays, to be rolled back to again. */
  async rewind(): Promise<void> {
    // Not sent yet: nothing ran behind it.
    if (this.#withdraw()) this.#entry = this.#queue()
    else await this.#around.send(({ slot }) => [rollbackTo(slot, this.#name)])
  }

  /** Undoes what has been done behind it, and ends it. */
  async undo(): Promise<void> {
    // Not sent yet: nothing ran inside. Never sent because the scope is doomed: COMMIT will not happen either.
    if (this.#withdraw() || this.#around.transaction.doom) return
    await this.#around.send(({ slot }) => [
      rollbackTo(slot, this.#name),
      once('savepoint', slot, `release savepoint ${this.#name}`),
    ])
  }

  #withdraw(): boolean {
    this.#conversation.unqueueBehind(this.#entry)
    return this.forget()
  }
}

/**
 * Runs `body` in a savepoint of `block`: its statements take effect together or not at all, and what fails inside does
 * not fail what is around.
 */
export function runSavepoint<T>(block: Block, body: (inner: Block) => Promise<T>): Promise<T> {
  return block.enqueue(async () => {
    const savepoint = new Savepoint(block)
    const inner = savepoint.block()
    let value: T
    try {
      value = await currentBlock.run(inner, () => body(inner))
      if (await inner.finish()) throw notAwaited()
      if (inner.failure) throw swallowed(inner.failure)
    } catch (error) {
      if (!inner.ended) await inner.finish()
      await savepoint.undo()
      throw error
    }
    savepoint.release()
    return value
  })
}

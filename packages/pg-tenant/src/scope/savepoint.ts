import { Block, currentBlock } from './block.ts'
import { once, rollbackTo } from './control.ts'
import { notAwaited, swallowed } from './refuse.ts'

let savepoints = 0

/**
 * Runs `body` in a savepoint of `block`: its statements take effect together or not at all, and what fails inside does
 * not fail what is around. SAVEPOINT goes out with the first statement, RELEASE with whatever comes next: neither
 * costs a round trip.
 */
export function runSavepoint<T>(block: Block, body: (inner: Block) => Promise<T>): Promise<T> {
  return block.enqueue(async () => {
    const { transaction, owner, tenant } = block
    const name = `pgt_${(++savepoints).toString(36)}`
    const inner = new Block(owner, tenant, transaction, block)
    const entry = transaction.conversation.queueCommand(`savepoint ${name}`)
    const undo = async () => {
      transaction.conversation.unqueueBehind(entry)
      // Not sent yet: nothing ran inside. Never sent because the scope is doomed: COMMIT will not happen either.
      if (transaction.conversation.unqueue(entry) || transaction.doom) return
      await block.send(({ slot }) => [
        rollbackTo(slot, name),
        once('savepoint', slot, `release savepoint ${name}`),
      ])
    }
    let value: T
    try {
      value = await currentBlock.run(inner, () => body(inner))
      if (await inner.finish()) throw notAwaited()
      if (inner.failure) throw swallowed(inner.failure)
    } catch (error) {
      if (!inner.ended) await inner.finish()
      await undo()
      throw error
    }
    if (!transaction.conversation.unqueue(entry))
      transaction.conversation.queueCommand(`release savepoint ${name}`)
    return value
  })
}

import type { TenancyError } from '@org/core'
import { statement } from '../driver/messages.ts'
import { currentLevel, Level } from './level.ts'
import { notAwaited, swallowed } from './misuse.ts'

let savepoints = 0

/**
 * Runs `body` in a savepoint of `level`: its statements take effect together or not at all, and what fails inside does
 * not fail what is around. SAVEPOINT goes out with the first statement, RELEASE with whatever comes next: neither
 * costs a round trip.
 */
export function runSavepoint<T>(level: Level, body: (inner: Level) => Promise<T>): Promise<T> {
  return level.enqueue(async () => {
    const { transaction, owner, tenant } = level
    const name = `pgt_${(++savepoints).toString(36)}`
    const inner = new Level(owner, tenant, transaction, level)
    const entry = transaction.queueCommand(`savepoint ${name}`)
    const undo = async () => {
      inner.end()
      transaction.unqueueBehind(entry)
      // Not sent yet: nothing ran inside. Never sent because the scope is doomed: COMMIT will not happen either.
      if (transaction.unqueue(entry) || transaction.doom) return
      await level.send(() => [
        { phase: 'savepoint', bytes: statement(`rollback to savepoint ${name}`) },
        { phase: 'savepoint', bytes: statement(`release savepoint ${name}`) },
      ])
    }
    let value: T
    try {
      value = await currentLevel.run(inner, () => body(inner))
    } catch (error) {
      await undo()
      throw error
    }
    if (inner.busy || inner.failure) {
      const error = inner.busy ? notAwaited() : swallowed(inner.failure as TenancyError)
      await undo()
      throw error
    }
    inner.end()
    if (!transaction.unqueue(entry)) transaction.queueCommand(`release savepoint ${name}`)
    return value
  })
}

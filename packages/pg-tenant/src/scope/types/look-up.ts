import { TenancyError } from '@org/core'
import { checkout } from '../../driver/checkout.ts'
import type { PoolLike } from '../../driver/types.ts'
import type { Block } from '../block.ts'
import type { ScopeSettings } from '../options.ts'
import { learnedTypes, type TypeRow, typesStep } from './catalog.ts'
import type { TenantTypes } from './tenant-types.ts'

/** What is to be learned, and of whom. */
export interface Question {
  readonly known: TenantTypes
  readonly place: string
  readonly oids: readonly number[]
}

/** Looks types up in the transaction, where those that it made are seen. */
export async function lookUpWithin(block: Block, { known, place, oids }: Question): Promise<void> {
  const rows: TypeRow[] = []
  await block.send(({ slot }) => [typesStep(slot, oids, (row) => rows.push(row))])
  known.learn(place, learnedTypes(rows, known))
}

/**
 * Looks types up behind a COMMIT.
 *
 * @throws TenancyError RESULT_UNREADABLE: the statement is committed, whatever happens here
 */
export async function lookUpAfterCommit(
  pool: PoolLike,
  { connectionTimeout, statementTimeout }: ScopeSettings,
  { known, place, oids }: Question,
): Promise<void> {
  const rows: TypeRow[] = []
  try {
    const session = await checkout(pool, connectionTimeout, undefined)
    const step = typesStep(session.slot, oids, (row) => rows.push(row))
    const outcome = await session.send([step], statementTimeout)
    if (outcome.kind === 'done') session.release(session.untouched ? session.memory.served : undefined)
    else session.destroy()
    if (outcome.kind !== 'done') throw outcome.error
  } catch {
    throw new TenancyError(
      'RESULT_UNREADABLE',
      "The types of the result's columns could not be looked up; the statement itself succeeded and is committed.",
      { details: { committed: true } },
    )
  }
  known.learn(place, learnedTypes(rows, known))
}

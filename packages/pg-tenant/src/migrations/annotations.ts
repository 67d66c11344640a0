import { TenancyError } from '@org/core'

/** `expand` works with the previous release of the application, `contract` only after it is gone. */
export type Phase = 'expand' | 'contract'

/** What a migration says of itself in comments at its top. */
export interface Annotations {
  /** `-- pg-tenant: no-transaction`: its statements run one by one, outside a transaction. */
  readonly transaction: boolean
  /** `-- pg-tenant: phase=contract`; without one it is `expand`. */
  readonly phase: Phase
}

const LINE = /^--\s*pg-tenant:(.*)$/

/**
 * Reads the comments before the first statement.
 *
 * @throws TenancyError STATEMENT_REFUSED for an annotation there is not: a typo must not run a migration another way
 */
export function annotationsOf(sql: string, migration: string): Annotations {
  let transaction = true
  let phase: Phase = 'expand'
  for (const [index, text] of sql
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const trimmed = text.trim()
    if (trimmed !== '' && !trimmed.startsWith('--')) break
    for (const word of LINE.exec(trimmed)?.[1]
      ?.trim()
      .split(/[\s,]+/) ?? []) {
      if (word === 'no-transaction') transaction = false
      else if (word === 'phase=expand') phase = 'expand'
      else if (word === 'phase=contract') phase = 'contract'
      else throw unknown(migration, index + 1)
    }
  }
  return { transaction, phase }
}

function unknown(migration: string, line: number): TenancyError {
  return new TenancyError(
    'STATEMENT_REFUSED',
    `Migration ${migration}, line ${line}: there are the annotations no-transaction, phase=expand and phase=contract.`,
    { details: { migration, line } },
  )
}

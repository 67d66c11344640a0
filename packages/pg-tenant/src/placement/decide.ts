import { TenancyError } from '@org/core'
import type { TenantRecord } from '../registry/record.ts'

/** What one cluster says of a tenant. */
export type Answer =
  | { readonly place: string; readonly record: TenantRecord | undefined }
  | { readonly place: string; readonly error: unknown }

export interface Decision {
  /** Where it is, as far as is known. */
  readonly place: string | undefined
  /** Who says that it is at home there. */
  readonly holders: readonly string[]
  /** Whether one instant would look otherwise, so that it is worth asking again. */
  readonly doubtful: boolean
  /** Whether no other answer is needed to know it. */
  readonly settled: boolean
}

/**
 * What follows from the answers. A tenant under way between two clusters is where it leaves (`moving`) until it has changed
 * hands (`moved`), then where it comes (`arriving`).
 *
 * @param deleted whether a tombstone is an answer
 */
export function decide(answers: readonly Answer[], deleted: boolean): Decision {
  const records = answers.flatMap((one) =>
    'record' in one && one.record ? [{ ...one, record: one.record }] : [],
  )
  const by = (...wanted: readonly string[]) =>
    records.filter(({ record }) => wanted.includes(record.status)).map(({ place }) => place)
  const holders = by('active', 'suspended', 'provisioning', 'deleting')
  const moving = by('moving')
  const arriving = by('arriving')
  const gone = by('moved')
  const under = moving[0] ?? (gone.length > 0 ? arriving[0] : undefined)
  const place = holders[0] ?? under ?? (deleted ? (by('deleted')[0] ?? arriving[0]) : undefined)
  return {
    place,
    holders,
    doubtful: holders.length + moving.length > 1 || (place === undefined && records.length > 0),
    settled: holders.length === 1 && by('active', 'suspended').length === 1,
  }
}

export function conflicting(tenant: string, placements: readonly string[]): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Two clusters say that they hold this tenant, so that nothing is run. Where both are one database, give one of them another ' +
      'schemaPrefix and rolePrefix. Else drop it in the one where it should not be.',
    { details: { tenant, placements: placements.join(', ') } },
  )
}

import type { CheckPlace } from '@org/core'
import { qualify } from '../sql/identifier.ts'

/** @internal Whether tables are there that the statements behind this ask. */
export async function areThere(
  place: CheckPlace,
  schema: string,
  ...tables: readonly string[]
): Promise<boolean> {
  const { rows } = await place.query<{ there: boolean }>(
    'select bool_and(to_regclass(name) is not null) as there from unnest($1::text[]) name',
    [tables.map((table) => qualify(schema, table))],
  )
  return rows[0]?.there === true
}

/** @internal Seconds as a person says them. */
export function ago(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} seconds`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} minutes`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} hours` : `${Math.round(seconds / 86_400)} days`
}

/** @internal Where what belongs to a tenant's own database is looked after. */
export const inEach = ({ tenant }: CheckPlace): string =>
  tenant === undefined ? '' : ' in each tenant’s database'

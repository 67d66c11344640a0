import type { Queryable } from '@org/core'
import { pinnedControl } from '../control/pinned.ts'
import { qualify } from '../sql/identifier.ts'

/** Whose turn it is, by the database's clock: among processes with the same jobs one runs each. */
export interface Turns {
  /** Makes sure that they are known. */
  enrol(names: readonly string[]): Promise<void>
  /** @returns a token when it is the job's time and nobody has it */
  take(name: string, leaseMs: number): Promise<string | undefined>
  /** @returns whether it still is ours */
  renew(name: string, token: string, leaseMs: number): Promise<boolean>
  /** Written only by whoever still has it. */
  over(name: string, token: string, nextMs: number, code: string | null): Promise<void>
}

export function turnsOf(control: Queryable, schema: string): Turns {
  const own = pinnedControl(control, 'installJobs(admin, { runners: [role] })')
  const job = qualify(schema, 'job')
  const after = (n: number) => `clock_timestamp() + $${n}::float8 * interval '1 millisecond'`
  return {
    enrol: async (names) => {
      await own.query(`insert into ${job} (name) select unnest($1::text[]) on conflict do nothing`, [names])
    },
    take: async (name, leaseMs) => {
      const { rows } = await own.query<{ token: string }>(
        `update ${job} set token = gen_random_uuid(), leased_until = ${after(2)}, started_at = clock_timestamp()
          where name = $1::text and next_at <= clock_timestamp() and (leased_until is null or leased_until < clock_timestamp())
          returning token::text as token`,
        [name, leaseMs],
      )
      return rows[0]?.token
    },
    renew: async (name, token, leaseMs) => {
      const { rowCount } = await own.query(
        `update ${job} set leased_until = ${after(3)} where name = $1::text and token = $2::uuid`,
        [name, token, leaseMs],
      )
      return rowCount === 1
    },
    over: async (name, token, nextMs, code) => {
      await own.query(
        `update ${job} set token = null, leased_until = null, next_at = ${after(3)}, code = $4::text,
            succeeded_at = case when $4::text is null then clock_timestamp() else succeeded_at end,
            failed_at = case when $4::text is null then failed_at else clock_timestamp() end
          where name = $1::text and token = $2::uuid`,
        [name, token, nextMs, code],
      )
    },
  }
}

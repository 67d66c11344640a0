import { nameOf, open, settle, stopped } from '../finding.ts'
import { attack, EVERY } from './scene.ts'

const SCOPES = 60

export const pooler = attack(
  { id: 'p', title: 'many scopes at once, named statements, pooler or not', promise: EVERY },
  async ({ subject, a, b }) => {
    const one = async (tenant: string, number: number) => {
      const { rows } = await subject.withTenant(tenant, async (db) => {
        await db.query('select 1')
        return await db.query({
          text: `select body, ${number % 7} as n from notes`,
          name: `kit_${number % 7}`,
        })
      })
      if (rows[0]?.body !== `row of ${tenant}`) throw new Error('rows of another tenant')
    }
    const outcomes = await Promise.all(
      Array.from({ length: SCOPES }, (_, number) => settle(one(number % 2 ? a : b, number))),
    )
    const failed = outcomes.flatMap((outcome) => (outcome.ok ? [] : [nameOf(outcome.error)]))
    if (failed.length > 0) return open(`${failed.length} of ${SCOPES} scopes failed, e.g. ${failed[0]}`)
    return stopped(`${SCOPES} scopes, each on its own rows`)
  },
  { max: 4 },
)

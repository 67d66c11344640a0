import { open, settle, stopped } from '../finding.ts'
import type { Finding } from '../types.ts'
import { attack, EVERY, type Scene } from './scene.ts'

const PAIRS: readonly (readonly [string, string, string])[] = [
  ['a dash and an underscore', 'acme-1', 'acme_1'],
  ['letter case', 'Acme', 'acme'],
  ['what follows byte 63', `${'k'.repeat(70)}1`, `${'k'.repeat(70)}2`],
  ['characters of two bytes', `${'é'.repeat(40)}1`, `${'é'.repeat(40)}2`],
  ['a space', 'acme 1', 'acme1'],
]

/** Whether what is written under the first key is read under the second; a refused key cannot collide. */
async function collides({ subject }: Scene, first: string, second: string): Promise<boolean> {
  const body = `secret of ${first.slice(0, 10)}`
  for (const key of [first, second]) if (subject.provision) await settle(subject.provision(key))
  const written = await settle(
    subject.withTenant(first, (db) => db.query('insert into notes (body) values ($1)', [body])),
  )
  const read = await settle(subject.withTenant(second, (db) => db.query('select body from notes')))
  return written.ok && read.ok && read.value.rows.some((row) => row.body === body)
}

export const keyCollision = attack(
  { id: 'c', title: 'two keys, one schema', promise: EVERY },
  async (scene): Promise<Finding> => {
    const same: string[] = []
    for (const [what, first, second] of PAIRS) if (await collides(scene, first, second)) same.push(what)
    if (same.length > 0)
      return open(`one tenant reads the other when keys differ only in: ${same.join(', ')}`)
    return stopped(`${PAIRS.length} pairs of similar keys: refused, or kept apart`)
  },
)

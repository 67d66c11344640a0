import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify } from '../sql/identifier.ts'
import type { Collected } from './collected.ts'
import type { Look } from './read-only.ts'

/** Adoptions that nobody has confirmed or undone: until then others may see the tenant as they could before. */
export async function checkAdoptions(
  look: Look,
  { registry }: Lifecycle,
  collected: Collected,
): Promise<void> {
  const table = qualify(registry.controlSchema, 'tenant_adoption')
  const [there] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
  if (!there?.there) return
  const rows = await look<{ key: string; days: number }>(
    `select key, floor(extract(epoch from now() - adopted_at) / 86400)::int as days from ${table}
     where prefix = $1 order by key collate "C"`,
    [registry.prefix],
  )
  for (const { key, days } of rows)
    collected.add({
      code: 'UNCONFIRMED',
      severity: 'warning',
      subject: key,
      message: `${key} was adopted${days > 0 ? ` ${days} day(s) ago` : ''} and that is not confirmed: earlier owners, and PUBLIC, may what they could before.`,
      fix: 'confirmAdoption(key), when the application goes through scopes; or undoAdoption(key).',
    })
}

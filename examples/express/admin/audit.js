import { ask } from './api.js'
import { $, button, element, moment, shows, table } from './page.js'

const COLUMNS = ['When', 'Who', 'Action', 'What', 'Changed']
const FAULTS = {
  entry_missing: 'an entry is missing',
  entry_changed: 'an entry was changed',
  entry_inserted: 'an entry was put in afterwards',
  entry_forged: 'an entry was forged',
  seal_missing: 'a seal is missing',
  seal_changed: 'a seal was changed',
  head_missing: 'the end was cut off',
}

/** Who did what in a tenant, the newest first, and whether it is as it was written. */
export function showAudit(base) {
  const verdict = element('p', '')
  verdict.setAttribute('role', 'status')
  const verify = button('Verify', 'Verify the audit log', async () => {
    verdict.textContent = 'Reading it all …'
    const { data } = await ask('GET', `${base}/audit-logs/verification`)
    verdict.textContent = sentence(data)
    verdict.className = data.ok ? 'verdict ok' : 'verdict error'
  })
  return shows($('#audit'), async () => {
    const rows = await page(`${base}/audit-logs?limit=20`)
    return [verify, verdict, ...rows]
  })
}

async function page(path) {
  const { data, meta } = await ask('GET', path)
  if (data.length === 0) return [element('p', 'Nothing has been recorded.', 'quiet')]
  const shown = table('Who did what', COLUMNS, data.map(rowOf))
  if (!meta.hasMore) return [shown]
  const next = new URL(path, location.origin)
  next.searchParams.set('cursor', meta.nextCursor)
  const more = button('More', 'More of the audit log', async () => {
    more.replaceWith(...(await page(`${next.pathname}${next.search}`)))
  })
  return [shown, more]
}

function rowOf({ createdAt, actor, action, entity, changes }) {
  return [
    moment(createdAt),
    actor.id ? `${actor.type} ${actor.id}` : actor.type,
    action,
    entity ? `${entity.type} ${entity.id}` : '–',
    Object.keys(changes ?? {}).join(', ') || '–',
  ]
}

function sentence({ ok, entries, unsealed, removed, faults }) {
  const seen = `${entries} entries sealed, ${unsealed} not yet, ${removed} removed by retention.`
  if (ok) return `As it was written: ${seen}`
  const kinds = [...new Set(faults.map(({ kind }) => FAULTS[kind] ?? kind))]
  return `Not as it was written: ${kinds.join(', ')} (${faults.length} found). ${seen}`
}

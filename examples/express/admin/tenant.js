import { ask, everything } from './api.js'
import { showAudit } from './audit.js'
import { showDeliveries } from './deliveries.js'
import { $, element, inWords, onSubmit, option, shows } from './page.js'
import { showUsage } from './usage.js'

const section = $('#tenant')
const explanation = $('#explanation')
let current

/** One tenant: who may do what in it, its settings with the secrets masked, and what went on. */
export async function openTenant(tenant) {
  current = tenant
  $('#tenant-title').textContent = tenant.name
  explanation.replaceChildren()
  section.hidden = false
  $('#tenant-title').focus()
  const base = `/v1/tenants/${tenant.id}`
  // A part that cannot be shown (the tenant is suspended, say) says so in its own place.
  await Promise.all([
    chooseFrom(base),
    shows($('#settings'), () => settings(base)),
    showUsage(base),
    showDeliveries(base),
    showAudit(base),
  ])
}

async function chooseFrom(base) {
  const [users, actions] = [$('[name=user]', section), $('[name=action]', section)]
  for (const one of [users, actions]) one.replaceChildren()
  try {
    const [people, all] = await Promise.all([
      everything(`${base}/users?sort=name:asc&limit=200`),
      everything('/v1/catalog/actions?sort=key:asc&limit=200'),
    ])
    users.append(...people.map((user) => option(user.id, `${user.name} (${user.email})`)))
    actions.append(...all.map(({ key, name }) => option(key, `${key}: ${name}`)))
  } catch (error) {
    explanation.replaceChildren(element('p', inWords(error), 'error'))
  }
}

onSubmit($('form', section), async ({ user, action }) => {
  const { data } = await ask(
    'GET',
    `/v1/tenants/${current.id}/explain?${new URLSearchParams({ user, action })}`,
  )
  const steps = document.createElement('ol')
  steps.append(
    ...data.steps.map(({ ok, sentence }) =>
      element('li', `${ok ? '✓' : '✗'} ${sentence}`, ok ? 'ok' : 'missing'),
    ),
  )
  explanation.replaceChildren(
    element('p', data.allowed ? 'Allowed: every link holds.' : `Denied: ${data.sentence}`, 'verdict'),
    steps,
  )
})

async function settings(base) {
  const { data } = await ask('GET', `${base}/settings`)
  if (data.length === 0) return [element('p', 'No setting has been made.', 'quiet')]
  const list = document.createElement('dl')
  for (const { key, value, masked } of data) {
    list.append(element('dt', key), element('dd', masked ? '•••••••• (a secret)' : String(value)))
  }
  return [list]
}

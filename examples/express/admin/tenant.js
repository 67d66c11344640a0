import { ask } from './api.js'
import { $, element, onSubmit } from './page.js'

const section = $('#tenant')
const explanation = $('#explanation')
let current

/** One tenant: who may do what in it, and its settings with the secrets masked. */
export async function openTenant(tenant) {
  current = tenant
  const [users, actions, settings] = await Promise.all([
    everything(`/v1/tenants/${tenant.id}/users?sort=name:asc&limit=200`),
    everything('/v1/catalog/actions?sort=key:asc&limit=200'),
    ask('GET', `/v1/tenants/${tenant.id}/settings`),
  ])
  $('#tenant-title').textContent = tenant.name
  $('[name=user]', section).replaceChildren(
    ...users.map((user) => option(user.id, `${user.name} (${user.email})`)),
  )
  $('[name=action]', section).replaceChildren(
    ...actions.map(({ key, name }) => option(key, `${key}: ${name}`)),
  )
  $('#settings').replaceChildren(...settings.data.flatMap(settingOf))
  explanation.replaceChildren()
  section.hidden = false
  $('#tenant-title').focus()
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

async function everything(path) {
  const { data, meta } = await ask('GET', path)
  if (!meta.hasMore) return data
  const next = new URL(path, location.origin)
  next.searchParams.set('cursor', meta.nextCursor)
  return [...data, ...(await everything(`${next.pathname}${next.search}`))]
}

function option(value, text) {
  const made = element('option', text)
  made.value = value
  return made
}

function settingOf({ key, value, masked }) {
  return [element('dt', key), element('dd', masked ? '•••••••• (a secret)' : String(value))]
}

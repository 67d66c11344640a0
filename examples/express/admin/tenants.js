import { ask, everything } from './api.js'
import { $, bytes, dialogOf, element, fillIn, guarded, inWords, onSubmit, option, say } from './page.js'
import { openTenant } from './tenant.js'

const section = $('#tenants')
const more = $('#more')
const body = $('tbody', section)
let query = {}
let cursor

export async function showTenants() {
  $('form', section).reset()
  await search({})
}

onSubmit($('form', section), search)
more.addEventListener('click', () => guarded(more, load))
$('#create-tenant').addEventListener('click', ({ target }) => guarded(target, create))

async function search({ q = '', status = '' }) {
  query = { ...(q && { q }), ...(status && { status }) }
  cursor = undefined
  await load()
}

async function load() {
  const parameters = new URLSearchParams({ limit: 50, sort: 'slug:asc', include: 'size', ...query })
  if (cursor) parameters.set('cursor', cursor)
  const { data, meta } = await ask('GET', `/v1/tenants?${parameters}`)
  if (!cursor) body.replaceChildren()
  body.append(...data.map(rowOf))
  cursor = meta.nextCursor
  more.hidden = !meta.hasMore
  if (!$('tr', body)) say('No tenant matches.')
}

function rowOf(tenant) {
  const row = $('#tenant-row').content.cloneNode(true).firstElementChild
  row.dataset.key = tenant.id
  $('.open', row).addEventListener('click', ({ target }) => guarded(target, () => openTenant(tenant)))
  $('.toggle', row).addEventListener('click', ({ target }) => guarded(target, () => toggle(row, tenant)))
  return fill(row, tenant)
}

function fill(row, { id, name, status, packages, bytes: size, schemaVersion, suspendedReason }) {
  $('.name', row).textContent = name
  $('.key', row).textContent = id
  $('.status', row).textContent = status
  $('.status', row).dataset.status = status
  $('.reason', row).textContent = suspendedReason ?? ''
  $('.packages', row).textContent = packages.join(', ') || '–'
  if (size !== undefined) $('.size', row).textContent = bytes(size)
  $('.version', row).textContent = schemaVersion ?? '–'
  const toggles = $('.toggle', row)
  toggles.textContent = status === 'suspended' ? 'Resume' : 'Suspend'
  toggles.setAttribute('aria-label', `${toggles.textContent} ${name}`)
  $('.open', row).setAttribute('aria-label', `Open ${name}`)
  toggles.hidden = (status !== 'active' && status !== 'suspended') || id === 'platform'
  return row
}

async function toggle(row, tenant) {
  const suspended = tenant.status === 'suspended'
  const change = suspended ? { status: 'active' } : await askForReason(tenant)
  if (change === undefined) return
  const { data } = await ask('PATCH', `/v1/tenants/${tenant.id}`, change)
  Object.assign(tenant, data)
  fill(row, tenant)
  say(`${tenant.name} is ${data.status}.`)
}

/** `undefined` when it was cancelled. */
async function askForReason({ name }) {
  $('#suspend-title').textContent = `Suspend ${name}?`
  const given = await fillIn($('#suspend'))
  return given && { status: 'suspended', reason: given.reason }
}

/** Makes a tenant. */
async function create() {
  const [packages, plans] = await Promise.all([
    everything('/v1/catalog/packages?sort=key:asc&limit=200'),
    ask('GET', '/v1/plans').then(({ data }) => data),
  ])
  const dialog = dialogOf('#create')
  $('[name=packageKey]', dialog).append(...packages.map(({ key, name }) => option(key, name)))
  $('[name=plan]', dialog).append(...plans.map(({ key, name }) => option(key, name ?? key)))
  let made
  // It stays until there is a tenant: what was filled in is not lost to a refusal.
  submitting($('form', dialog), async (form) => {
    made = await onboard(Object.fromEntries(new FormData(form)))
    dialog.close('done')
  })
  await fillIn(dialog)
  if (made) await tell(made)
}

/** Sent again after an answer that was lost, it makes no second tenant. */
const sent = new Map()

async function onboard({ adminEmail, adminName, ...facts }) {
  const body = { ...facts, adminUser: { email: adminEmail, name: adminName } }
  const request = JSON.stringify(body)
  const once = sent.get(request) ?? crypto.randomUUID()
  sent.set(request, once)
  const { data } = await ask('POST', '/v1/tenants', body, once)
  sent.delete(request)
  return data
}

/** Behind a dialog nobody sees what the page says: it is said in the dialog. */
function submitting(form, work) {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    $('.error', form).textContent = ''
    void guarded($('button[type=submit]', form), () =>
      work(form).catch((error) => {
        $('.error', form).textContent = inWords(error)
      }),
    )
  })
}

async function tell({ tenant, adminUser, invitation }) {
  await search({})
  say(`${tenant.name} is ${tenant.status}.`)
  if (!invitation) return
  const dialog = dialogOf('#invited')
  $('p', dialog).textContent = `Give this invitation to ${adminUser.email}. It is shown once.`
  $('output', dialog).append(element('code', invitation.token))
  await fillIn(dialog)
}

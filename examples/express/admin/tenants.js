import { ask } from './api.js'
import { $, bytes, guarded, onSubmit, say } from './page.js'
import { openTenant } from './tenant.js'

const section = $('#tenants')
const more = $('#more')
const dialog = $('#suspend')
let query = {}
let cursor

export async function showTenants() {
  section.hidden = false
  await search({})
}

onSubmit($('form', section), search)
more.addEventListener('click', () => guarded(more, load))

async function search({ q = '', status = '' }) {
  query = { ...(q && { q }), ...(status && { status }) }
  cursor = undefined
  $('tbody', section).replaceChildren()
  await load()
}

async function load() {
  const parameters = new URLSearchParams({ limit: 50, sort: 'slug:asc', include: 'size', ...query })
  if (cursor) parameters.set('cursor', cursor)
  const { data, meta } = await ask('GET', `/v1/tenants?${parameters}`)
  $('tbody', section).append(...data.map(rowOf))
  cursor = meta.nextCursor
  more.hidden = !meta.hasMore
  if (!$('tbody tr', section)) say('No tenant matches.')
}

function rowOf(tenant) {
  const row = $('#tenant-row').content.cloneNode(true).firstElementChild
  row.dataset.key = tenant.id
  $('.open', row).addEventListener('click', (event) => guarded(event.target, () => openTenant(tenant)))
  $('.toggle', row).addEventListener('click', (event) => guarded(event.target, () => toggle(row, tenant)))
  return fill(row, tenant)
}

function fill(row, { id, name, status, packages, bytes: size, schemaVersion, suspendedReason }) {
  $('.name', row).textContent = name
  $('.key', row).textContent = id
  $('.status', row).textContent = status
  $('.status', row).dataset.status = status
  $('.status', row).title = suspendedReason ?? ''
  $('.packages', row).textContent = packages.join(', ')
  if (size !== undefined) $('.size', row).textContent = bytes(size)
  $('.version', row).textContent = schemaVersion ?? '–'
  const button = $('.toggle', row)
  button.textContent = status === 'suspended' ? 'Resume' : 'Suspend'
  button.setAttribute('aria-label', `${button.textContent} ${name}`)
  $('.open', row).setAttribute('aria-label', `Open ${name}`)
  button.hidden = (status !== 'active' && status !== 'suspended') || id === 'platform'
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
  const form = $('form', dialog)
  form.reset()
  dialog.returnValue = 'cancel'
  dialog.showModal()
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  const { reason } = Object.fromEntries(new FormData(form))
  return dialog.returnValue === 'suspend' ? { status: 'suspended', reason } : undefined
}

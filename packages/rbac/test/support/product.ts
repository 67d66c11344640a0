import { defineCatalog, type Snapshot } from '../../src/index.ts'

/** A small product, as a developer would define it. */
export const catalog = defineCatalog({
  tools: { notes: { name: 'Notes' }, billing: { name: 'Billing', description: 'Invoices' } },
  actions: {
    'notes.item.read': { name: 'Read notes', kind: 'read' },
    'notes.item.create': { name: 'Write notes', kind: 'write' },
    'notes.item.delete': { name: 'Delete notes', kind: 'write', status: 'deprecated' },
    'notes.share.manage': { name: 'Share notes', kind: 'admin' },
    'billing.invoice.read': { name: 'Read invoices', kind: 'read' },
    'billing.invoice.pay': { name: 'Pay invoices', kind: 'write' },
  },
  packages: {
    basic: { name: 'Basic', actions: ['notes.item.read', 'notes.item.create'] },
    pro: { name: 'Pro', actions: ['notes.*', 'billing.invoice.read'] },
    'pay-2026': { name: 'Payments', actions: ['billing.*'] },
  },
  limits: { max_notes: { name: 'Notes', unit: 'notes' } },
})

export const ALL = catalog.index.keys as readonly (keyof typeof catalog.actions)[]

export const NOW = Date.parse('2026-06-01T12:00:00Z')
export const now = () => NOW

/** A user in one group that may read notes, in a tenant with everything. */
export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    tenant: { status: 'active' },
    actor: { type: 'user', id: 'u1', status: 'active' },
    packages: [
      { key: 'pro', status: 'active' },
      { key: 'pay-2026', status: 'active' },
    ],
    groups: [{ name: 'READERS', status: 'active', permissions: [{ action: 'notes.item.read' }] }],
    ...changes,
  }
}

export const group = (permissions: NonNullable<Snapshot['groups']>[number]['permissions'], name = 'G') =>
  ({ name, status: 'active', permissions }) as const

/** A service with a key, in the same tenant. */
export function service(
  key: Omit<NonNullable<Snapshot['key']>, 'name' | 'status'>,
  changes: Partial<Snapshot> = {},
) {
  return snapshot({
    actor: { type: 'service', id: 'k1', status: 'active' },
    groups: [],
    key: { name: 'ci', status: 'active', ...key },
    ...changes,
  })
}

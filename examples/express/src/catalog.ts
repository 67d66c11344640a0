import { type ActionOf, defineCatalog } from '@org/rbac'

/**
 * Everything there is to do in the hub itself; each protected route names one of these actions. Tools of other
 * products are added while it runs, by `POST /v1/catalog/tools`.
 */
export const catalog = defineCatalog({
  tools: {
    platform: { name: 'Platform', description: 'Tenants and what they are entitled to. For operators.' },
    catalog: { name: 'Catalogue', description: 'Tools, actions and packages. For operators.' },
    identity: { name: 'Identity', description: 'Users, groups and API keys of a tenant.' },
    account: { name: 'Account', description: "A tenant's own branding, configuration and settings." },
  },
  actions: {
    'platform.tenants.read': { name: 'See tenants', kind: 'read' },
    'platform.tenants.create': { name: 'Create tenants', kind: 'admin' },
    'platform.tenants.update': { name: 'Change, suspend and resume tenants', kind: 'admin' },
    'platform.tenants.delete': { name: 'Off-board tenants', kind: 'admin' },
    'platform.tenants.explain': { name: "Explain who may do what in a tenant's name", kind: 'admin' },
    'platform.packages.assign': { name: 'Assign packages to tenants', kind: 'admin' },
    'platform.resources.read': { name: 'See what tenants use and their limits', kind: 'read' },
    'platform.resources.update': { name: 'Count what tenants use', kind: 'write' },
    'platform.limits.update': { name: "Set a tenant's plan, limits and flags", kind: 'admin' },
    'platform.schemas.create': { name: "Create or complete a tenant's schema", kind: 'admin' },
    'platform.schemas.delete': { name: "Drop a tenant's schema", kind: 'admin' },
    'platform.seeds.run': { name: 'Seed tenants', kind: 'admin' },
    'platform.tenants.clone': { name: 'Copy tenants without their people', kind: 'admin' },
    'platform.tenants.impersonate': { name: 'Enter tenants as one of their users', kind: 'admin' },
    'platform.audit.read': { name: "See tenants' audit logs and usage", kind: 'read' },
    'platform.queue.read': { name: 'See deliveries and dead letters', kind: 'read' },
    'platform.queue.update': { name: 'Send again, and discard dead letters', kind: 'admin' },

    'catalog.tools.read': { name: 'See the catalogue', kind: 'read' },
    'catalog.tools.create': { name: 'Add tools', kind: 'admin' },
    'catalog.actions.create': { name: 'Add actions to tools', kind: 'admin' },
    'catalog.packages.create': { name: 'Add packages', kind: 'admin' },
    'catalog.packages.update': { name: 'Put actions into packages', kind: 'admin' },
    'catalog.plans.read': { name: 'See plans', kind: 'read' },
    'catalog.plans.update': { name: 'Make and change plans', kind: 'admin' },

    'identity.users.read': { name: 'See users', kind: 'read' },
    'identity.users.create': { name: 'Invite users', kind: 'admin' },
    'identity.users.update': { name: 'Change and suspend users', kind: 'admin' },
    'identity.users.export': { name: 'Export what is kept of a user', kind: 'admin' },
    'identity.users.erase': { name: 'Erase users', kind: 'admin' },
    'identity.groups.read': { name: 'See groups, members and permissions', kind: 'read' },
    'identity.groups.create': { name: 'Create groups', kind: 'admin' },
    'identity.groups.update': { name: 'Change groups and their members', kind: 'admin' },
    'identity.permissions.update': { name: 'Grant and revoke permissions', kind: 'admin' },
    'identity.api_keys.read': { name: 'See API keys', kind: 'read' },
    'identity.api_keys.create': { name: 'Create API keys', kind: 'admin' },
    'identity.api_keys.update': { name: 'Rotate, suspend and revoke API keys', kind: 'admin' },

    'account.me.read': { name: 'See who one is', kind: 'read' },
    'account.audit.read': { name: 'See who did what', kind: 'read' },
    'account.usage.read': { name: 'See what is used', kind: 'read' },
    'account.webhooks.read': { name: 'See webhooks and their deliveries', kind: 'read' },
    'account.webhooks.create': { name: 'Add webhooks', kind: 'admin' },
    'account.webhooks.update': { name: 'Change webhooks, and send again', kind: 'admin' },
    'account.credentials.read': { name: 'See which integration credentials there are', kind: 'read' },
    'account.credentials.create': { name: 'Store integration credentials', kind: 'admin' },
    'account.credentials.update': { name: 'Rotate and revoke integration credentials', kind: 'admin' },
    'account.branding.read': { name: 'See the branding', kind: 'read' },
    'account.branding.update': { name: 'Change the branding', kind: 'write' },
    'account.config.read': { name: 'See flags and limits', kind: 'read' },
    'account.config.update': { name: 'Change flags and limits', kind: 'admin' },
    'account.settings.read': { name: 'See settings, secrets masked', kind: 'read' },
    'account.settings.update': { name: 'Change settings and secrets', kind: 'admin' },
  },
  packages: {
    /** Only the platform's own tenant has it: that is what makes its users operators. */
    platform: { name: 'Platform', actions: ['platform.*', 'catalog.*', 'identity.*', 'account.*'] },
    essentials: { name: 'Essentials', actions: ['identity.*', 'account.*'] },
  },
})

export type HubAction = ActionOf<typeof catalog>

/** What is recorded where nobody has signed in yet: it needs no permission, but a password or a key. */
export const UNGUARDED_ACTIONS = [
  'identity.sessions.create',
  'identity.sessions.refresh',
  'identity.sessions.end',
  'identity.passwords.set',
  'platform.databases.create',
] as const

export type UnguardedAction = (typeof UNGUARDED_ACTIONS)[number]

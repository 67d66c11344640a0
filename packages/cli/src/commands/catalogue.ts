import type { CatalogueEntry, CommandModule } from '../command.ts'

const entry = (
  group: string,
  name: string,
  summary: string,
  load: () => Promise<CommandModule>,
): CatalogueEntry => ({ group, name, summary, load })

const [START, LIFE, FLEET, DATA, EVENTS, KEEPING, OTHER] = [
  'Getting started:',
  'The life of a tenant:',
  'All tenants:',
  'Data:',
  'Events:',
  'Usage and keeping:',
  'Other:',
] as const

/** All commands, as `--help` lists them. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  entry(
    START,
    'init',
    'write a configuration, print the SQL for the roles',
    async () => (await import('./init.ts')).init,
  ),
  entry(LIFE, 'create', 'create a tenant, or complete it', async () => (await import('./create.ts')).create),
  entry(
    LIFE,
    'adopt',
    'take over schemas that are there, in place',
    async () => (await import('./adopt.ts')).adopt,
  ),
  entry(
    LIFE,
    'ready',
    'make tenants ahead, so that signing up takes milliseconds',
    async () => (await import('./ready.ts')).ready,
  ),
  entry(LIFE, 'list', 'list the tenants', async () => (await import('./list.ts')).list),
  entry(
    LIFE,
    'suspend',
    'take a tenant out of service, everywhere and at once',
    async () => (await import('./suspend.ts')).suspend,
  ),
  entry(
    LIFE,
    'resume',
    'put a suspended tenant back into service',
    async () => (await import('./resume.ts')).resume,
  ),
  entry(
    LIFE,
    'env',
    'show how to connect as a tenant, or give it a new password',
    async () => (await import('./env.ts')).env,
  ),
  entry(LIFE, 'seed', 'run the seed of the configuration', async () => (await import('./seed.ts')).seed),
  entry(LIFE, 'drop', 'back a tenant up and remove it', async () => (await import('./drop.ts')).drop),
  entry(LIFE, 'move', 'move a tenant to another cluster', async () => (await import('./move.ts')).move),
  entry(
    FLEET,
    'migrate',
    'bring every tenant up to date',
    async () => (await import('./migrate.ts')).migrate,
  ),
  entry(FLEET, 'status', 'who is behind?', async () => (await import('./status.ts')).status),
  entry(FLEET, 'verify', 'prove isolation by attacking it', async () => (await import('./verify.ts')).verify),
  entry(
    FLEET,
    'doctor',
    'find drift, orphans and wrong privileges',
    async () => (await import('./doctor.ts')).doctor,
  ),
  entry(
    FLEET,
    'stats',
    'sizes, rows, versions and connections',
    async () => (await import('./stats.ts')).stats,
  ),
  entry(FLEET, 'advise', 'what to do before it hurts', async () => (await import('./advise.ts')).advise),
  entry(DATA, 'backup', 'back a tenant up, or all', async () => (await import('./backup.ts')).backup),
  entry(
    DATA,
    'restore',
    'restore a backup, also under another key',
    async () => (await import('./restore.ts')).restore,
  ),
  entry(
    DATA,
    'export',
    'export a tenant as JSON or CSV',
    async () => (await import('./export.ts')).exportCommand,
  ),
  entry(
    DATA,
    'rotate-keys',
    'seal all secrets under the current key',
    async () => (await import('./rotate-keys.ts')).rotateKeys,
  ),
  entry(
    EVENTS,
    'worker',
    'hand events of the outbox to their handlers, until stopped',
    async () => (await import('./worker.ts')).worker,
  ),
  entry(
    EVENTS,
    'outbox',
    'install it, look at it, drive dead letters again or discard them',
    async () => (await import('./outbox.ts')).outbox,
  ),
  entry(
    EVENTS,
    'audit',
    'who did what: install, list, seal, verify and export the audit log',
    async () => (await import('./audit.ts')).audit,
  ),
  entry(
    EVENTS,
    'webhooks',
    'who is told of what: endpoints, deliveries, send again',
    async () => (await import('./webhooks.ts')).webhooks,
  ),
  entry(
    KEEPING,
    'usage',
    'what tenants use and may use; add up what was counted',
    async () => (await import('./usage.ts')).usage,
  ),
  entry(
    KEEPING,
    'retention',
    'remove what is past keeping; legal holds',
    async () => (await import('./retention.ts')).retention,
  ),
  entry(
    KEEPING,
    'privacy',
    'all there is of one person: export, erase, check',
    async () => (await import('./privacy.ts')).privacy,
  ),
  entry(
    OTHER,
    'app',
    'a database and role of its own for an app',
    async () => (await import('./app.ts')).app,
  ),
  entry(
    OTHER,
    'completion',
    'print the completion script of a shell',
    async () => (await import('./completion.ts')).completion,
  ),
]

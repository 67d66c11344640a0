import { type Guard, guardsIn } from '../guard.ts'

const SRC = 'packages/pg-tenant/src/'
const ready = guardsIn(SRC, [['packages/pg-tenant/test/ready']])
const registry = guardsIn(SRC, [['packages/pg-tenant/test/registry']])
const cli = guardsIn('packages/cli/src/', [
  ['packages/cli/test/ready', 'packages/cli/test/app', 'packages/cli/test/usage'],
])
const killed = 'packages/pg-tenant/test/faults/'
const faults = guardsIn(SRC, [
  [`${killed}process-killed`, `${killed}refused`, 'packages/pg-tenant/test/apps'],
  [`${killed}server-killed`, `${killed}disk-full`],
])

/** Tenants made ahead, the registry and who listens to it, and what is told when the server or a right goes away. */
export const readyGuards: readonly Guard[] = [
  // Which one is given to whom
  ready(
    'lifecycle/ready/table.ts',
    'from ${migration} m where m.prefix = t.prefix and m.key = t.key and not exists (',
    'from ${migration} m where m.prefix = t.prefix and m.key = t.key and false and not exists (',
  ),
  ready('lifecycle/ready/table.ts', 'w.id = m.id and w.checksum = m.checksum', 'w.id = m.id'),
  ready(
    'lifecycle/ready/table.ts',
    '       and not exists (select from pg_namespace where nspname = $5)\n',
    '       and $5::text is not null\n',
  ),
  ready(
    'lifecycle/ready/table.ts',
    '       and not exists (select from pg_roles where rolname = $6)\n',
    '       and $6::text is not null\n',
  ),
  ready(
    'lifecycle/ready/table.ts',
    'order by ${has} desc, t.created_at limit 1 for update of t skip locked',
    'order by ${has} desc, t.created_at limit 1',
  ),
  ready(
    'lifecycle/ready/table.ts',
    "const READY = `t.prefix = $1 and t.isolation = $2 and t.status = 'ready'`",
    "const READY = `t.prefix = $1 and $2::text is not null and t.status = 'ready'`",
  ),
  ready(
    'lifecycle/ready/table.ts',
    'moved as (update ${migration} set key = $3 where prefix = $1 and key = $2)',
    'moved as (select 1)',
  ),
  ready(
    'lifecycle/ready/table.ts',
    'with marked as (update ${marker} set key = $3, created_at = now()),',
    'with marked as (select from ${marker}),',
  ),
  ready(
    'lifecycle/ready/table.ts',
    '     delete from ${tenant} where prefix = $1 and key = $2`,\n    [lifecycle.registry.prefix, from, to],',
    '     select 1`,\n    [lifecycle.registry.prefix, from, to],',
  ),
  ready('lifecycle/ready/claim.ts', 'if (!taken.current) {', 'if (false) {'),
  ready(
    'lifecycle/ready/claim.ts',
    "const role = level === 'schema' ? undefined : roleOf(naming, tenant)",
    'const role = level.length > 99 ? roleOf(naming, tenant) : undefined',
  ),
  ready(
    'lifecycle/provision.ts',
    "fromReady && work.status === 'provisioning' ? await claim(work)",
    'fromReady ? await claim(work)',
  ),
  // What is nobody's is closed
  ready('lifecycle/ready/ready-key.ts', "const RESERVED = '_ready_'", "const RESERVED = 'ready_'"),
  ready('lifecycle/ready/fill.ts', '  await lifecycle.ofLevel.takeOutOfService(work)\n', ''),
  ready('lifecycle/ready/fill.ts', '  await requireNameless(work)\n', ''),
  ready(
    'lifecycle/ready/fill.ts',
    'position($2 in concat(p.prosrc, p.proconfig::text)) > 0',
    'position($2 in concat(p.proconfig::text)) > 0',
  ),
  ready(
    'lifecycle/ready/fill.ts',
    'if ((await countReady(admin, lifecycle)) >= count) return undefined',
    'if ((await countReady(admin, lifecycle)) > count) return undefined',
  ),
  ready(
    'lifecycle/ready/fill.ts',
    "await admin.run(`select pg_advisory_xact_lock(hashtextextended('pg_tenant.ready:' || $1, 0))`, [\n      lifecycle.registry.prefix,\n    ])",
    '',
  ),
  ready(
    'lifecycle/ready/fill.ts',
    'if (owner !== undefined) await lifecycle.ofLevel.putBackIntoService(work)',
    '',
  ),
  ready(
    'lifecycle/ready/fill.ts',
    'else await remove(work(admin, stale.key))',
    'else await update(work(admin, stale.key))',
  ),
  ready(
    'lifecycle/ready/fill.ts',
    'if (!Number.isInteger(count) || count < 0 || count > MAX_READY)',
    'if (false)',
  ),
  ready('lifecycle/ready/fill.ts', '  await removeReady(admin, lifecycle, tenant)\n', ''),
  ready(
    'lifecycle/ready/steps.ts',
    'if (ofLevel.ready) return ofLevel.ready',
    'return ofLevel.ready ?? ({} as never)',
  ),
  ready(
    'lifecycle/levels/login.ts',
    'const login = `alter role ${quoteIdentifier(ownRole(work))} login`',
    "const login = 'select 1'",
  ),
  ready('lifecycle/levels/login.ts', 'await forgetCredential(work.admin, work.lifecycle.registry, from)', ''),
  ready(
    'lifecycle/levels/login.ts',
    '        await fixSearchPath(work.admin, work)\n        await forgetCredential',
    '        await forgetCredential',
  ),
  ready('registry/read.ts', "status not in ('deleted', 'ready')", "status <> 'deleted'"),

  // The registry, and who listens
  registry(
    'registry/listen.ts',
    "if (!isTenancyError(error, 'INVALID_OPTION')) this.#later()",
    'this.#later()',
  ),
  registry('registry/listen.ts', '      await requireDirect(client)\n', ''),
  registry(
    'registry/listen.ts',
    '    // What happened while nobody listened is not told again.\n    changed()',
    '',
  ),
  registry(
    'registry/listen.ts',
    "client.on('end', () => again(new Error('the connection that listens was closed')))",
    '',
    'pg emits error first whenever a connection ends that nobody ended; end is for the day it does not',
  ),
  registry('registry/listen.ts', '    this.#timer.unref()\n', ''),
  registry('registry/listen.ts', '    unref(client)\n', ''),
  registry('registry/listen.ts', 'if (lost || this.#closed) return', 'if (lost) return'),
  registry('registry/listen.ts', "client.on('notification', () => changed())", ''),
  registry('registry/lookups.ts', '        lookup.forget()\n', ''),
  registry('registry/registry.ts', "if (status === 'deleted') throw conflict(tenant, DELETED)", ''),
  registry('registry/registry.ts', "if (status === 'deleting') throw conflict(tenant, DELETING)", ''),
  registry('registry/registry.ts', 'if (level !== isolation) throw conflict(tenant, OTHER_LEVEL)', ''),
  registry(
    'registry/registry.ts',
    "status = case status when 'provisioning' then 'active' else status end",
    "status = 'active'",
  ),
  registry(
    'lifecycle/suspend.ts',
    "if (work.status !== 'active' && work.status !== 'suspended') throw notFound(tenant)",
    '',
  ),
  registry('lifecycle/suspend.ts', 'else await ofLevel.takeOutOfService(work)', ''),
  registry(
    'registry/explain.ts',
    "if (record?.status !== 'suspended') return error",
    'if (!record) return error',
  ),
  registry('registry/control-schema.ts', 'if (version > STEPS.length) {', 'if (Number.isNaN(version)) {'),
  registry('registry/control-schema.ts', ' revoke all on schema ${schema} from public;', ''),

  // The server or a right goes away
  faults(
    'admin/transaction.ts',
    'return lost(error, phase)\n  }\n  const lacking',
    'return isServerError(error) ? fromStatement(error) : lost(error, phase)\n  }\n  const lacking',
  ),
  faults(
    'admin/transaction.ts',
    "return phase === 'commit' ? unknownOutcome(error) : connectionLost(error)",
    'return connectionLost(error)',
  ),
  faults('errors/from-database.ts', 'if (SERVER_GOES.has(state)) {', 'if (Number.isNaN(0)) {'),
  faults(
    'admin/transaction.ts',
    'const lacking = await whatIsLacking(error, adminOf(client).run)',
    'const lacking = undefined',
  ),
  faults('admin/session.ts', '(await whatIsLacking(error, ask)) ?? coded(error)', 'coded(error)'),
  faults(
    'admin/denied.ts',
    "if (routine === 'createdb') return",
    "if (routine === 'createdb' && false) return",
  ),
  faults('admin/denied.ts', "if (!rights.roles) return 'Run: ALTER ROLE … CREATEROLE.'", ''),
  faults('lifecycle/apply-migrations.ts', '.catch(inMigration(id))', ''),
  faults(
    'apps/provision-database.ts',
    "throw new TenancyError('CONFLICT', 'This app is being dropped",
    "if (false) throw new TenancyError('CONFLICT', 'This app is being dropped",
  ),

  // The commands for them
  cli('commands/ready.ts', 'if (signal.aborted) break', ''),
  cli('commands/ready.ts', 'if (!LEVELS.includes(tenancy.isolation)) throw notHere(tenancy.isolation)', ''),
  cli('commands/ready.ts', 'if (dryRun) return await plan(invocation, tenancy, action, target)', ''),
  cli(
    'commands/ready.ts',
    "if (action !== 'fill' && number !== '') throw usage('A number goes with fill only.')",
    '',
  ),
  cli('commands/ready.ts', '} while (done.ready < target)', '} while (false)'),
  cli(
    'commands/create.ts',
    'return { plan, placement, reuseDeletedKey, fromReady }',
    'return { plan, placement, reuseDeletedKey }',
  ),
  cli('commands/app.ts', 'if (!/^[a-z0-9_]{3,32}$/.test(name))', 'if (false)'),
  cli('commands/app/options.ts', 'if (allowed.includes(name)) continue', 'if (name) continue'),
  cli('commands/app/create.ts', 'if (role || database)', 'if (false)'),
  cli('commands/app/create.ts', 'await file?.close()', ''),
  cli('commands/app/drop.ts', 'if (options.dryRun) {', 'if (false) {'),
  cli('commands/app/drop.ts', 'if (!options.dryRun)', 'if (false)'),
]

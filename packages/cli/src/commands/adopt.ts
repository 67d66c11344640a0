import type { AdoptionRefused, AdoptOptions } from '@org/pg-tenant'
import { usage } from '../cli-error.ts'
import { argumentsFrom, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { inTheWay, showFindings, summary } from '../output/show-adoption.ts'
import { showConnection } from '../output/show-connection.ts'
import { keysOf, passwordOf } from './adopt-keys.ts'
import { databasesThere, notTenants, schemasLeft } from './adopt-there.ts'
import { eachTenant } from './each-tenant.ts'
import { whole } from './values.ts'

interface Options {
  readonly schema?: string
  readonly role?: string
  readonly all?: boolean
  readonly schemas?: string
  readonly database?: string
  readonly databases?: string
  readonly roles?: string
  readonly passwords?: string
  readonly newPassword?: boolean
  readonly keyFrom?: string
  readonly baseline?: string
  readonly acceptDrift?: boolean
  readonly reuseDeletedKey?: boolean
  readonly confirm?: boolean
  readonly endSessions?: boolean
  readonly undo?: boolean
  readonly acceptCode?: boolean
  readonly lockTimeout?: number
  readonly maxLockTime?: number
  readonly attempts?: number
  readonly dryRun?: boolean
}

export const adopt: CommandModule<Options> = {
  arguments: [['[key]', 'the tenant it becomes']],
  options: [
    { flags: '--schema <name>', text: 'the schema that has its data, under the name it has' },
    {
      flags: '--role <name>',
      text: 'the name of the role that is made for it; or of its login that is there (levels login and database)',
    },
    { flags: '--database <name>', text: 'the database that has its data (level database)' },
    {
      flags: '--all',
      text: 'every schema (or database) that fits --schemas (or --databases) and is no tenant yet',
    },
    { flags: '--schemas <pattern>', text: 'with --all: their names, * for anything (client_*)' },
    { flags: '--databases <pattern>', text: 'with --all, level database: their names (app_*)' },
    { flags: '--roles <pattern>', text: 'with --all: their logins that are there, * for the key (user_*)' },
    {
      flags: '--passwords <file>',
      text: 'the passwords those logins have: a file of JSON { "key": "password" }',
    },
    {
      flags: '--new-password',
      text: 'give its login a new one and show it, this once; the old one is no use then',
    },
    {
      flags: '--key-from <where>',
      text: 'with --all: star (what the * stands for; default), name, or a file of JSON { "schema": "key" }',
    },
    {
      flags: '--baseline <id>',
      text: 'the newest migration the schemas have, or none (default: what their tool’s ledger says)',
    },
    { flags: '--accept-drift', text: 'also where a schema is not what the migrations make' },
    { flags: '--reuse-deleted-key', text: 'also where a tenant of that key was dropped' },
    { flags: '--confirm', text: 'what is adopted stays so: earlier owners lose what they could do' },
    { flags: '--end-sessions', text: 'with --confirm: end the sessions that earlier owners have open' },
    { flags: '--undo', text: 'as if it had not been adopted; until it is confirmed' },
    { flags: '--accept-code', text: 'with --undo: also give back functions, views and triggers made since' },
    {
      flags: '--lock-timeout <number>',
      text: 'ms to wait for one lock (default 200)',
      parse: whole('--lock-timeout', 1),
    },
    {
      flags: '--max-lock-time <number>',
      text: 'ms tables are locked at most (default 800)',
      parse: whole('--max-lock-time', 1),
    },
    {
      flags: '--attempts <number>',
      text: 'how often one is tried (default 20)',
      parse: whole('--attempts', 1),
    },
    DRY_RUN,
  ],
  examples: [
    [
      'pg-tenant adopt acme --schema client_acme --baseline 0007_invoices --dry-run',
      'all that is in the way, with the SQL that mends it',
    ],
    [
      "pg-tenant adopt --all --schemas 'client_*' --baseline 0007_invoices",
      'each in one transaction; the application goes on',
    ],
    ['pg-tenant adopt --all --confirm', 'once everything runs over this'],
    ['pg-tenant adopt acme --undo', 'owners and privileges as they were'],
  ],
  exits:
    'Exits with 1 when one of several is not adopted, or a dry run found something in the way; with 5 when one is refused.',
  afterStop: 'Run it again to go on: what is adopted stays adopted, and nothing is half done.',
  async run(invocation, args, options) {
    const { all = false, confirm = false, undo = false } = options
    const key = args[0] === undefined ? undefined : String(args[0])
    if (argumentsFrom(args, 0) || (key === undefined) !== all) throw usage('Give a key, or --all.')
    if (confirm && undo) throw usage('--confirm or --undo, not both.')
    if (options.acceptCode && !undo) throw usage('--accept-code goes with --undo.')
    if (options.endSessions && !confirm) throw usage('--end-sessions goes with --confirm.')
    const settling = confirm || undo
    refuseMixed(options, settling)
    if (settling) return await settle(invocation, key, options)
    return key === undefined ? await adoptAll(invocation, options) : await adoptOne(invocation, key, options)
  },
}

function refuseMixed(options: Options, settling: boolean): void {
  const {
    all = false,
    schemas,
    schema,
    database,
    databases,
    role,
    roles,
    keyFrom,
    passwords,
    newPassword,
  } = options
  const what = [
    schema,
    schemas,
    database,
    databases,
    role,
    roles,
    passwords,
    newPassword,
    options.baseline,
    options.dryRun,
  ]
  if (settling && what.some((given) => given !== undefined))
    throw usage('--confirm and --undo take a key or --all, and nothing of what was adopted.')
  if (all && !settling && (schemas === undefined) === (databases === undefined))
    throw usage("--all takes --schemas 'client_*' or --databases 'app_*'.")
  if (
    all &&
    (role !== undefined || database !== undefined || (schema !== undefined && databases === undefined))
  )
    throw usage(
      '--all takes --schemas, --databases and --roles: patterns in place of --schema, --database and --role.',
    )
  if (all && roles !== undefined && roles.split('*').length !== 2)
    throw usage('--roles needs one *, which stands for the key: each tenant has a login of its own.')
  if (all && newPassword) throw usage('--new-password is for one tenant: it is shown once.')
  if (!all && [schemas, databases, roles, keyFrom].some((given) => given !== undefined))
    throw usage('--schemas, --databases, --roles and --key-from go with --all.')
}

const bounds = ({ lockTimeout, maxLockTime, attempts }: Options) => ({ lockTimeout, maxLockTime, attempts })

/** Names and password of one of them. */
type Named = Pick<AdoptOptions, 'schema' | 'role' | 'database' | 'password'>

function wanted(options: Options, named: Named): AdoptOptions {
  const { baseline, acceptDrift = false, reuseDeletedKey, dryRun = false, newPassword } = options
  return {
    ...bounds(options),
    ...named,
    baseline: baseline === 'none' ? null : baseline,
    drift: acceptDrift ? 'accept' : 'refuse',
    dryRun,
    reuseDeletedKey,
    ...(newPassword && { newPassword }),
  }
}

async function adoptOne(
  { connect, io, output }: Invocation,
  key: string,
  options: Options,
): Promise<ExitCode> {
  const { schema, role, database, passwords } = options
  const password = passwords === undefined ? undefined : await passwordOf(passwords, io.cwd)
  const { tenancy } = await connect()
  try {
    const adoption = await tenancy.adopt(
      key,
      wanted(options, { schema, role, database, password: password?.(key) }),
    )
    showFindings(adoption.findings, output)
    output.say(summary(adoption))
    const shown = adoption.connection ? await showConnection(adoption.connection, undefined, output) : {}
    output.document({ ...adoption, ...shown })
    return !adoption.adopted && inTheWay(adoption) > 0 ? EXIT.failed : EXIT.ok
  } catch (error) {
    if (!isRefused(error)) throw error
    output.document(error.adoption)
    showFindings(error.adoption.findings, output)
    output.complain(`${key}: ${plural(inTheWay(error.adoption), 'thing')} in the way; nothing was changed.`)
    return EXIT.refused
  }
}

async function adoptAll(invocation: Invocation, options: Options): Promise<ExitCode> {
  const { connect, io, output } = invocation
  const { schemas = '*', databases, roles, schema, keyFrom = 'star', passwords, dryRun = false } = options
  const password = passwords === undefined ? undefined : await passwordOf(passwords, io.cwd)
  const { tenancy, adminPool } = await connect()
  const pattern = databases ?? schemas
  const word = databases === undefined ? 'schema' : 'database'
  const left =
    databases === undefined
      ? await schemasLeft(adminPool, pattern, output)
      : await databasesThere(adminPool, pattern)
  const keys = await keysOf(left, pattern, keyFrom, io.cwd)
  const named = (key: string): Named => ({
    ...(databases === undefined ? { schema: keys.get(key) } : { database: keys.get(key), schema }),
    ...(roles !== undefined && { role: roles.replace('*', () => key) }),
    ...(password && { password: password(key) }),
  })
  let blocked = 0
  const said = new Set<string>()
  const found = new Map<string, number>()
  const wantedKeys = databases === undefined ? [...keys.keys()] : await notTenants(tenancy, keys, output)
  const { done, failed, stopped } = await eachTenant(invocation, wantedKeys, async (key) => {
    const adoption = await tenancy.adopt(key, wanted(options, named(key)))
    if (inTheWay(adoption) > 0 && !adoption.adopted) blocked++
    const told = dryRun ? adoption.findings : adoption.findings.filter(({ code }) => code === 'ROLE_MADE')
    showFindings(told, output, `${key} (${keys.get(key)})`, said)
    for (const { code } of told) found.set(code, (found.get(code) ?? 0) + 1)
    const { tenant: _, ...rest } = adoption
    return { ...rest, ...(dryRun && { ok: inTheWay(adoption) === 0 }) }
  })
  if (dryRun) {
    const codes = [...found].map(([code, times]) => `${code} ${times}×`).join(', ')
    output.say(
      `${plural(done - failed - blocked, word)} could be adopted, ${blocked + failed} not.${codes === '' ? '' : ` Found: ${codes}.`}`,
    )
  } else
    output.say(
      `${plural(done - failed, 'tenant')} adopted${failed > 0 ? `, ${failed} not` : ''}.${done > failed ? ' Next: pg-tenant adopt --all --confirm' : ''}`,
    )
  if (stopped) return EXIT.interrupted
  return failed + blocked > 0 ? EXIT.failed : EXIT.ok
}

async function settle(invocation: Invocation, key: string | undefined, options: Options): Promise<ExitCode> {
  const { connect, output } = invocation
  const { tenancy } = await connect()
  const { confirm = false } = options
  const word = confirm ? 'confirmed' : 'undone'
  const one = async (tenant: string) => {
    if (confirm) {
      const { endSessions = false } = options
      return { changed: await tenancy.confirmAdoption(tenant, { ...bounds(options), endSessions }) }
    }
    await tenancy.undoAdoption(tenant, { ...bounds(options), ...(options.acceptCode && { code: 'accept' }) })
    return { changed: true }
  }
  if (key !== undefined) {
    const { changed } = await one(key)
    output.document({ tenant: key, [word]: true, changed })
    output.say(changed ? `${key}: the adoption is ${word}.` : `${key}: there is nothing to confirm.`)
    return EXIT.ok
  }
  const tenants = (await tenancy.adoptions()).map(({ tenant }) => tenant)
  const { done, failed, stopped } = await eachTenant(invocation, tenants, one)
  output.say(`${plural(done - failed, 'adoption')} ${word}${failed > 0 ? `, ${failed} not` : ''}.`)
  if (stopped) return EXIT.interrupted
  return failed > 0 ? EXIT.failed : EXIT.ok
}

const isRefused = (error: unknown): error is AdoptionRefused =>
  error instanceof Error && 'adoption' in error && 'code' in error

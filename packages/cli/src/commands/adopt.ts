import type { AdoptionRefused, AdoptOptions } from '@org/pg-tenant'
import { usage } from '../cli-error.ts'
import { argumentsFrom, type CommandModule, type Invocation } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { inTheWay, showFindings, summary } from '../output/show-adoption.ts'
import { showConnection } from '../output/show-connection.ts'
import { keysOf, passwordOf } from './adopt-keys.ts'
import { OPTIONS, type Options, requireConsistent } from './adopt-options.ts'
import { databasesThere, notTenants, schemasLeft } from './adopt-there.ts'
import { eachTenant } from './each-tenant.ts'

export const adopt: CommandModule<Options> = {
  arguments: [['[key]', 'the tenant it becomes']],
  options: OPTIONS,
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
    const key = args[0] === undefined ? undefined : String(args[0])
    if (argumentsFrom(args, 0) || (key === undefined) !== (options.all ?? false))
      throw usage('Give a key, or --all.')
    requireConsistent(options)
    if (options.confirm || options.undo) return await settle(invocation, key, options)
    return key === undefined ? await adoptAll(invocation, options) : await adoptOne(invocation, key, options)
  },
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

import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { BackupResult } from '@org/pg-tenant'
import { usage } from '../cli-error.ts'
import { argumentsFrom, type CommandModule, type Invocation } from '../command.ts'
import type { Settings } from '../config/settings.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { endlessly } from '../output/endlessly.ts'
import { bytes, plural, stamp } from '../output/format.ts'
import { eachTenant } from './each-tenant.ts'
import { allTenants, requireTenant } from './require-tenant.ts'

interface Options {
  readonly to?: string
  readonly folder?: string
  readonly all?: boolean
  readonly format?: 'archive' | 'pg_dump'
  readonly programs?: string
}

export const backup: CommandModule<Options> = {
  arguments: [['[keys...]', 'the tenants']],
  options: [
    { flags: '--to <file>', text: 'the file to be made, or - for stdout (one tenant)' },
    { flags: '--folder <folder>', text: 'where <key>-<time>.pgtenant files go (default ./backups)' },
    { flags: '--all', text: 'every tenant, suspended ones too' },
    {
      flags: '--format <format>',
      text: "archive (default) restores under any key; pg_dump is that program's custom format, for the same key",
      choices: ['archive', 'pg_dump'],
    },
    { flags: '--programs <folder>', text: 'where pg_dump is (default: on the path)' },
  ],
  examples: [
    ['pg-tenant backup acme', 'into ./backups, as of one instant'],
    ['pg-tenant backup acme --to - | age -r … > acme.age', 'through another program'],
    ['pg-tenant backup --all --folder /mnt/backups --json', 'everybody, a line each'],
    ['pg-tenant backup acme --format pg_dump', 'a file and its .manifest.json; keep them together'],
  ],
  exits: 'Exits with 1 when one of several failed. Files are readable by you only, and never overwritten.',
  afterStop: 'Run it again; nothing half-written is left under a name that counts.',
  async run(invocation, args, options) {
    const { to, folder, all = false, format, programs } = options
    const keys = argumentsFrom(args, 0)
    if (all === (keys !== undefined)) throw usage('Give keys, or --all.')
    if (to !== undefined && (keys?.length !== 1 || folder !== undefined)) {
      throw usage('--to takes one tenant, and no --folder.')
    }
    if (to === '-' && format === 'pg_dump') throw usage('--format pg_dump makes a file: leave out --to -.')
    const [key] = keys ?? []
    if (key !== undefined && keys?.length === 1) return await one(invocation, key, options)
    const { output, connect, signal } = invocation
    const { tenancy, settings } = await connect()
    const into = await folderFor(invocation, settings, folder)
    const tenants = [...(keys ?? [])]
    for (const one of tenants) await requireTenant(tenancy, one)
    if (all) for await (const tenant of allTenants(tenancy, ['active', 'suspended'])) tenants.push(tenant.key)
    const { done, failed, stopped } = await eachTenant(invocation, tenants, async (tenant) => {
      const file = join(into, fileFor(tenant, format))
      const result = await tenancy.backup(tenant, { to: file, format, programs, signal })
      return { file, ...brief(result) }
    })
    output.say(
      `${plural(done - failed, 'tenant')} backed up to ${into}${failed > 0 ? `, ${failed} failed` : ''}.`,
    )
    if (stopped) return EXIT.interrupted
    return failed > 0 ? EXIT.failed : EXIT.ok
  },
}

async function one(invocation: Invocation, key: string, options: Options): Promise<ExitCode> {
  const { to, format, programs } = options
  const { io, connect, output, signal } = invocation
  if (to === '-' && output.json) throw usage('--json and --to - both want stdout.')
  const { tenancy, settings } = await connect()
  if (to === '-') {
    const result = await tenancy.backup(key, { to: endlessly(io.stdout), signal })
    output.note(`${key}: ${plural(result.rows, 'row')}, ${bytes(result.bytes)}, sha256 ${result.sha256}`)
    return EXIT.ok
  }
  const file = to === undefined ? await defaultFile(invocation, settings, key, options) : resolve(io.cwd, to)
  const result = await tenancy.backup(key, { to: file, format, programs, signal })
  output.document({ tenant: key, file, ...brief(result) })
  output.say(`${file}: ${plural(result.rows, 'row')}, ${bytes(result.bytes)}, sha256 ${result.sha256}`)
  for (const { name, kind } of result.skipped) output.note(`Not in it: the ${kind} ${name}`)
  return EXIT.ok
}

function brief({ createdAt, bytes: size, sha256, rows, tables, skipped }: BackupResult): object {
  return { createdAt, bytes: size, sha256, rows, tables: tables.length, skipped }
}

const fileFor = (key: string, format: Options['format']): string =>
  `${key}-${stamp(new Date())}.${format === 'pg_dump' ? 'dump' : 'pgtenant'}`

/** Where a backup goes that nobody named a file for. Makes the folder. */
export async function defaultFile(
  invocation: Invocation,
  settings: Settings,
  key: string,
  { folder, format }: Pick<Options, 'folder' | 'format'> = {},
): Promise<string> {
  return join(await folderFor(invocation, settings, folder), fileFor(key, format))
}

async function folderFor(
  { io }: Invocation,
  settings: Settings,
  folder: string | undefined,
): Promise<string> {
  const { config, folder: home } = settings
  const path = folder === undefined ? resolve(home, config.backups ?? 'backups') : resolve(io.cwd, folder)
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}

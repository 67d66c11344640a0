import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { type Contender, costOf, interleave, type Measured, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, type Finding, finding, type SuiteResult } from '../report/result.ts'
import { startBench } from '../server.ts'

const NAME = {
  backup: 'backup, zstd (default)',
  gzip: 'backup, gzip',
  dump: 'pg_dump -Fc',
  restore: 'restore, every row read back',
  trusting: "restore, verify: 'archive'",
  load: 'pg_restore of the dump',
} as const
const MB = 2 ** 20
const KEY = 'acme'
/** Rows of each of the two tables, with an index beside the key: about 23 MB of COPY text in all, with --full 90. */
const ROWS = { quick: 100_000, full: 400_000 } as const
const ROUNDS = 3

const TABLES = `
  create table events (id bigint primary key, at timestamptz not null, kind text not null, body jsonb not null);
  create index idx_events_at on events (at);
  create table amounts (id bigint primary key, customer integer not null, amount numeric(12, 2) not null, note text);
  create index idx_amounts_customer on amounts (customer)`
const FILL = (rows: number) => [
  `insert into events select n, timestamptz '2026-01-01' + n * interval '1 second', 'kind ' || n % 20,
    jsonb_build_object('n', n, 'hash', md5(n::text), 'more', md5((n + 1)::text)) from generate_series(1, ${rows}) n`,
  `insert into amounts select n, n % 5000, (n % 100000) / 7.0, repeat(md5((n * 3)::text), 1 + n % 4) from generate_series(1, ${rows}) n`,
]

/**
 * A tenant's data out and in again, next to `pg_dump` and `pg_restore` of the same schema. On the newest server that those programs
 * know: they refuse a newer one.
 */
export async function archiveSuite(effort: Effort): Promise<SuiteResult> {
  const version = await programVersion()
  if (version === undefined) return { suite: 'archive', notes: ['archive: no pg_dump here, not measured'] }
  const bench = await startBench(undefined, version)
  const folder = await mkdtemp(join(tmpdir(), 'pg-tenant-bench-'))
  const { applicationUrl, adminUrl } = await bench.database()
  const pool = new pg.Pool({ connectionString: applicationUrl, max: 2 })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 2 })
  const prefix = bench.prefix('z')
  const migrations = [{ id: '0001_tables', sql: TABLES }]
  const tenancy = createTenancy({ pool, adminPool, schemaPrefix: prefix, rolePrefix: prefix, migrations })
  await tenancy.provision(KEY)
  for (const sql of FILL(ROWS[effort.name])) await tenancy.query(KEY, sql, [], { statementTimeout: 600_000 })
  await adminPool.query('vacuum analyze')
  const [archive, dumped] = [join(folder, 'kept.archive'), join(folder, 'kept.dump')]
  const { tables } = await tenancy.backup(KEY, { to: archive })
  const bytes = tables.reduce((sum, table) => sum + (table.bytes ?? 0), 0)
  const run = promisify(execFile)
  const dump = (to: string) => run('pg_dump', ['-Fc', '-n', prefix + KEY, '-f', to, adminUrl])
  await dump(dumped)
  const grown = new Map<string, number>()
  let made = 0
  const next = () => join(folder, `made.${++made}`)
  const backup = async (compression: 'zstd' | 'gzip') => {
    const to = next()
    await tenancy.backup(KEY, { to, compression })
    await rm(to)
  }
  const restore = (verify: 'full' | 'archive') =>
    tenancy.restore(KEY, { from: archive, force: 'replace', verify })
  const outwards: Contender[] = [
    { name: NAME.backup, run: () => growing(grown, NAME.backup, () => backup('zstd')) },
    { name: NAME.gzip, run: () => backup('gzip') },
    {
      name: NAME.dump,
      run: async () => {
        const to = next()
        await dump(to)
        await rm(to)
      },
    },
  ]
  const inwards: Contender[] = [
    { name: NAME.restore, run: () => growing(grown, NAME.restore, () => restore('full')) },
    { name: NAME.trusting, run: () => restore('archive') },
    {
      name: NAME.load,
      run: () => run('pg_restore', ['--clean', '--if-exists', '-1', '-d', adminUrl, dumped]),
    },
  ]
  const plan = { concurrency: 1, sliceMs: 0, rounds: ROUNDS, warmUp: 1 }
  try {
    const out = await interleave(outwards, plan)
    const back = await interleave(inwards, plan)
    return report(
      [...out, ...back],
      bytes,
      grown,
      (await stat(archive)).size,
      (await stat(dumped)).size,
      version,
    )
  } finally {
    await Promise.all([pool.end(), adminPool.end()])
    await bench.stop()
    await rm(folder, { recursive: true })
  }
}

function report(
  measured: readonly Measured[],
  bytes: number,
  grown: ReadonlyMap<string, number>,
  archive: number,
  dumped: number,
  version: number,
): SuiteResult {
  const speed = (name: string) => bytes / MB / (spreadOf(costOf(measured, name)).median / 1_000)
  const against = (name: string, reference: string, target?: number): Finding =>
    finding(
      `${name}: MB/s`,
      reference,
      // Speed over speed is time over time the other way round.
      ratio(measured, reference, name),
      target === undefined ? undefined : atLeast(target),
      `${speed(name).toFixed(0)} MB/s${grown.has(name) ? `, memory grew by ${((grown.get(name) ?? 0) / MB).toFixed(0)} MB at most` : ''}; ${reference} ${speed(reference).toFixed(0)} MB/s`,
    )
  return {
    suite: 'archive',
    findings: [
      against(NAME.backup, NAME.dump, 0.9),
      against(NAME.gzip, NAME.dump),
      against(NAME.trusting, NAME.load, 0.9),
      against(NAME.restore, NAME.load),
    ],
    notes: [
      `archive: ${(bytes / MB).toFixed(0)} MB of COPY text, PostgreSQL ${version}; the archive has ${(archive / MB).toFixed(1)} MB, the dump ${(dumped / MB).toFixed(1)} MB`,
    ],
  }
}

/** Notes how far the process's memory grew meanwhile, at most: in the first round, which also loads code. */
async function growing(
  grown: Map<string, number>,
  name: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const before = process.memoryUsage().rss
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 20)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  grown.set(name, Math.max(grown.get(name) ?? 0, most - before))
}

/** The major version of `pg_dump`, where it is installed with `pg_restore`. */
async function programVersion(): Promise<15 | 16 | 17 | 18 | undefined> {
  const majors = await Promise.all(
    ['pg_dump', 'pg_restore'].map((program) =>
      promisify(execFile)(program, ['--version']).then(
        ({ stdout }) => Number(/\) (\d+)/.exec(stdout)?.[1]),
        () => undefined,
      ),
    ),
  )
  return ([15, 16, 17, 18] as const).find((major) => majors.every((one) => one === major))
}

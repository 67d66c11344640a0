import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { parseManifest, parseSummary } from '../../src/archive/format/manifest.ts'
import { inspectArchive } from '../../src/archive/inspect.ts'
import { parseDumpManifest } from '../../src/archive/pg-dump/manifest.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { keyOf, lifecycleOf, provisioned, useFolder, watchedPool } from './support.ts'

const world = useWorld()
const folder = useFolder()
let lifecycle: Lifecycle
let archive: Buffer

beforeAll(async () => {
  lifecycle = lifecycleOf(world)
  const tenant = await provisioned(lifecycle, 'forged')
  for (const sql of [
    `insert into notes (body) values ('kept')`,
    'create function called(x text) returns int language sql immutable as $f$ select 1 $f$',
    `create view calling as select called('a'::text) as n`,
    'create function called(x int default 3) returns int language sql immutable as $f$ select x $f$',
  ])
    await world.tenancy().query('forged', sql)
  await backupTenant(lifecycle, tenant, { to: folder.path('whole'), compression: 'none' })
  archive = await readFile(folder.path('whole'))
})

const HEAD = 10

/** The payloads of an archive's frames. */
function framesOf(bytes: Buffer): { type: number; payload: Buffer }[] {
  const frames: { type: number; payload: Buffer }[] = []
  for (let at = HEAD; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1)
    frames.push({ type: bytes[at] as number, payload: bytes.subarray(at + 5, at + 5 + length) })
    at += 5 + length + 32
  }
  return frames
}

/** An archive of these frames with digests that fit: what a forger makes. */
function sealed(frames: readonly { type: number; payload: Buffer }[]): Buffer {
  const parts: Buffer[] = [archive.subarray(0, HEAD)]
  for (const { type, payload } of frames) {
    const head = Buffer.alloc(5)
    head.writeUInt8(type)
    head.writeUInt32BE(payload.length, 1)
    parts.push(head, payload)
    parts.push(createHash('sha256').update(Buffer.concat(parts)).digest())
  }
  return Buffer.concat(parts)
}

async function forge(change: (manifest: Record<string, unknown>) => void): Promise<string> {
  const frames = framesOf(archive).map(({ type, payload }, index) => {
    if (index > 0) return { type, payload }
    const manifest = JSON.parse(payload.toString('utf8'))
    change(manifest)
    return { type, payload: Buffer.from(JSON.stringify(manifest)) }
  })
  const file = folder.path(`forged-${Math.random()}`)
  await writeFile(file, sealed(frames))
  return file
}

/** Where something is in a JSON value, and what is put there. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    undefined,
    true,
    0,
    -1,
    Infinity,
    '',
    '\0',
    'x'.repeat(20_000),
    [],
    {},
    [null],
    [[]],
    { name: null },
  ),
  fc.jsonValue(),
)

/** Puts `value` somewhere below `root`, as `path` chooses. */
function spoil(root: unknown, path: readonly number[], value: unknown): unknown {
  const copy = structuredClone(root) as Record<string, unknown>
  let at: Record<string, unknown> = copy
  for (const [depth, step] of path.entries()) {
    const names = Object.keys(at)
    const name = names[step % Math.max(1, names.length)]
    if (name === undefined) return copy
    const inner = at[name]
    if (depth === path.length - 1 || typeof inner !== 'object' || inner === null) {
      at[name] = value
      return copy
    }
    at = inner as Record<string, unknown>
  }
  return copy
}

const refusedOrRead = (read: () => unknown): string => {
  try {
    read()
    return 'read'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('a manifest that is not right', () => {
  it('is refused with a code, whatever is wrong in it', () => {
    const [first, , last] = framesOf(archive)
    const manifest = JSON.parse(String(first?.payload))
    const summary = JSON.parse(String(last?.payload))
    const dump = {
      ...manifest,
      ...summary,
      format: 'pg-tenant-dump',
      programVersion: 15,
      sha256: 'ab',
      bytes: 1,
      tables: [],
    }
    expect(refusedOrRead(() => parseManifest(Buffer.from(JSON.stringify(manifest))))).toBe('read')
    const bytes = (value: unknown) => Buffer.from(JSON.stringify(value) ?? 'undefined')
    fc.assert(
      fc.property(fc.array(fc.nat(40), { minLength: 1, maxLength: 5 }), odd, (path, value) => {
        for (const [parse, whole] of [
          [parseManifest, manifest],
          [parseSummary, summary],
          [parseDumpManifest, dump],
        ] as const)
          expect(['read', 'VALIDATION_ERROR']).toContain(
            refusedOrRead(() => parse(bytes(spoil(whole, path, value)))),
          )
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (any) => {
          for (const parse of [parseManifest, parseSummary, parseDumpManifest])
            expect(refusedOrRead(() => parse(Buffer.from(any)))).toBe('VALIDATION_ERROR')
        },
      ),
    )
  })

  it('sealed anew by a forger, is refused before anything is made, or fits', async () => {
    for (const change of [
      (manifest: Record<string, unknown>) => Object.assign(manifest, { tables: [{ name: 'x' }] }),
      (manifest: Record<string, unknown>) => Object.assign(manifest, { structure: [{}] }),
      (manifest: Record<string, unknown>) => Object.assign(manifest, { migrations: [null] }),
    ]) {
      const from = await forge(change)
      expect(await codeOf(inspectArchive(from))).toBe('VALIDATION_ERROR')
      expect(await codeOf(restoreTenant(lifecycle, keyOf(lifecycle, 'from-forger'), { from }))).toBe(
        'VALIDATION_ERROR',
      )
    }
    expect((await world.root.query(`select to_regnamespace('"c_from-forger"') as s`)).rows).toEqual([
      { s: null },
    ])
  })
})

describe('an archive that leaves to the text of a call which function it means', () => {
  const asBefore = (manifest: Record<string, unknown>) => {
    const structure = manifest.structure as { what: string; sql: string }[]
    for (const made of structure)
      made.sql = made.sql.replaceAll(/^alter routine [^;]*; |; alter routine [^;]*$/g, '')
  }

  it('is restored as earlier releases wrote it', async () => {
    const from = await forge((manifest) => {
      asBefore(manifest)
      delete manifest.calls
    })
    await restoreTenant(lifecycle, keyOf(lifecycle, 'from-before'), { from })
    expect((await world.tenancy().query('from-before', 'select n from calling')).rows).toEqual([{ n: 1 }])
  })

  it('and refused where it says that it does not', async () => {
    const from = await forge(asBefore)
    await expect(restoreTenant(lifecycle, keyOf(lifecycle, 'from-forger'), { from })).rejects.toMatchObject({
      details: { reason: 'drift', drift: expect.stringContaining('calling') },
    })
  })
})

describe('statements of an archive from elsewhere', () => {
  const structure = (sql: string, phase = 15) => [{ what: 'forged', phase, sql }]
  /** Whoever runs it says so, and tries to become somebody else. */
  const TRAP = `do $t$ begin
      raise warning 'forged ran as % in a session of %', current_user, session_user;
      perform set_config('role', 'none', true);
    end $t$`

  it.each([
    ['take a role', TRAP],
    ['reset it', 'reset role'],
    ['become the session', 'set session authorization default'],
    ['end the transaction', 'commit'],
    ['read another tenant', 'select * from c_victim.notes'],
    ['make something elsewhere', 'create table public.forged (a int)'],
    [
      'open the schema to all',
      'grant usage on schema c_hostile to public; create table c_hostile.x (a int); select 1/0',
    ],
    ['copy to a program', `copy (select 1) to program 'true'`],
  ])('cannot %s', async (_, sql) => {
    if ((await world.tenancy().find('victim')) === undefined) await provisioned(lifecycle, 'victim')
    for (const phase of [15, 90]) {
      const from = await forge((manifest) => {
        manifest.structure = [
          ...structure(sql, 10),
          ...(manifest.structure as object[]),
          ...structure(sql, phase),
        ]
      })
      const restored = await codeOf(restoreTenant(lifecycle, keyOf(lifecycle, 'hostile'), { from })).catch(
        () => 'done',
      )
      expect(restored).not.toBe('done')
    }
    const { rows } = await world.root.query(
      `select to_regnamespace('c_hostile') as s, to_regclass('public.forged') as t`,
    )
    expect(rows).toEqual([{ s: null, t: null }])
  })

  it.each([
    TRAP,
    'create table public.forged (a int)',
    `alter function one() set role to 'none'; create table public.forged (a int)`,
    `alter function one() set role to 'none'; create table public.forged (a int); alter function one() set role to 'none'`,
    `alter function two() set role to 'none'`,
    `alter function one() set search_path to 'none'`,
  ])('set roles of the functions there are, and nothing else: %s', async (sql) => {
    const from = await forge((manifest) => {
      const made = manifest.structure as object[]
      const one = 'create function "pg_tenant:here".one() returns int language sql as $$ select 1 $$'
      manifest.structure = [...structure(one), ...made, ...structure(sql, 97)]
    })
    const restored = restoreTenant(lifecycle, keyOf(lifecycle, 'setting'), { from })
    expect(await codeOf(restored)).toBe('VALIDATION_ERROR')
    const { rows } = await world.root.query(
      `select to_regnamespace('c_setting') as s, to_regclass('public.forged') as t`,
    )
    expect(rows).toEqual([{ s: null, t: null }])
  })

  it('run nothing when the type of what comes in becomes another meanwhile, which is somewhere else', async () => {
    // ALTER DOMAIN waits for nobody: a table that is not committed is none to it.
    const tenant = await provisioned(lifecycle, 'raced')
    const tenancy = world.tenancy()
    for (const sql of [
      'create domain words as text',
      `create function evil(text) returns boolean language plpgsql as $f$ begin
         perform set_config('role', 'none', true); raise warning 'escaped as %', current_user; return true;
         exception when others then return true; end $f$`,
    ])
      await tenancy.query('raced', sql)
    const from = await forge((manifest) => {
      const made = manifest.structure as { what: string; phase: number; sql: string }[]
      const at = made.findIndex(({ what }) => what.startsWith('table '))
      const sql = `do $d$ begin execute pg_catalog.format('alter table notes alter body type %I.words',
        (select nspname from pg_catalog.pg_namespace where nspname ~ '^_replaced_')); end $d$`
      made.splice(at + 1, 0, { what: 'forged', phase: 25, sql })
    })
    const heard: string[] = []
    let looked = false
    const adminPool = watchedPool(lifecycle.adminPool, heard, async (sql) => {
      if (looked && /^set local role/.test(sql))
        await tenancy.query('raced', 'alter domain words add check (evil(value))').catch(() => {})
      // Asked of the catalogue: what COPY would run.
      looked ||= /relhastriggers/.test(sql)
    })
    const restored = restoreTenant({ ...lifecycle, adminPool }, tenant, { from, force: 'replace' })
    expect(await codeOf(restored)).toBe('CONFLICT')
    expect(looked).toBe(true)
    expect(heard.filter((message) => message.includes('escaped'))).toEqual([])
  })

  it('run nothing while rows come in, whenever they say they are to be made', async () => {
    // A trigger before the data: the COPY would fire it in the administrator's session.
    const from = await forge((manifest) => {
      const made = manifest.structure as { what: string; phase: number; sql: string }[]
      const at = made.findIndex(({ what }) => what.startsWith('table '))
      made.splice(
        at + 1,
        0,
        {
          what: 'function forged',
          phase: 25,
          sql: `create function "pg_tenant:here".forged() returns trigger language plpgsql as $f$ begin
            perform set_config('role', 'none', true); raise warning 'escaped as %', current_user; return new;
            exception when others then return new; end $f$`,
        },
        {
          what: 'trigger forged',
          phase: 25,
          sql: `create trigger forged before insert on "pg_tenant:here".notes for each row execute function "pg_tenant:here".forged()`,
        },
      )
    })
    const heard: string[] = []
    world.admin.on('acquire', (client) => client.on('notice', ({ message }) => heard.push(String(message))))
    // It is another tenant than the archive says, and so refused; but by then the trigger has run, or not.
    expect(await codeOf(restoreTenant(lifecycle, keyOf(lifecycle, 'spied'), { from }))).toBe('CONFLICT')
    expect(heard.filter((message) => message.includes('escaped'))).toEqual([])
  })
})

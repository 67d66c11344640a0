import { afterEach, describe, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

describe('tenants made ahead', () => {
  const project = useProject()
  const { run, world } = project
  const waiting = async () =>
    (await world.root.query(`select from tenancy.tenant where status = 'ready'`)).rowCount

  afterEach(async () => {
    await run('ready clear')
  })

  it('are planned without making anything, not even the control schema', async () => {
    const { exit, stdout } = await run('ready fill 3 --dry-run')
    expect([exit, stdout]).toEqual([EXIT.ok, '0 tenants ready: 3 would be made.\n'])
    const { rows } = await world.root.query(`select to_regnamespace('tenancy') as there`)
    expect(rows).toEqual([{ there: null }])
  })

  it('are filled up, counted, given out and cleared', async () => {
    expect((await run('ready fill 12')).stdout).toBe('12 tenants ready: 12 made now.\n')
    expect(await waiting()).toBe(12)
    const again = await run('ready fill 12 --json')
    expect(again.json()).toEqual({ ready: 12, made: 0, updated: 0, removed: 0, stopped: false })
    expect((await run('ready count')).stdout).toBe('12\n')
    expect((await run('ready count --json')).json()).toEqual({ ready: 12 })
    expect((await run('create acme --from-ready')).stdout).toBe('acme is there, one that was made ahead.\n')
    expect((await run('create globex --from-ready --json')).json()).toMatchObject({
      created: true,
      claimed: true,
    })
    expect((await run('ready clear --dry-run --json')).json()).toMatchObject({ ready: 10, remove: 10 })
    expect((await run('ready clear')).stdout).toBe('10 ready tenants removed.\n')
    expect(await waiting()).toBe(0)
    expect((await world.root.query(`select to_regclass('c_acme.notes') is not null as there`)).rows).toEqual([
      { there: true },
    ])
  })

  it('get the migrations they lack when they are filled up, also when none is missing', async () => {
    await run('ready fill 2')
    await project.migration('0002_more', 'create table more (a int)')
    expect((await run('ready fill 2 --json')).json()).toMatchObject({ ready: 2, made: 0, updated: 2 })
  })

  it('are made now when there is none, and that is said', async () => {
    const { exit, stdout, stderr } = await run('create initech --from-ready')
    expect(exit).toBe(EXIT.ok)
    expect(stdout).toContain('initech is there')
    expect(stderr).toContain('There was none made ahead')
  })

  it('are whole when it is stopped, and it says how to go on', async () => {
    const { exit, stderr } = await run('ready fill 5', { signal: AbortSignal.abort() })
    expect(exit).toBe(EXIT.interrupted)
    expect(stderr).toContain('Run it again')
    expect(await waiting()).toBe(0)
  })

  it.each([
    ['ready fill', 'How many?'],
    ['ready fill many', 'takes a whole number'],
    ['ready fill 10001', 'takes a whole number'],
    ['ready count 3', 'A number goes with fill'],
    ['ready empty', 'fill, count or clear'],
  ])('%s is refused', async (line, text) => {
    const { exit, stderr } = await run(line)
    expect(exit).toBe(EXIT.usage)
    expect(stderr).toContain(text)
  })
})

describe('tenants made ahead at a level without them', () => {
  const { run } = useProject(`isolation: 'row', migrations: []`)

  it.each(['ready fill 1', 'ready count', 'ready clear --dry-run'])('%s is not available', async (line) => {
    const { exit, stderr } = await run(line)
    expect(exit).toBe(EXIT.unavailable)
    expect(stderr).toContain('At level row')
  })
})

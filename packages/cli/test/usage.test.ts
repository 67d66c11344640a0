import { execFileSync } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { CATALOGUE } from '../src/commands/catalogue.ts'
import { size } from '../src/commands/values.ts'
import { EXIT } from '../src/index.ts'
import { pgTenant, useFolder } from './support.ts'

const folder = useFolder()
const SECRET = 'hunter2-in-the-arguments'

describe('help', () => {
  it('lists all commands, and says what the exit codes mean', async () => {
    const { exit, stdout, stderr } = await pgTenant(['--help'])
    expect(exit).toBe(EXIT.ok)
    expect(stderr).toBe('')
    for (const { name } of CATALOGUE) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(stdout).toContain('4 no connection')
  })

  it.each(CATALOGUE.map(({ name }) => name))('shows examples of %s', async (name) => {
    const { exit, stdout } = await pgTenant([name, '--help'])
    expect(exit).toBe(EXIT.ok)
    expect(stdout).toContain(`Usage: pg-tenant ${name}`)
    expect(stdout).toMatch(/Examples:\n {2}\$ .*pg-tenant /)
    expect((await pgTenant(['help', name])).stdout).toBe(stdout)
  })

  it('is shown as a mistake when nothing was asked for', async () => {
    const { exit, stdout, stderr } = await pgTenant([])
    expect(exit).toBe(EXIT.usage)
    expect(stdout).toBe('')
    expect(stderr).toContain('Usage: pg-tenant')
  })
})

describe('mistakes in the command line', () => {
  it.each([
    [['migrat'], 'Did you mean migrate?'],
    [['help', 'creat'], 'Did you mean create?'],
    [['list', '--jsn'], 'Did you mean --json?'],
    [['create'], "Missing required argument 'key'"],
    [['list', '--limit', 'many'], '--limit takes a whole number'],
    [['list', '--status', 'gone'], 'Allowed choices are'],
    [['suspend', 'a', 'b'], 'Too many arguments'],
    [['advise', '--storage', 'lots'], '--storage takes a size'],
    [['backup'], 'Give keys, or --all'],
    [['backup', 'a', 'b', '--to', 'x'], '--to takes one tenant'],
    [['seed', 'a', '--all'], 'Give keys, or --all'],
    [['restore', 'a'], 'Which backup?'],
    [['export', 'a', '--to', '-', '--format', 'csv'], 'leave out --json and csv'],
    [['env', 'a', '--write-env', 'x'], '--write-env goes with --rotate'],
    [['completion', 'tcsh'], 'bash, zsh, fish'],
    [['drop', 'acme'], '--confirm <key>'],
    [['drop', 'acme', '--confirm', 'acme2'], 'does not repeat the key'],
    [['restore', 'acme', '--from', 'x', '--replace'], '--confirm <key>'],
  ])('%j is refused with what to do', async (argv, text) => {
    const { exit, stdout, stderr } = await pgTenant(argv)
    expect(stderr).toContain(text)
    expect(exit).toBe(EXIT.usage)
    expect(stdout).toBe('')
    expect(stderr).not.toMatch(/ {4}at /)
  })

  it('is a JSON document with --json', async () => {
    const { exit, json, stderr } = await pgTenant(['list', '--limit', '0', '--json'])
    expect(json()).toEqual({ error: expect.objectContaining({ code: 'USAGE', exitCode: exit }) })
    expect(stderr).toBe('')
  })
})

describe('secrets on the command line', () => {
  it.each([
    [['list', '--url', `postgres://u:${SECRET}@h/d`]],
    [['list', '--admin-url', `postgres://u:${SECRET}@h/d`]],
    [['list', `--url=postgres://h/d?password=${SECRET}`]],
    [['init', '--url', `postgres://u:${SECRET}@h/d`]],
    [['list', '--json', '--url', `postgres://u:${SECRET}@h/d`]],
    [['list', '--url', SECRET]],
    [['list', `--password=${SECRET}`]],
    [['list', `--db=postgres://u:${SECRET}@h/d`]],
    [[`postgres://u:${SECRET}@h/d`]],
    [['suspend', 'a', `postgres://u:${SECRET}@h/d`]],
  ])('are refused and not repeated: %j', async (argv) => {
    const { exit, stdout, stderr } = await pgTenant(argv, { cwd: folder.path })
    expect(exit).toBe(EXIT.usage)
    expect(stdout + stderr).not.toContain(SECRET)
  })

  it('are explained', async () => {
    const { stderr } = await pgTenant(['list', '--url', 'postgres://u:p@h/d'])
    expect(stderr).toContain('PGPASSWORD')
    expect((await pgTenant(['list', '--token=x'])).stderr).toContain('never arguments')
  })
})

describe('the language', () => {
  it.each([
    ['pt_BR.UTF-8', 'A linha de comando não está correta.'],
    ['es_ES', 'La línea de comandos no es correcta.'],
    ['de_DE.UTF-8', 'The command line is not right.'],
  ])('of %s', async (LANG, text) => {
    expect((await pgTenant(['nothing'], { env: { LANG } })).stderr).toContain(text)
    expect((await pgTenant(['nothing'], { env: { LANG: 'en', LC_ALL: LANG } })).stderr).toContain(text)
  })
})

describe('init', () => {
  it('writes a configuration and prints the SQL for psql, without a password', async () => {
    const { exit, stdout } = await pgTenant(['init', '--js', '--isolation', 'login'], { cwd: folder.path })
    expect(exit).toBe(EXIT.ok)
    expect((await stat(`${folder.path}/pg-tenant.config.mjs`)).isFile()).toBe(true)
    expect(stdout).toContain('alter role :"app_role" login noinherit')
    expect(stdout, 'what scopes set').toContain("('default_transaction_read_only', 'off')")
    expect(stdout).not.toMatch(/password '/)
  })

  it('never overwrites', async () => {
    const { exit, stderr } = await pgTenant(['init', '--js'], { cwd: folder.path })
    expect(exit).toBe(EXIT.refused)
    expect(stderr).toContain('is not overwritten')
  })

  it('changes nothing in a dry run', async () => {
    expect((await pgTenant(['init', '--dry-run'], { cwd: folder.path })).exit).toBe(EXIT.ok)
    await expect(stat(`${folder.path}/pg-tenant.config.ts`)).rejects.toThrow('ENOENT')
  })

  it.each(['x"; drop', 'Pg', 'pg_x', ''])('refuses the role name %j', async (name) => {
    expect((await pgTenant(['init', '--sql', '--app-role', name])).exit).toBe(EXIT.usage)
  })
})

describe('completion', () => {
  const complete = (script: string, ...words: string[]): string[] => {
    const set = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}`
    const call = `${script}\n${set}\n_pg_tenant\nprintf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', call], { encoding: 'utf8' }).trim().split('\n')
  }

  it('completes commands and options in bash', async () => {
    const { stdout } = await pgTenant(['completion', 'bash'])
    expect(complete(stdout, 'pg-tenant', 're')).toEqual(['ready', 'resume', 'restore', 'retention'])
    expect(complete(stdout, 'pg-tenant', 'ready', 'c')).toEqual(['count', 'clear'])
    expect(complete(stdout, 'pg-tenant', 'app', 'd')).toEqual(['drop'])
    expect(complete(stdout, 'pg-tenant', 'migrate', '--can')).toEqual(['--canary'])
    expect(complete(stdout, 'pg-tenant', '--json', 'drop', '--no-b')).toEqual(['--no-backup'])
    expect(complete(stdout, 'pg-tenant', 'list', '--js')).toEqual(['--json'])
  })

  it.each(['zsh', 'fish'])('knows every command in %s', async (shell) => {
    const { stdout, exit } = await pgTenant(['completion', shell])
    expect(exit).toBe(EXIT.ok)
    for (const { name } of CATALOGUE) expect(stdout).toContain(name)
    expect(stdout).toContain('canary')
    expect(stdout).toContain('fill count clear')
  })
})

it('a size is whole bytes, however it is written', () => {
  expect(size('--room')('0.1GB')).toBe(107_374_182)
  expect(size('--room')('1.5 mb')).toBe(1_572_864)
})

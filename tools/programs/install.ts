import { spawnSync } from 'node:child_process'
import { findProgram } from '@org/pg-testing'
import { PROGRAMS, type Program } from './programs.ts'

const SECOND = 1_000
/** Apt gives up by itself on a silent mirror or a lock; the process is ended should it not. */
const APT = [
  '-qq',
  '-o',
  'Acquire::http::Timeout=20',
  '-o',
  'Acquire::Retries=1',
  '-o',
  'DPkg::Lock::Timeout=60',
]

/** What a run of apt-get came to. */
export type Apt = (args: readonly string[], milliseconds: number) => boolean

/** Root, on a machine with apt-get: `undefined` elsewhere, and where `TEST_INSTALL=no` asks for nothing. */
export function aptHere(environment: NodeJS.ProcessEnv = process.env): Apt | undefined {
  if (process.geteuid?.() !== 0 || environment.TEST_INSTALL === 'no') return undefined
  if (spawnSync('apt-get', ['--version']).status !== 0) return undefined
  return (args, timeout) => {
    const env = { ...environment, DEBIAN_FRONTEND: 'noninteractive' }
    return spawnSync('apt-get', [...APT, ...args], { env, timeout, killSignal: 'SIGKILL' }).status === 0
  }
}

const isHidden = ({ names }: Program): boolean => (process.env.TEST_HIDE ?? '').split(',').includes(names[0])
const isMissing = ({ names }: Program): boolean => findProgram(...names) === undefined
const packagesOf = (programs: readonly Program[]): string[] => [
  ...new Set(programs.map(({ debian }) => debian)),
]

/**
 * Installs the Debian packages of programs that are missing, where that may be done, one by one so that one that cannot
 * be had does not keep the others away. It ends within minutes and never fails: without them their tests are skipped.
 */
export function installPrograms(
  apt: Apt | undefined,
  say: (line: string) => void,
  programs: readonly Program[] = PROGRAMS,
): void {
  const wanted = packagesOf(programs.filter((program) => isMissing(program) && !isHidden(program)))
  if (apt && wanted.length > 0) {
    say(`Installing Debian packages that tests need: ${wanted.join(', ')} (TEST_INSTALL=no leaves them out).`)
    apt(['update'], 90 * SECOND)
    for (const name of wanted) {
      apt(['install', '--yes', '--no-install-recommends', name], 180 * SECOND)
    }
  }
  for (const program of programs.filter(isMissing)) say(missing(program))
}

const missing = ({ names, tests, debian }: Program): string =>
  `Without ${names[0]} these tests are skipped: ${tests}. To have it: apt-get install ${debian} (other systems: its own package).`

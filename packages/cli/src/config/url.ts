import { CliError, usage } from '../cli-error.ts'

/**
 * A URL given on the command line. Arguments are seen by every user of the machine (`ps`) and kept in the shell's
 * history, so a password in one is refused before anything else happens.
 *
 * @throws CliError USAGE
 */
export function checkUrlArgument(option: string, text: string): void {
  const url = parse(text)
  if (!url) throw usage(`${option} must be a URL such as postgres://user@host:5432/database.`)
  if (url.password !== '' || [...url.searchParams.keys()].some((name) => /^(ssl)?password$/i.test(name))) {
    throw usage(
      `${option} holds a password. Everybody on this machine can read arguments, and your shell keeps them: leave the ` +
        'password out and put it into PGPASSWORD, ~/.pgpass, or the whole URL into DATABASE_URL or ADMIN_DATABASE_URL. ' +
        'Then change that password, because it was shown.',
    )
  }
}

/** A URL from a file or a variable. Its text is never shown. @throws CliError CONFIGURATION */
export function urlSetting(name: string, text: unknown): string {
  if (typeof text === 'string' && parse(text)) return text
  throw new CliError(
    'CONFIGURATION',
    `${name} is not a URL such as postgres://user:password@host:5432/database. Characters that mean something in URLs ` +
      'must be escaped in a password: encodeURIComponent does it.',
  )
}

/** With the password of PGPASSWORD where the URL has none. */
export function withPassword(url: string, password: string | undefined): string {
  const parsed = parse(url)
  if (!parsed || !password || parsed.password !== '' || parsed.username === '') return url
  parsed.password = encodeURIComponent(password)
  return parsed.href
}

function parse(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url && /^postgres(ql)?:$/.test(url.protocol) ? url : undefined
}

import { type Guard, guardsIn } from '../guard.ts'

const cli = guardsIn('packages/cli/src/', [['packages/cli/test']])

export const cliGuards: readonly Guard[] = [
  cli(
    'config/url.ts',
    '[...url.searchParams.keys()].some((name) => /^(ssl)?password$/i.test(name))',
    'false',
  ),
  cli('config/url.ts', "parsed.username === ''", 'true'),
  cli('session.ts', 'checkUrlArguments(global)', ''),
  cli('run.ts', ".replace(/(--?[\\w-]+)=[^']*/g, '$1=…')", ''),
  cli('run.ts', ".replace(/\\b\\w+:\\/\\/[^\\s']*/g, '…')", ''),
  cli('output/safe-text.ts', 'text.replace(UNSAFE,', 'text.replace(/$^/g,'),
  cli('output/env-file.ts', "open(file, 'wx', 0o600)", "open(file, 'w', 0o600)"),
  cli('output/env-file.ts', "open(file, 'wx', 0o600)", "open(file, 'wx', 0o644)"),
  cli('output/env-file.ts', 'if (!this.#written) await rm(this.path, { force: true })', ''),
  cli(
    'output/report-error.ts',
    'message: `${nameOf(error)}. Its text is not shown because it may hold values; --debug shows it.`',
    'message: String((error as Error).message)',
  ),
  cli(
    'output/endlessly.ts',
    'behind.write(chunk, (error) => done(error))',
    'behind.end(chunk, () => done())',
  ),
  cli('confirm.ts', 'if (typed.trim() !== key)', 'if (false)'),
  cli('confirm.ts', 'if (given !== undefined) throw usage(', 'if (false) throw usage('),
  cli('commands/drop.ts', 'const skip = options.backup === false', 'const skip = true'),
  cli('commands/restore.ts', 'if (options.replace)', 'if (false)'),
  cli('commands/create.ts', 'if (options.seed) seedOf(config)', ''),
  cli('commands/create.ts', 'if (seeded?.ok === false) throw seeded.error', ''),
  cli('commands/each-tenant.ts', 'if (signal.aborted) break', ''),
  cli('commands/migrate.ts', "if (stopped === 'aborted') return EXIT.interrupted", ''),
  cli('commands/verify.ts', 'return report.ok ? EXIT.ok : EXIT.failed', 'return EXIT.ok'),
  cli('commands/doctor.ts', 'return found.ok ? EXIT.ok : EXIT.failed', 'return EXIT.ok'),
  cli('commands/status.ts', 'return most === 0 ? EXIT.ok : EXIT.failed', 'return EXIT.ok'),
  cli('commands/rotate-keys.ts', 'return complete ? EXIT.ok : EXIT.failed', 'return EXIT.ok'),
  cli('config/settings.ts', '(url === undefined ? urls.adminUrl : undefined)', 'urls.adminUrl'),
  cli(
    'config/settings.ts',
    'Object.hasOwn(placements, placement) ? placements[placement] : undefined',
    'placements[placement]',
  ),
  cli('config/load-config.ts', '!LOADER.test(String(code))', 'code === undefined'),
  cli(
    'init/roles-sql.ts',
    "if (/^[a-z_][a-z0-9_]{0,62}$/.test(name) && !name.startsWith('pg_'))",
    'if (true)',
  ),
  cli('main.ts', 'if (++asked > 1) process.exit(code)', 'asked++'),
]

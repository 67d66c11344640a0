import { join } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '../..')
/** What examples may use without saying where it comes from. */
const GIVEN = join(import.meta.dirname, 'given.ts')

/** What the compiler has to say about files, by file; under the repository's own settings, but for names that nobody uses. */
export function typeErrorsIn(files: readonly string[]): ReadonlyMap<string, string[]> {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const program = ts.createProgram([GIVEN, ...files], {
    ...options,
    noUnusedLocals: false,
    noUnusedParameters: false,
    experimentalDecorators: true,
  })
  return new Map(files.map((file) => [file, diagnosticsOf(program, file)]))
}

function diagnosticsOf(program: ts.Program, file: string): string[] {
  const source = program.getSourceFile(file)
  const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
  return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

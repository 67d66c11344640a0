import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '../..')

/** A function that a package exports, and what its docstring shows. */
export interface PublicFunction {
  /** `@org/core: parseTenantKey` */
  readonly name: string
  readonly package: string
  /** Where it is declared, from the root. */
  readonly file: string
  readonly example?: string | undefined
  /** What its docstring says, and what it throws. */
  readonly text: string
  readonly throws: readonly string[]
  readonly signature: string
}

/** The exported functions of every package, from the sources behind `exports` of its manifest. */
export function publicFunctions(): PublicFunction[] {
  const doors = globSync('packages/*/package.json', { cwd: ROOT }).flatMap(doorsOf)
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    customConditions: ['@org/source'],
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  }
  const program = ts.createProgram(
    doors.map(({ file }) => file),
    options,
  )
  const checker = program.getTypeChecker()
  const found = doors.flatMap(({ file, name }) => {
    const source = program.getSourceFile(file)
    const symbol = source && checker.getSymbolAtLocation(source)
    return symbol ? checker.getExportsOfModule(symbol).flatMap((one) => functionOf(checker, name, one)) : []
  })
  // Exported from two doors it is still one function.
  return [
    ...new Map(found.map((one) => [`${one.package} ${one.file} ${one.name.split(' ')[1]}`, one])).values(),
  ]
}

function doorsOf(manifest: string): { file: string; name: string }[] {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, manifest), 'utf8'))
  return Object.entries<{ '@org/source'?: string }>(exports).flatMap(([path, { '@org/source': source }]) =>
    source ? [{ name: name + path.slice(1), file: join(ROOT, dirname(manifest), source) }] : [],
  )
}

function functionOf(checker: ts.TypeChecker, door: string, exported: ts.Symbol): PublicFunction[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
  const declaration = symbol.valueDeclaration
  if (!declaration || !isCallable(checker, symbol, declaration)) return []
  const file = declaration.getSourceFile().fileName.slice(ROOT.length + 1)
  const owner = door.split('/')[1] ?? ''
  // What another package of ours made is documented there.
  if (!file.startsWith(`packages/${owner}/`)) return []
  const type = checker.getTypeOfSymbolAtLocation(symbol, declaration)
  const throws = symbol.getJsDocTags(checker).filter(({ name }) => name === 'throws')
  return [
    {
      name: `${door}: ${exported.name}`,
      package: owner,
      file,
      example: exampleOf(symbol),
      text: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      throws: throws.map((one) => ts.displayPartsToString(one.text)),
      signature: checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation),
    },
  ]
}

/** Between the fences behind `@example`, as it stands in the source: for the compiler ` @` in it would begin another tag. */
function exampleOf({ declarations = [] }: ts.Symbol): string | undefined {
  const docs = declarations.flatMap((one) => ts.getJSDocCommentsAndTags(one)).filter(ts.isJSDoc)
  const text = docs.map((doc) => doc.getText().replace(/^ *\* ?/gm, '')).join('\n')
  return /^@example\n```\w*\n([\s\S]*?)\n```/m.exec(text)?.[1]
}

function isCallable(checker: ts.TypeChecker, symbol: ts.Symbol, declaration: ts.Declaration): boolean {
  if (ts.isFunctionDeclaration(declaration)) return true
  if (!ts.isVariableDeclaration(declaration)) return false
  return checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures().length > 0
}

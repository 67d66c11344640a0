import { globSync, readFileSync } from 'node:fs'
import ts from 'typescript'

/** A regular expression as it stands in a source file. */
export interface FoundRegex {
  readonly source: string
  readonly flags: string
  /** `packages/core/src/tenant-key.ts:14` */
  readonly place: string
}

export interface Collected {
  readonly regexes: readonly FoundRegex[]
  /** Places of a `RegExp` that is not made of constants: nobody can check it before it runs. */
  readonly unreadable: readonly string[]
}

/** What users of the packages and of the example applications run; tests are not. */
const SOURCES = ['packages/*/src/**/*.ts', 'examples/*/src/**/*.ts']

/** Every regular expression in the sources below `root`. */
export function collectRegexes(root: string): Collected {
  const all = SOURCES.flatMap((glob) => globSync(glob, { cwd: root }))
    .sort()
    .map((path) => regexesOf(path, readFileSync(`${root}/${path}`, 'utf8')))
  return {
    regexes: all.flatMap(({ regexes }) => regexes),
    unreadable: all.flatMap(({ unreadable }) => unreadable),
  }
}

/** Literals, and `RegExp(…)` of texts and templates over constants of the same file. */
export function regexesOf(path: string, text: string): Collected {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const constants = new Map<string, string>()
  const regexes: FoundRegex[] = []
  const unreadable: string[] = []
  const visit = (node: ts.Node): void => {
    const place = `${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer) {
      const value = textOf(node.initializer, constants)
      if (value !== undefined) constants.set(node.name.text, value)
    }
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/')
      regexes.push({ source: node.text.slice(1, end), flags: node.text.slice(end + 1), place })
    } else if (isRegExpCall(node)) {
      const [source, flags = ''] = (node.arguments ?? []).map((one) => textOf(one, constants))
      if (source === undefined || flags === undefined) unreadable.push(place)
      else regexes.push({ source, flags, place })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return { regexes, unreadable }
}

function isRegExpCall(node: ts.Node): node is ts.NewExpression | ts.CallExpression {
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return false
  return ts.isIdentifier(node.expression) && node.expression.text === 'RegExp'
}

/** The text an expression stands for, where that can be read off the file. */
function textOf(node: ts.Expression, constants: ReadonlyMap<string, string>): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isIdentifier(node)) return constants.get(node.text)
  if (ts.isTaggedTemplateExpression(node) && node.tag.getText() === 'String.raw')
    return ts.isTemplateExpression(node.template)
      ? templateText(node.template, constants, rawText)
      : rawText(node.template)
  return ts.isTemplateExpression(node) ? templateText(node, constants, (part) => part.text) : undefined
}

function rawText(part: ts.TemplateLiteralLikeNode): string {
  return part.rawText ?? part.text
}

function templateText(
  { head, templateSpans }: ts.TemplateExpression,
  constants: ReadonlyMap<string, string>,
  read: (part: ts.TemplateLiteralLikeNode) => string,
): string | undefined {
  let text = read(head)
  for (const { expression, literal } of templateSpans) {
    const value = textOf(expression, constants)
    if (value === undefined) return undefined
    text += value + read(literal)
  }
  return text
}

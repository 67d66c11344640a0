import ts from 'typescript'

/** One way to take a guard out of a file. */
export interface Mutant {
  /** `file:line what`; a guard marked `// guard: name` is called by its name. */
  readonly name: string
  readonly file: string
  readonly start: number
  readonly end: number
  readonly text: string
  /** The name behind `// guard:`, for what is marked. */
  readonly marked?: string
}

/** What is called for nothing but to refuse. */
const REFUSES = /^(check|require|refuse|reject|assert|throwIf|forbid|ensure|must)/
const SQL = /\b(select|insert|update|delete|create|alter|grant|revoke|set_config|lock table)\b/i

/**
 * Every guard of a source file, found by its shape, so that there is no list to keep:
 *
 * - `if (…) throw`, or a block that ends with one: never taken,
 * - each operand of `||` and `&&` in such a condition, and in a function that answers yes or no: left out,
 * - a statement that calls what checks, requires or refuses: left out,
 * - in SQL, each line that begins with `and`, and each line of a list: left out,
 * - the line (or lines up to the next blank one at the same depth) behind `// guard: name`: left out.
 */
export function mutantsIn(file: string, source: string): Mutant[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true)
  const found: Mutant[] = []
  const add = (start: number, end: number, text: string, marked?: string) => {
    const line = tree.getLineAndCharacterOfPosition(start).line + 1
    const what = source.slice(start, end).trim().replace(/\s+/g, ' ').slice(0, 100)
    const name = marked === undefined ? `${file}:${line} ${what}${text === '' ? '' : ` → ${text}`}` : marked
    found.push({ name, file, start, end, text, ...(marked !== undefined && { marked }) })
  }
  // The only statement of an `if` leaves an empty one behind.
  const without = (node: ts.Node) =>
    add(
      node.getStart(),
      node.end,
      ts.isIfStatement(node.parent) || ts.isForOfStatement(node.parent) ? ';' : '',
    )
  const visit = (node: ts.Node): void => {
    if (ts.isIfStatement(node) && throws(node.thenStatement)) {
      add(node.expression.getStart(), node.expression.end, 'false')
      operandsOf(node.expression).forEach(leaveOut)
    } else if (ts.isReturnStatement(node) && node.expression) {
      operandsOf(node.expression).forEach(leaveOut)
    } else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
      operandsOf(node.body).forEach(leaveOut)
    } else if (ts.isExpressionStatement(node) && REFUSES.test(calleeOf(node.expression))) {
      without(node)
    } else if (isText(node) && SQL.test(node.getText())) {
      for (const { start, end } of sqlLines(node.getStart(), node.getText())) add(start, end, '')
    }
    ts.forEachChild(node, visit)
  }
  /** An operand and the operator beside it. */
  const leaveOut = ({ whole, part }: Operand) => {
    const other = whole.left === part ? whole.right : whole.left
    add(whole.getStart(), whole.end, other.getText())
  }
  visit(tree)
  for (const { name, start, end } of marks(source)) add(start, end, '', name)
  return found
}

interface Operand {
  readonly whole: ts.BinaryExpression
  readonly part: ts.Expression
}

function operandsOf(node: ts.Expression): Operand[] {
  if (ts.isParenthesizedExpression(node)) return operandsOf(node.expression)
  if (!ts.isBinaryExpression(node)) return []
  const kind = node.operatorToken.kind
  if (kind !== ts.SyntaxKind.BarBarToken && kind !== ts.SyntaxKind.AmpersandAmpersandToken) return []
  return [
    { whole: node, part: node.left },
    { whole: node, part: node.right },
    ...operandsOf(node.left),
    ...operandsOf(node.right),
  ]
}

function throws(node: ts.Statement): boolean {
  if (ts.isBlock(node)) return node.statements.some(throws)
  return ts.isThrowStatement(node)
}

function calleeOf(node: ts.Expression): string {
  if (ts.isAwaitExpression(node)) return calleeOf(node.expression)
  if (!ts.isCallExpression(node)) return ''
  return ts.isPropertyAccessExpression(node.expression)
    ? node.expression.name.text
    : node.expression.getText()
}

const isText = (node: ts.Node): boolean =>
  ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node)

/** Lines of SQL that can go: a further condition, an item of a list. */
function* sqlLines(start: number, text: string): Generator<{ start: number; end: number }> {
  let at = start
  for (const line of text.split(/(?<=\n)/)) {
    const [from, to] = [at, at + line.length]
    at = to
    const plain = line.trim()
    const whole = !plain.includes('`') && balanced(plain)
    if (whole && (/^and\b/i.test(plain) || /^[^-].*,$/.test(plain))) yield { start: from, end: to }
  }
}

const count = (text: string, letter: string) => text.split(letter).length
const balanced = (text: string): boolean =>
  count(text, '(') === count(text, ')') && count(text, '{') === count(text, '}')

const MARK = /^([ \t]*)\/\/ guard: (.+)\n/gm

/** What stands behind a mark: its statement or element, which ends where the depth of its first line comes again. */
function* marks(source: string): Generator<{ name: string; start: number; end: number }> {
  for (const match of source.matchAll(MARK)) {
    const [head, indent = '', name = ''] = match
    const start = match.index + head.length
    const lines = source.slice(start).split(/(?<=\n)/)
    let end = start + (lines[0]?.length ?? 0)
    for (const line of lines.slice(1)) {
      const deeper = line.startsWith(`${indent} `) || new RegExp(`^${indent}[)}\\]]`).test(line)
      if (!deeper) break
      end += line.length
    }
    yield { name, start, end }
  }
}

import type { PublicFunction } from './public.ts'

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign)

/** Between backticks: code. */
const prose = (text: string): string =>
  escaped(text)
    .split(/\n\s*\n/)
    .map((part) => `<p>${part.replace(/`([^`]+)`/g, '<code>$1</code>')}</p>`)
    .join('')

/** One page with everything on it: it needs no server, no network, and the browser's own search finds all of it too. */
export function pageOf(functions: readonly PublicFunction[]): string {
  const doors = Map.groupBy(functions, ({ name }) => name.split(': ')[0] ?? '')
  const sections = [...doors]
    .sort()
    .map(([door, those]) => `<h2>${escaped(door)}</h2>${those.map(article).join('')}`)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Reference</title>
<style>
  body { font: 16px/1.5 system-ui; max-width: 60rem; margin: auto; padding: 1rem; color-scheme: light dark }
  input { font: inherit; width: 100%; padding: .5rem; position: sticky; top: .5rem; box-sizing: border-box }
  pre { overflow: auto; padding: .75rem; background: color-mix(in srgb, currentcolor 8%, transparent) }
  .throws { opacity: .8 } [hidden] { display: none }
</style>
<h1>Reference</h1>
<p>Every public function, from the docstrings of the sources.</p>
<input type="search" placeholder="Search names and texts" aria-label="Search" autofocus>
<main>${sections.join('\n')}</main>
<script>
  const input = document.querySelector('input')
  const articles = [...document.querySelectorAll('article')]
  const find = () => {
    const words = input.value.toLowerCase().split(/\\s+/)
    for (const one of articles) one.hidden = !words.every((word) => one.textContent.toLowerCase().includes(word))
    for (const h2 of document.querySelectorAll('h2')) {
      let next = h2.nextElementSibling
      while (next?.tagName === 'ARTICLE' && next.hidden) next = next.nextElementSibling
      h2.hidden = next?.tagName !== 'ARTICLE'
    }
  }
  input.addEventListener('input', find)
</script>
</html>
`
}

function article({ name, signature, text, throws, example, file }: PublicFunction): string {
  const [door = '', own = ''] = name.split(': ')
  const id = `${door.slice(1)}/${own}`
  const refusals = throws
    .map((one) => `<p class="throws"><b>Throws</b> ${prose(one).slice(3, -4)}</p>`)
    .join('')
  const shown = example ? `<pre><code>${escaped(example)}</code></pre>` : ''
  return `
<article id="${escaped(id)}"><h3><a href="#${escaped(id)}"><code>${escaped(own)}</code></a></h3>
<pre><code>${escaped(signature)}</code></pre>${prose(text)}${refusals}${shown}<p><small>${escaped(file)}</small></p></article>`
}

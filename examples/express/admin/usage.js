import { everything } from './api.js'
import { $, element, shows, table } from './page.js'

const DAY = 86_400_000
const DAYS = 30
const [WIDTH, HEIGHT] = [600, 120]

/** What was changed how often: a bar for each of the last days, and the figures for who would rather read. */
export function showUsage(base) {
  return shows($('#usage'), async () => {
    const today = Math.floor(Date.now() / DAY) * DAY
    const first = today - (DAYS - 1) * DAY
    const from = new Date(first).toISOString()
    const used = await everything(
      `${base}/usage?${new URLSearchParams({ period: 'day', from, limit: 1000 })}`,
    )
    if (used.length === 0) return [element('p', `Nothing was counted in the last ${DAYS} days.`, 'quiet')]
    const days = Array.from({ length: DAYS }, (_, index) =>
      new Date(first + index * DAY).toISOString().slice(0, 10),
    )
    const counts = new Map(days.map((day) => [day, 0]))
    for (const { periodStart, count } of used) {
      const day = periodStart.slice(0, 10)
      counts.set(day, (counts.get(day) ?? 0) + count)
    }
    const figures = document.createElement('details')
    figures.append(
      element('summary', 'The figures'),
      table(
        'By day (UTC) and action',
        ['Day', 'Action', 'Count'],
        used.map(({ periodStart, action, count }) => [periodStart.slice(0, 10), action, String(count)]),
      ),
    )
    return [picture(counts), figures]
  })
}

function picture(counts) {
  const most = Math.max(...counts.values())
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const figure = document.createElement('figure')
  const svg = drawn('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' })
  const days = [...counts.keys()]
  svg.setAttribute(
    'aria-label',
    `Changes a day from ${days[0]} to ${days.at(-1)}: ${total} in all, at most ${most}`,
  )
  const width = WIDTH / counts.size
  for (const [index, [day, count]] of [...counts].entries()) {
    const height = most === 0 ? 0 : (count / most) * (HEIGHT - 4)
    const bar = drawn('rect', { x: index * width + 1, y: HEIGHT - height, width: width - 2, height })
    const says = drawn('title')
    says.textContent = `${day}: ${count}`
    bar.append(says)
    svg.append(bar)
  }
  svg.append(drawn('line', { x1: 0, y1: HEIGHT, x2: WIDTH, y2: HEIGHT }))
  figure.append(
    svg,
    element('figcaption', `${days[0]} to ${days.at(-1)}: ${total} changes, at most ${most} a day`),
  )
  return figure
}

function drawn(name, attributes = {}) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  return made
}

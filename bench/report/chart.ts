import type { Spread } from '../measure/statistics.ts'

export interface Bar {
  readonly label: string
  readonly ratio: Spread
  /** Ours stands out; what only marks a limit stays in the background. */
  readonly kind: 'ours' | 'other' | 'limit'
}

export interface Chart {
  readonly title: string
  readonly subtitle: string
  readonly axis: string
  readonly bars: readonly Bar[]
}

const WIDTH = 760
const LEFT = 270
const RIGHT = 70
const TOP = 64
const STEP = 30
const BAR = 18
const FONT = "-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"

// Colours that read on white and on black; a viewer that knows the reader's preference gets finer ones.
const STYLE = `
  text { font-family: ${FONT}; font-size: 13px; fill: #6e7781 }
  .title { font-size: 16px; font-weight: 600 }
  .value { font-weight: 600 }
  .small { font-size: 12px }
  .grid { stroke: #8c959f; stroke-opacity: 0.3 }
  .one { stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 4 3 }
  .whisker { stroke: #424a53; stroke-width: 1.5 }
  .ours { fill: #4c94f0 }
  .other { fill: #c9a06c }
  .limit { fill: #a8b0b8 }
  @media (prefers-color-scheme: light) { text { fill: #1f2328 } .small { fill: #59636e } }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #9198a1 } .whisker { stroke: #e6edf3 } }`

/** Horizontal bars with their ratio and the middle half of the rounds, as SVG without dependencies. */
export function drawChart({ title, subtitle, axis, bars }: Chart): string {
  const most = Math.max(1, ...bars.map(({ ratio }) => ratio.q3))
  const step = tickStep(most)
  const end = Math.ceil(most / step - 1e-9) * step
  const x = (value: number) => LEFT + (value / end) * (WIDTH - LEFT - RIGHT)
  const bottom = TOP + bars.length * STEP
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, at) => at * step)
  const body = [
    `<text class="title" x="16" y="26">${xml(title)}</text>`,
    `<text class="small" x="16" y="46">${xml(subtitle)}</text>`,
    ...ticks.flatMap((tick) => [
      line('grid', x(tick), TOP, x(tick), bottom),
      `<text class="small" x="${round(x(tick))}" y="${bottom + 16}" text-anchor="middle">${label(tick)}</text>`,
    ]),
    line('one', x(1), TOP - 4, x(1), bottom),
    ...bars.flatMap((bar, at) => drawBar(bar, TOP + at * STEP, x)),
    `<text class="small" x="${round((LEFT + WIDTH - RIGHT) / 2)}" y="${bottom + 36}" text-anchor="middle">${xml(axis)}</text>`,
  ]
  const height = bottom + 48
  const described = bars.map((bar) => `${bar.label} ${bar.ratio.median.toFixed(2)}×`).join(', ')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${xml(title)}</title>
<desc>${xml(described)}</desc>
<style>${STYLE}
</style>
${body.join('\n')}
</svg>
`
}

function drawBar({ label: text, ratio, kind }: Bar, top: number, x: (value: number) => number): string[] {
  const { median, q1, q3 } = ratio
  const y = top + (STEP - BAR) / 2
  const middle = top + STEP / 2
  return [
    `<text x="${LEFT - 12}" y="${middle + 4.5}" text-anchor="end">${xml(text)}</text>`,
    `<rect class="${kind}" x="${LEFT}" y="${y}" width="${round(x(median) - LEFT)}" height="${BAR}" rx="2"/>`,
    line('whisker', x(q1), middle, x(q3), middle),
    `<text class="value" x="${round(Math.max(x(q3), x(median)) + 8)}" y="${middle + 4.5}">${median.toFixed(2)}×</text>`,
  ]
}

const line = (kind: string, x1: number, y1: number, x2: number, y2: number) =>
  `<line class="${kind}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`

/** About five ticks, at 1, 2 or 5 times a power of ten. */
function tickStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => most / step <= 6) ?? most
}

const round = (value: number) => Number(value.toFixed(1))
const label = (tick: number) => `${Number(tick.toFixed(2))}×`
const xml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

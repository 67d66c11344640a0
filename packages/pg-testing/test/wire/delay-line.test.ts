import { describe, expect, it } from 'vitest'
import { DelayLine } from '../../src/wire/delay-line.ts'

const reached = (line: DelayLine): Promise<void> => new Promise((resolve) => line.schedule(resolve))

describe('DelayLine', () => {
  it('keeps the order, also when the delay becomes shorter', async () => {
    const line = new DelayLine(20)
    const order: number[] = []
    line.schedule(() => order.push(1))
    line.setDelayMs(0)
    line.schedule(() => order.push(2))
    await reached(line)
    expect(order).toEqual([1, 2])
  })

  it('runs what is scheduled while running, after what was waiting', async () => {
    const line = new DelayLine(0)
    const order: string[] = []
    line.schedule(() => {
      order.push('first')
      line.schedule(() => order.push('nested'))
    })
    line.schedule(() => order.push('second'))
    await reached(line)
    await reached(line)
    expect(order).toEqual(['first', 'second', 'nested'])
  })

  it('is never early', async () => {
    const line = new DelayLine(4.5)
    const startedAt = performance.now()
    await reached(line)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(4.5)
  })

  it('forgets what waits when it is stopped, and can be used again', async () => {
    const line = new DelayLine(1)
    line.schedule(() => expect.unreachable())
    line.stop()
    await reached(line)
  })
})

/** What goes out together with what comes to it meanwhile. */
export interface Gathering {
  /** While it waits for more: goes at once. */
  hurry: (() => void) | undefined
}

/** Resolves after `ms`, or when it is hurried. */
export function company(gathering: Gathering, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => gathering.hurry?.(), ms)
    gathering.hurry = () => {
      clearTimeout(timer)
      gathering.hurry = undefined
      resolve()
    }
  })
}

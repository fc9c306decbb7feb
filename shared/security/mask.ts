/** Keeps what helps to recognise a value and hides the rest: `a•••@example.com`, `+44•••89`, `J•••`. */
export function masked(value: string): string {
  const at = value.indexOf('@')
  if (at > 0) return `${value[0]}•••${value.slice(at)}`
  if (/^\+?[\d ()-]{6,}$/.test(value)) return `${value.slice(0, 3)}•••${value.slice(-2)}`
  return value === '' ? '' : `${value[0]}•••`
}

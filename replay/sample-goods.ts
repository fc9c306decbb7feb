/** Invented goods: any likeness to a real catalogue is chance. */
const KINDS = [
  'TEA TOWEL',
  'ENAMEL JUG',
  'PAPER LANTERN',
  'BISCUIT TIN',
  'DOOR HOOK',
  'TAPER CANDLE',
  'SEED BOX',
  'WOOL BLANKET',
  'EGG CUP',
  'NOTE PAD',
]
const DESIGNS = ['HARBOUR', 'OTTER', 'QUINCE', 'ROWAN', 'MERIDIAN', 'PEBBLE, GREY']

export type Good = {
  readonly code: string
  readonly name: string /** GBP */
  readonly price: number /** how often it sells, 1 is least */
  readonly weight: number
}

/** Sixty goods; every fifth has a colour letter in its code, which clerks type in lower case now and then. */
export const GOODS: readonly Good[] = KINDS.flatMap((kind, k) =>
  DESIGNS.map((design, d) => {
    const index = k * DESIGNS.length + d
    return {
      code: `${70011 + index * 13}${index % 5 === 0 ? 'ABCDE'[(index / 5) % 5] : ''}`,
      name: `${design.startsWith('PEBBLE') ? '' : `${design} `}${kind}${design.startsWith('PEBBLE') ? ` ${design}` : ''}`,
      price: Math.round(45 + ((index * 37) % 60) * 11) / 100,
      weight: 1 + ((index * 7) % 60 < 12 ? 8 : (index * 7) % 4),
    }
  }),
)

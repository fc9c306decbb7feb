/** What a payment provider can do for us. Every adapter stands behind this. */
export interface PaymentGateway {
  readonly name: string
  /** Takes an amount. The same key again gives the first outcome. Throws Transient when the provider gave none. */
  charge(request: ChargeRequest): Promise<ChargeOutcome>
  /** Gives back whatever was taken under a charge's key: all of it, or nothing when nothing was taken or it is given back already. */
  refund(request: { key: string }): Promise<void>
}

export interface ChargeRequest {
  readonly key: string
  /** Minor units. */
  readonly amount: number
  readonly currency: string
  readonly token: string
}

export type ChargeOutcome =
  | { readonly outcome: 'taken'; readonly reference: string }
  | { readonly outcome: 'declined'; readonly code: string }

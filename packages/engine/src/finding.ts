/** One broken invariant: what it is, and whether the audit could mend it. */
export interface Finding {
  /** The video's id, or the key where no video is known. */
  readonly about: string;
  readonly message: string;
  /** False: a person has to look. */
  readonly repaired: boolean;
}

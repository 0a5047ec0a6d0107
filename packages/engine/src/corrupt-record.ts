/** A record in Redis that this version cannot read: damaged, or written by a newer one. It is never written over. */
export class CorruptRecordError extends Error {
  readonly code = "corrupt_record";
  readonly id: string;

  constructor(id: string, reason: string) {
    super(`The record of ${id} cannot be read: ${reason}`);
    this.name = "CorruptRecordError";
    this.id = id;
  }
}

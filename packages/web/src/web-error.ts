/**
 * Why an address was not fetched:
 * - `invalid_url`: no URL, longer than 8 KiB, or a host that no name or address can have
 * - `not_https`: another scheme; or plain http where the address is not one that the operator allows
 * - `has_credentials`: a user name or password before the host
 * - `bad_port`: port 0
 * - `private_address`: the host is, is by its name, or resolves to an address that is not public
 * - `unresolvable`: its name has no address
 * - `too_many_redirects`, `too_large` (the body, or 16 KiB of headers), `timeout`
 * - `bad_status`: of a GET, anything but 2xx; `status` holds it
 * - `unreachable`: no connection, or one that ended before the reply was whole
 * - `tls`: no handshake, or a certificate that is not valid for the name
 * - `encoded`: a compressed reply, though one without compression was asked for
 */
export type WebErrorCode =
  | "invalid_url"
  | "not_https"
  | "has_credentials"
  | "bad_port"
  | "private_address"
  | "unresolvable"
  | "too_many_redirects"
  | "too_large"
  | "timeout"
  | "bad_status"
  | "unreachable"
  | "tls"
  | "encoded";

interface Facts {
  readonly host?: string;
  readonly status?: number;
  readonly cause?: unknown;
}

/**
 * The message is one sentence for whoever named the address. It holds no address that a name resolved to; the cause
 * may, and is for the operator's log alone.
 */
export class WebError extends Error {
  readonly code: WebErrorCode;
  /** Host and port as the URL has them; undefined where there is no URL. */
  readonly host: string | undefined;
  /** The HTTP status, where one was the reason. */
  readonly status: number | undefined;

  constructor(code: WebErrorCode, message: string, { host, status, cause }: Facts = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "WebError";
    this.code = code;
    this.host = host;
    this.status = status;
  }
}

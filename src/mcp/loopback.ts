import { isIPv4 } from "node:net";

/** Does an address lead to this machine alone? @see https://www.rfc-editor.org/rfc/rfc6890 (127.0.0.0/8 and ::1) */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));

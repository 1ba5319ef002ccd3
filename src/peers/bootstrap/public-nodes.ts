/**
 * What is public knowledge, and is used only by a plan that says so: nothing here is contacted by default.
 */

/**
 * Nodes that the libp2p project keeps for everyone.
 *
 * @see https://docs.ipfs.tech/how-to/modify-bootstrap-list/
 */
export const PUBLIC_NODES: readonly string[] = Object.freeze([
  "/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
  "/dnsaddr/bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
  "/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
  "/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
  "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
]);

/** Services that answer with the address that they were asked from, as a line of text. */
export const PUBLIC_ADDRESS_SERVICES: readonly string[] = Object.freeze([
  "https://api.ipify.org",
  "https://api64.ipify.org",
  "https://checkip.amazonaws.com",
  "https://icanhazip.com",
  "https://ifconfig.me/ip",
]);

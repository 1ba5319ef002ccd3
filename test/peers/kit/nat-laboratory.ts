import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";

/**
 * Networks of their own on one machine, by the kernel's network namespaces: hosts in public, hosts behind gateways with every
 * kind of NAT, links that are cut, slow or lossy. Nothing of it reaches, or is reached by, the network of the machine.
 *
 *                      203.0.113.0/24
 *      ┌─────────┬───────────┴──────────┬─────────────┐
 *   public     public                gateway        gateway
 *   host       host             203.0.113.x      203.0.113.y
 *                                  192.168.1.1     192.168.2.1
 *                                       │               │
 *                                     host            host
 *                                  192.168.1.2     192.168.2.2
 */

/** How a gateway translates and filters UDP. Unasked TCP never comes in through one, as with those that people have at home. */
export type GatewayKind =
  | "full_cone"
  | "restricted_cone"
  | "port_restricted_cone"
  | "symmetric"
  | "udp_blocked";

export interface LaboratoryHost {
  readonly name: string;
  readonly address: string;
  /** Of the kernel, for `ip netns exec`. */
  readonly namespace: string;
}

const COMMAND_MS = 20_000;
const GOODBYE_MS = 2_000;
const PUBLIC = "203.0.113";
const PRIVATE = "10.0.0";
const run = promisify(execFile);

/** Why no laboratory can be made here, as it stands in the title of a test that is skipped; null: it can. */
export function laboratoryMissing(...programs: readonly string[]): string | null {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["ip", "iptables", ...programs]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    } catch {
      return `needs ${program}`;
    }
  }
  const name = `lab-${randomBytes(4).toString("hex")}`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "ignore", timeout: COMMAND_MS });
    execFileSync("ip", ["netns", "del", name], { stdio: "ignore", timeout: COMMAND_MS });
    return null;
  } catch {
    return "needs the right to make network namespaces";
  }
}

/** Why links cannot be made slow here; null: they can. Not every kernel has netem. */
export function delayMissing(): string | null {
  const missing = laboratoryMissing("tc");
  if (missing !== null) return missing;
  const name = `lab-${randomBytes(4).toString("hex")}`;
  const options = { stdio: "ignore", timeout: COMMAND_MS } as const;
  execFileSync("ip", ["netns", "add", name], options);
  try {
    const shape = ["tc", "qdisc", "replace", "dev", "lo", "root", "netem", "delay", "1ms"];
    execFileSync("ip", ["netns", "exec", name, ...shape], options);
    return null;
  } catch {
    return "needs a kernel with netem";
  } finally {
    execFileSync("ip", ["netns", "del", name], options);
  }
}

/** What follows the title of a test that needs something: the reason for which it is skipped here. */
export const skipNote = (missing: string | null): string =>
  missing === null ? "" : ` (skipped: ${missing})`;

export class NatLaboratory implements AsyncDisposable {
  readonly #id = randomBytes(4).toString("hex");
  readonly #namespaces = new Set<string>();
  readonly #children = new Set<ChildProcess>();
  readonly #gateways = new Map<
    string,
    { readonly namespace: string; readonly lan: string; readonly wan: string }
  >();
  readonly #sweep = (): void => this.#deleteNow();
  #ports = 0;

  /** To be disposed of, whatever happens: `await using laboratory = await NatLaboratory.open()`. */
  static async open(): Promise<NatLaboratory> {
    const laboratory = new NatLaboratory();
    // A test process that ends in the middle leaves nothing in the kernel either.
    process.once("exit", laboratory.#sweep);
    await laboratory.#add("sw");
    await laboratory.#ip("sw", "link", "add", "br0", "type", "bridge");
    await laboratory.#ip("sw", "link", "set", "br0", "up");
    return laboratory;
  }

  /** A host with addresses 203.0.113.`numbers`, from 1 to 254. */
  async publicHost(name: string, ...numbers: readonly number[]): Promise<LaboratoryHost> {
    await this.#add(name);
    await this.#plug(
      name,
      "wan",
      numbers.map((number) => `${PUBLIC}.${number}`),
    );
    // Multicast needs a route.
    await this.#ip(name, "route", "add", "default", "dev", "wan");
    return { name, address: `${PUBLIC}.${numbers[0]}`, namespace: this.#namespace(name) };
  }

  /** A host of a private network without a gateway, with address 10.0.0.`number`. All of them share one link. */
  async privateHost(name: string, number: number): Promise<LaboratoryHost> {
    await this.#add(name);
    const address = `${PRIVATE}.${number}`;
    await this.#plug(name, "wan", [address]);
    await this.#ip(name, "route", "add", "default", "dev", "wan");
    return { name, address, namespace: this.#namespace(name) };
  }

  /** A host behind a gateway of its own, whose outer address is 203.0.113.`number`. Each number is used once. */
  async hostBehind(kind: GatewayKind, name: string, number: number): Promise<LaboratoryHost> {
    const gateway = `${name}-gw`;
    const lan = `192.168.${number}`;
    await this.#add(gateway);
    await this.#plug(gateway, "wan", [`${PUBLIC}.${number}`]);
    await this.#add(name);
    const ends = ["netns", this.#namespace(gateway), "type", "veth", "peer", "name", "eth0"];
    await run("ip", ["link", "add", "lan", ...ends, "netns", this.#namespace(name)], { timeout: COMMAND_MS });
    await this.#ip(gateway, "addr", "add", `${lan}.1/24`, "dev", "lan");
    await this.#ip(gateway, "link", "set", "lan", "up");
    await this.#ip(name, "addr", "add", `${lan}.2/24`, "dev", "eth0");
    await this.#ip(name, "link", "set", "eth0", "up");
    await this.#ip(name, "route", "add", "default", "via", `${lan}.1`);
    await this.#in(gateway, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    this.#gateways.set(name, { namespace: gateway, lan, wan: `${PUBLIC}.${number}` });
    await this.setGateway(name, kind);
    return { name, address: `${lan}.2`, namespace: this.#namespace(name) };
  }

  /** The gateway of a host that is behind one, such as to stand in for it. */
  gatewayOf(name: string): LaboratoryHost {
    const { namespace, lan } = this.#gateway(name);
    return { name: namespace, address: `${lan}.1`, namespace: this.#namespace(namespace) };
  }

  async setGateway(name: string, kind: GatewayKind): Promise<void> {
    const { namespace, lan, wan } = this.#gateway(name);
    const rule = (...args: readonly string[]): Promise<string> => this.#in(namespace, "iptables", ...args);
    await rule("-t", "nat", "-F");
    await rule("-F");
    const out = ["-t", "nat", "-A", "POSTROUTING", "-s", `${lan}.0/24`, "-o", "wan", "-j"];
    const isOpen = kind === "full_cone" || kind === "restricted_cone";
    if (isOpen) {
      await rule(...out, "SNAT", "--to-source", wan);
      const inward = ["-t", "nat", "-A", "PREROUTING", "-i", "wan", "-p", "udp", "-j", "DNAT"];
      await rule(...inward, "--to-destination", `${lan}.2`);
    } else await rule(...out, "MASQUERADE", ...(kind === "symmetric" ? ["--random-fully"] : []));
    if (kind === "restricted_cone") {
      const list = ["-m", "recent", "--name", `lab${this.#id}`];
      await rule("-A", "FORWARD", "-i", "lan", "-p", "udp", ...list, "--rdest", "--set");
      await rule("-A", "FORWARD", "-i", "wan", "-p", "udp", ...list, "--rsource", "--rcheck", "-j", "ACCEPT");
      await rule(
        "-A",
        "FORWARD",
        "-i",
        "wan",
        "-p",
        "udp",
        "-m",
        "conntrack",
        "--ctstate",
        "NEW",
        "-j",
        "DROP",
      );
    }
    if (kind === "udp_blocked") await rule("-A", "FORWARD", "-p", "udp", "-j", "DROP");
    await rule(
      "-A",
      "FORWARD",
      "-i",
      "wan",
      "-p",
      "tcp",
      "-m",
      "conntrack",
      "--ctstate",
      "NEW",
      "-j",
      "DROP",
    );
  }

  /** A host in public that lets in nothing that it did not ask for. */
  async setFirewall(name: string): Promise<void> {
    await this.#in(
      name,
      "iptables",
      "-A",
      "INPUT",
      "-p",
      "udp",
      "-m",
      "conntrack",
      "--ctstate",
      "NEW",
      "-j",
      "DROP",
    );
    await this.#in(
      name,
      "iptables",
      "-A",
      "INPUT",
      "-p",
      "tcp",
      "-m",
      "conntrack",
      "--ctstate",
      "NEW",
      "-j",
      "DROP",
    );
  }

  /** Cuts a host off, with its gateway where it has one; true joins it again. */
  async setJoined(name: string, isJoined: boolean): Promise<void> {
    const [namespace, device] = this.#wayOut(name);
    await this.#ip(namespace, "link", "set", device, isJoined ? "up" : "down");
    if (isJoined && device === "wan") await this.#ip(namespace, "route", "replace", "default", "dev", "wan");
    if (isJoined && device === "eth0")
      await this.#ip(name, "route", "replace", "default", "via", `${this.#gateway(name).lan}.1`);
  }

  /** Of the packets that leave the host, so many in a hundred are lost, by chance. */
  async setLoss(name: string, lossPercent: number): Promise<void> {
    const chance = ["-m", "statistic", "--mode", "random", "--probability", `${lossPercent / 100}`];
    // In a table of its own, so that the rules of gateways and firewalls stay.
    await this.#in(name, "iptables", "-t", "mangle", "-F", "POSTROUTING");
    if (lossPercent > 0)
      await this.#in(name, "iptables", "-t", "mangle", "-A", "POSTROUTING", ...chance, "-j", "DROP");
  }

  /** What leaves the host is late. To be asked before: `delayMissing()`. */
  async setDelay(name: string, delayMs: number): Promise<void> {
    const [namespace, device] = this.#wayOut(name);
    await this.#in(
      namespace,
      "tc",
      "qdisc",
      "replace",
      "dev",
      device,
      "root",
      "netem",
      "delay",
      `${delayMs}ms`,
    );
  }

  /** Runs a program on a host to its end. @returns what it wrote */
  async run(
    host: LaboratoryHost,
    program: string,
    args: readonly string[],
    { timeoutMs = COMMAND_MS }: { readonly timeoutMs?: number } = {},
  ): Promise<string> {
    const command = ["netns", "exec", host.namespace, program, ...args];
    const { stdout } = await run("ip", command, { timeout: timeoutMs, killSignal: "SIGKILL" });
    return stdout;
  }

  /** Starts a program on a host; it ends with the laboratory at the latest. */
  start(host: LaboratoryHost, program: string, args: readonly string[]): ChildProcess {
    const child = spawn("ip", ["netns", "exec", host.namespace, program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#sweep);
    await Promise.all([...this.#children].map(endOf));
    const names = [...this.#namespaces];
    this.#namespaces.clear();
    await Promise.allSettled(names.map((name) => run("ip", ["netns", "del", name], { timeout: COMMAND_MS })));
  }

  #deleteNow(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const name of this.#namespaces) {
      try {
        execFileSync("ip", ["netns", "del", name], { stdio: "ignore", timeout: COMMAND_MS });
      } catch {
        // It was never made.
      }
    }
  }

  #namespace(name: string): string {
    return `lab-${this.#id}-${name}`;
  }

  async #add(name: string): Promise<void> {
    const namespace = this.#namespace(name);
    this.#namespaces.add(namespace);
    await run("ip", ["netns", "add", namespace], { timeout: COMMAND_MS });
    await this.#ip(name, "link", "set", "lo", "up");
  }

  /** Into the switch. */
  async #plug(name: string, device: string, addresses: readonly string[]): Promise<void> {
    const port = `p${(this.#ports += 1)}`;
    const ends = ["netns", this.#namespace("sw"), "type", "veth", "peer", "name", device];
    await run("ip", ["link", "add", port, ...ends, "netns", this.#namespace(name)], { timeout: COMMAND_MS });
    await this.#ip("sw", "link", "set", port, "master", "br0");
    await this.#ip("sw", "link", "set", port, "up");
    await this.#ip(name, "link", "set", device, "up");
    for (const address of addresses) await this.#ip(name, "addr", "add", `${address}/24`, "dev", device);
  }

  #gateway(name: string): { readonly namespace: string; readonly lan: string; readonly wan: string } {
    const gateway = this.#gateways.get(name);
    if (gateway === undefined) throw new TypeError(`${name} is behind no gateway`);
    return gateway;
  }

  #wayOut(name: string): readonly [namespace: string, device: string] {
    return this.#gateways.has(name) ? [name, "eth0"] : [name, "wan"];
  }

  #ip(name: string, ...args: readonly string[]): Promise<string> {
    return this.#command("ip", ["-n", this.#namespace(name), ...args]);
  }

  #in(name: string, ...args: readonly string[]): Promise<string> {
    return this.#command("ip", ["netns", "exec", this.#namespace(name), ...args]);
  }

  async #command(program: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run(program, args, { timeout: COMMAND_MS });
    return stdout;
  }
}

/** Asked to end, and ended when it does not. */
async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), GOODBYE_MS);
  await ended;
  clearTimeout(late);
}

/**
 * A listener of libp2p that lets nothing out: what it throws would end the thread, whoever has sent what it fell over.
 *
 * @param defect is told instead
 */
export function guarded<Heard>(
  hear: (event: Heard) => void,
  defect: (error: unknown) => void,
): (event: Heard) => void {
  return (event) => {
    try {
      hear(event);
    } catch (error) {
      defect(error);
    }
  };
}

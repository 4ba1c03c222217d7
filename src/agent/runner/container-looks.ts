/**
 * Asks the engine what became of containers, at most one question per container at a time, so that answers arrive in order; a question that comes
 * during another is asked once more afterwards, because the answer under way may be older than what prompted it.
 */

export interface ContainerLooks {
  /** Resolves when an answer that is newer than this call was delivered. */
  look(container: string): Promise<void>;
  isLooking(container: string): boolean;
}

export function createContainerLooks(ask: (container: string) => Promise<void>): ContainerLooks {
  const current = new Map<string, Promise<void>>();
  const following = new Map<string, Promise<void>>();

  function begin(container: string): Promise<void> {
    const asked = ask(container).finally(() => current.delete(container));
    current.set(container, asked);
    return asked;
  }

  async function after(container: string, earlier: Promise<void>): Promise<void> {
    // How the earlier one fared concerns those who asked for it.
    await Promise.allSettled([earlier]);
    following.delete(container);
    return begin(container);
  }

  return {
    look(container) {
      const earlier = current.get(container);
      if (earlier === undefined) return begin(container);
      const next = following.get(container) ?? after(container, earlier);
      following.set(container, next);
      return next;
    },
    isLooking: (container) => current.has(container),
  };
}

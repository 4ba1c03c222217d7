/**
 * Flow control by credit: a sender may send as much as the receiver has granted, so a receiver that does not read costs one window and holds up
 * nothing but its own stream. What a unit is (entries, bytes) is the caller's affair.
 */

/** The sender's side. */
export interface Credit {
  readonly left: number;
  add(more: number): void;
  spend(amount: number): void;
  /** Waits until some is left. False once it has ended. */
  some(): Promise<boolean>;
  /** Nobody waits any longer. */
  end(): void;
}

export function createCredit(initial: number): Credit {
  let left = initial;
  let ended = false;
  let changed = Promise.withResolvers<void>();

  function wake(): void {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  }

  return {
    get left() {
      return left;
    },
    add(more) {
      left += more;
      wake();
    },
    spend(amount) {
      left -= amount;
    },
    async some() {
      while (left <= 0 && !ended) await changed.promise;
      return !ended;
    },
    end() {
      ended = true;
      wake();
    },
  };
}

/** The receiver's side. */
export interface CreditWindow {
  /** Notes what has come; false when that is more than was granted. */
  received(amount: number): boolean;
  /** Notes what has been taken out, and grants as much anew. */
  taken(amount: number): void;
}

/** `size` has been granted at the beginning. Grants go out in halves of it, so that a fast reader never waits and not everything taken costs a message. */
export function createCreditWindow(size: number, grant: (more: number) => void): CreditWindow {
  let granted = size;
  let taken = 0;
  return {
    received(amount) {
      if (amount > granted) return false;
      granted -= amount;
      return true;
    },
    taken(amount) {
      taken += amount;
      if (taken < size / 2) return;
      granted += taken;
      grant(taken);
      taken = 0;
    },
  };
}

/**
 * Makes something when it is first asked for, and the same for everybody who asks. What failed is
 * tried again the next time: whoever runs for long must not remember an outage.
 */
export function once<T, A extends readonly unknown[]>(
  make: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  let made: Promise<T> | undefined;
  return async (...args) => {
    made ??= make(...args);
    const mine = made;
    try {
      return await mine;
    } catch (error) {
      if (made === mine) made = undefined;
      throw error;
    }
  };
}

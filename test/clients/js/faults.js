// Fetches the role's credentials again and again by the AWS SDK for JavaScript v3, and prints as JSON how each try ended. The SDK
// finds the service by itself. A try that has not settled after 20 seconds is pending. The first argument is how many tries, 2 by
// default; the second is how many seconds the clock moves on between them.
import { chain } from "@smithy/core/config";
import { fromInstanceMetadata } from "@smithy/credential-provider-imds";

const [tries, step] = [Number(process.argv[2] ?? 2), Number(process.argv[3] ?? 0)];
const realNow = Date.now;
let moved = 0; // milliseconds

const logger = { debug() {}, info() {}, warn() {}, error() {}, trace() {} };
const provider = fromInstanceMetadata({ logger });
const other = { accessKeyId: "of the next provider" };

async function attempt() {
  let failure;
  // As in the SDK's default chain, a provider comes after this one.
  const credentials = chain(
    async () => {
      try {
        return await provider();
      } catch (error) {
        failure = error;
        throw error;
      }
    },
    async () => other,
  );
  const start = realNow();
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, 20_000, "pending")));
  const got = await Promise.race([credentials().catch(() => undefined), late]);
  clearTimeout(timer);
  const seconds = (realNow() - start) / 1000;
  if (got === "pending") {
    return { result: "pending", seconds };
  }
  if (failure) {
    return { result: "error", error: `${failure.name}: ${failure.message}`, seconds, next: got === other };
  }
  return { result: "ok", seconds, key: got.accessKeyId, left: (got.expiration.getTime() - Date.now()) / 60_000 };
}

const all = [];
for (let i = 0; i < tries; i++) {
  if (i > 0) {
    moved += step * 1000;
    Date.now = () => realNow() + moved;
  }
  all.push(await attempt());
}
process.stdout.write(JSON.stringify(all) + "\n", () => process.exit(0)); // a request may still be open

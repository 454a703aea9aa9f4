// Prints as JSON the credentials that the AWS SDK for JavaScript v3 finds by itself.
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";

const found = await fromNodeProviderChain()();
console.log(JSON.stringify([found.accessKeyId, found.secretAccessKey, found.sessionToken]));

// Prints as JSON what the AWS SDK for JavaScript v3 reads from the metadata service. The SDK finds the service by itself; the
// environment disables IMDSv1.
import { MetadataService } from "@aws-sdk/ec2-metadata-service";
import { fromInstanceMetadata } from "@smithy/credential-provider-imds";

const service = new MetadataService({ retries: 0, httpOptions: { timeout: 1000 } });
const get = (path) => service.request(path, {});

const document = JSON.parse(await get("/latest/dynamic/instance-identity/document"));
const info = JSON.parse(await get("/latest/meta-data/iam/info"));
const credentials = await fromInstanceMetadata()();

console.log(
  JSON.stringify({
    region: await get("/latest/meta-data/placement/region"),
    instanceId: document.instanceId,
    privateIp: document.privateIp,
    pendingTime: document.pendingTime,
    products: document.marketplaceProductCodes,
    profile: info.InstanceProfileArn,
    credentials: [credentials.accessKeyId, credentials.secretAccessKey, credentials.sessionToken],
    userData: await get("/latest/user-data"),
    monitoring: await get("/latest/dynamic/fws/instance-monitoring"),
    listing: await get("/latest/meta-data/"),
  }),
);

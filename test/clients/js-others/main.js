// Prints as JSON the key id and the token that a library takes from the metadata service. The argument names the library, which
// finds the service by itself.
const libraries = {
  // The token that the library would send to Google is a signed request to STS, as JSON.
  async "google-auth-library"() {
    const { AwsClient } = await import("google-auth-library");
    const service = "http://169.254.169.254/latest";
    const client = new AwsClient({
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/aws",
      subject_token_type: "urn:ietf:params:aws:token-type:aws4_request",
      token_url: "https://sts.googleapis.com/v1/token",
      credential_source: {
        environment_id: "aws1",
        region_url: `${service}/meta-data/placement/availability-zone`,
        url: `${service}/meta-data/iam/security-credentials`,
        imdsv2_session_token_url: `${service}/api/token`,
        regional_cred_verification_url: "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
      },
    });
    const signed = JSON.parse(decodeURIComponent(await client.retrieveSubjectToken()));
    const header = (name) => signed.headers.find(({ key }) => key.toLowerCase() === name).value;
    const [key, , region] = header("authorization").match(/Credential=(\S+),/)[1].split("/");
    return { region, credentials: [key, header("x-amz-security-token")] };
  },

  // What MONGODB-AWS signs with. The driver has no public name for it.
  async mongodb() {
    const { AWSSDKCredentialProvider } = await import("mongodb/lib/cmap/auth/aws_temporary_credentials.js");
    const { AccessKeyId, Token } = await new AWSSDKCredentialProvider().getCredentials();
    return { credentials: [AccessKeyId, Token] };
  },
};

console.log(JSON.stringify(await libraries[process.argv[2]]()));

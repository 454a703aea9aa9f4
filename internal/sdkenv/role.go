package sdkenv

import (
	"net"
	"net/url"
)

// metadataVariables are those that New sets for the metadata service, and nothing else uses.
func metadataVariables() []string {
	return []string{
		EndpointVariable, "AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
		"CPL_AWS_EC2_API_ROOT_URL", "CPL_AWS_AUTODETECT_EC2",
	}
}

// NewRole makes the changes to environ for clients of the role that has an id. The daemon at a URL must listen at 127.0.0.1.
// region is the role's; "" leaves the region as it is.
func NewRole(daemon, id, region string, authorization Authorization, environ []string) Changes {
	address := loopback(daemon)
	set := append([]Variable{{fullURIVariable, address + "/v2/credentials/" + id}}, authorization.variables()...)
	return containerChanges(address, set, region, environ)
}

// loopback is the URL of the daemon at 127.0.0.1, without a slash at its end. boto3 before 1.32 refuses all other addresses of this
// machine (container-credentials-reference section 7.1).
func loopback(daemon string) string {
	address := url.URL{Scheme: "http", Host: "127.0.0.1"}
	if u, err := url.Parse(daemon); err == nil && u.Port() != "" {
		address.Host = net.JoinHostPort(address.Host, u.Port())
	}
	return address.String()
}

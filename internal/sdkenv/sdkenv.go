// Package sdkenv knows which environment variables make AWS SDKs and tools take their credentials from a daemon.
package sdkenv

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// EndpointVariable tells SDKs where the metadata service is.
const EndpointVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

// Changes are the changes to an environment after which AWS clients take their credentials from one daemon only.
type Changes struct {
	Set   []Variable
	Unset []string
}

// Variable is an environment variable and its value, which may be a secret. No way of printing it shows the value.
type Variable struct{ Name, Value string }

func (v Variable) String() string { return v.Name + "=[redacted]" }

// Format redacts under every verb.
func (v Variable) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// MarshalText redacts in logs, JSON and other encodings.
func (v Variable) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Preceding are the variables that SDKs, old ones included, read before they ask the metadata service, or that keep them from asking
// it.
func Preceding() []string {
	return []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
		"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN",
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_PROFILES_FILE", "AWS_CREDENTIAL_FILE", "AWS_BEARER_TOKEN_BEDROCK",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_EC2_METADATA_DISABLED",
	}
}

// New makes the changes to environ for clients of the daemon at a URL.
func New(daemon string, environ []string) Changes {
	return Changes{
		Unset: append(Preceding(), taskVariables()...),
		Set: slices.Concat(endpoint(daemon), []Variable{
			// SDKs would prefer a profile called default.
			{"AWS_CONFIG_FILE", os.DevNull},
			{"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
			// botocore would take keys from the file of boto 2, such as ~/.boto.
			{"BOTO_CONFIG", os.DevNull},
			// GDAL (QGIS, rasterio) has an endpoint variable of its own, and looks at the hardware before it asks.
			{"CPL_AWS_EC2_API_ROOT_URL", strings.TrimSuffix(daemon, "/")},
			{"CPL_AWS_AUTODETECT_EC2", "NO"},
		}, withoutProxy(daemon, environ)),
	}
}

// endpoint are the variables that lead a client to the daemon at a URL, and have it wait long enough.
func endpoint(daemon string) []Variable {
	return []Variable{
		{EndpointVariable, daemon},
		// A first call to STS can take longer than the second that most clients wait.
		{"AWS_METADATA_SERVICE_TIMEOUT", "5"},
		{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3"},
	}
}

// NewProxy makes the changes of New, and makes the daemon the proxy for plain http: clients with a built-in 169.254.169.254 then
// ask it. The daemon refuses requests for other hosts.
func NewProxy(daemon string, environ []string) Changes {
	c := New(daemon, environ)
	c.Set = slices.DeleteFunc(c.Set, func(v Variable) bool { return strings.EqualFold(v.Name, "no_proxy") })
	direct := []string{}
	for _, entry := range strings.FieldsFunc(Lookup(environ, "no_proxy")+","+Lookup(environ, "NO_PROXY"), func(r rune) bool { return r == ',' || r == ' ' }) {
		if !coversService(entry) && !slices.Contains(direct, entry) {
			direct = append(direct, entry)
		}
	}
	if u, err := url.Parse(daemon); err == nil && !slices.Contains(direct, u.Hostname()) {
		direct = append(direct, u.Hostname())
	}
	for _, v := range []Variable{{"http_proxy", daemon}, {"no_proxy", strings.Join(direct, ",")}} {
		c.Set = append(c.Set, v, Variable{strings.ToUpper(v.Name), v.Value})
	}
	return c
}

// coversService tells whether an entry of NO_PROXY excludes the service's IPv4 address from the proxy, in any of the forms that
// clients know: address, address with port, CIDR block, part of an address, wildcard.
func coversService(entry string) bool {
	service := netip.MustParseAddr("169.254.169.254")
	if p, err := netip.ParsePrefix(entry); err == nil {
		return p.Contains(service)
	}
	host, _, _ := strings.Cut(entry, ":")
	host = strings.Trim(host, "*.")
	return entry == "*" || host != "" && (strings.HasPrefix(service.String(), host+".") || strings.HasSuffix(service.String(), "."+host) || host == service.String())
}

// withoutProxy excludes the daemon from the proxy that environ has, if any: boto3 and curl would send requests there.
func withoutProxy(address string, environ []string) []Variable {
	proxied := slices.ContainsFunc([]string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}, func(name string) bool {
		return Lookup(environ, name) != ""
	})
	u, err := url.Parse(address)
	if !proxied || err != nil {
		return nil
	}
	var set []Variable
	for _, name := range []string{"no_proxy", "NO_PROXY"} {
		direct := Lookup(environ, name)
		if direct == "" { // clients that read this one would miss the other one
			direct = Lookup(environ, "no_proxy") + Lookup(environ, "NO_PROXY")
		}
		if direct != "" {
			direct += ","
		}
		set = append(set, Variable{name, direct + u.Hostname()})
	}
	return set
}

// Lookup is the value of a variable in environ, the last one if there are several, "" without.
func Lookup(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// Apply returns a copy of environ with the changes.
func (c Changes) Apply(environ []string) []string {
	changed := slices.Clone(c.Unset)
	for _, v := range c.Set {
		changed = append(changed, v.Name)
	}
	applied := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(changed, name)
	})
	for _, v := range c.Set {
		applied = append(applied, v.Name+"="+v.Value)
	}
	return applied
}

package main

import (
	"net/url"
	"os"
	"slices"
	"strings"
)

// clientEnvironment makes clients of AWS take their credentials from a daemon, and from nowhere else.
type clientEnvironment struct {
	set   []variable
	unset []string
}

type variable struct{ name, value string }

// rivals are the variables that SDKs, old ones included, look at before they ask the metadata service, or that keep them from it.
func rivals() []string {
	return []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
		"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN",
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_PROFILES_FILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_EC2_METADATA_DISABLED",
	}
}

// newClientEnvironment is for clients of the daemon at address, a URL, that would have environ.
func newClientEnvironment(address string, environ []string) clientEnvironment {
	return clientEnvironment{
		unset: rivals(),
		set: append([]variable{
			{endpointVariable, address},
			// Credentials that are not at hand yet take longer than the second that most wait.
			{"AWS_METADATA_SERVICE_TIMEOUT", "5"},
			{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3"},
			// A profile called default would be asked first.
			{"AWS_CONFIG_FILE", os.DevNull},
			{"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
		}, withoutProxy(address, environ)...),
	}
}

// withoutProxy keeps requests to the daemon from going to a proxy, if environ has one: boto3 and curl would send them there.
func withoutProxy(address string, environ []string) []variable {
	proxied := slices.ContainsFunc([]string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}, func(name string) bool {
		return lookUp(environ, name) != ""
	})
	u, err := url.Parse(address)
	if !proxied || err != nil {
		return nil
	}
	var set []variable
	for _, name := range []string{"no_proxy", "NO_PROXY"} {
		direct := lookUp(environ, name)
		if direct == "" { // then the other one may be looked at
			direct = lookUp(environ, "no_proxy") + lookUp(environ, "NO_PROXY")
		}
		if direct != "" {
			direct += ","
		}
		set = append(set, variable{name, direct + u.Hostname()})
	}
	return set
}

// lookUp is the value of a variable, "" without.
func lookUp(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// apply gives environ with the changes.
func (e clientEnvironment) apply(environ []string) []string {
	changed := slices.Clone(e.unset)
	for _, v := range e.set {
		changed = append(changed, v.name)
	}
	applied := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(changed, name)
	})
	for _, v := range e.set {
		applied = append(applied, v.name+"="+v.value)
	}
	return applied
}

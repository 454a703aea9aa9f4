package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/sdkenv"
)

// examineEnvironment looks at what clients inherit that are started from this shell.
func (d *doctor) examineEnvironment(context.Context) Finding {
	environ := d.opt.Sources.Environ
	host := "169.254.169.254"
	if u, err := url.Parse(d.service.url); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	way := d.containerWay(environ)
	lines := d.containerVariables(environ, way)
	names := preceding(environ)
	if way.ours { // env sets these for a role, a task or a pod
		names = slices.DeleteFunc(names, func(name string) bool {
			return name == way.variable || name == "AWS_EC2_METADATA_DISABLED"
		})
	}
	if len(names) > 0 {
		lines = append(lines, fmt.Sprintf(
			"clients that you start from this shell prefer %s to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND",
			strings.Join(names, ", ")))
	}
	exempt := []string{way.host}
	if swallowed := swallowedBy(environ, host); swallowed != "" {
		lines = append(lines, swallowed)
		exempt = []string{host, way.host} // the next line's command must not undo this one's
	}
	if way.swallowedInGo(environ) {
		lines = append(lines, fmt.Sprintf("%s: Go clients that you start from this shell send requests for %s to that proxy; exempt it: %s",
			goProxy(environ), way.host, exempting(environ, exempt...)))
	}
	if len(lines) == 0 {
		return Finding{Mark: OK, Text: "no variable of this shell keeps clients from " + host}
	}
	return Finding{Mark: Note, Text: strings.Join(lines, "\n")}
}

// preceding names the variables that SDKs prefer to the metadata service, or that keep them from asking it. It never shows
// values: some are secrets.
func preceding(environ []string) []string {
	var names []string
	for _, name := range sdkenv.Preceding() {
		value := sdkenv.Lookup(environ, name)
		switch name {
		case "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
			"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE":
			continue // they go with others of the list, and do nothing alone
		case "AWS_EC2_METADATA_DISABLED":
			if !strings.EqualFold(value, "true") {
				continue
			}
		}
		if value != "" {
			names = append(names, name)
		}
	}
	return names
}

// swallowedBy names the proxy that clients would send requests for a host to; "" if they would not.
func swallowedBy(environ []string, host string) string {
	var proxies []string
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"} {
		if sdkenv.Lookup(environ, name) != "" {
			proxies = append(proxies, name)
		}
	}
	if len(proxies) == 0 {
		return ""
	}
	switch direct, byNetwork := exempts(noProxy(environ), host); {
	case direct:
		return ""
	case byNetwork != "":
		return fmt.Sprintf("%s: some clients know no networks in no_proxy (boto3, curl before 7.86), so %s does not keep their requests to %s from that proxy; add the address itself to no_proxy and NO_PROXY",
			strings.Join(proxies, ", "), byNetwork, host)
	default:
		return fmt.Sprintf("%s: clients that you start from this shell send requests for %s to that proxy; exempt it: %s",
			strings.Join(proxies, ", "), host, exempting(environ, host))
	}
}

// exempting is the command that exempts hosts from the proxy, besides those that are.
func exempting(environ []string, hosts ...string) string {
	list := noProxy(environ)
	for _, host := range hosts {
		if direct, _ := exempts(list, host); !direct {
			list = strings.TrimPrefix(list+","+host, ",")
		}
	}
	return "export no_proxy=" + quoted(list) + " NO_PROXY=" + quoted(list)
}

// noProxy is the list of hosts without a proxy. Clients that know both spellings prefer the lower-case one.
func noProxy(environ []string) string {
	if list := sdkenv.Lookup(environ, "no_proxy"); list != "" {
		return list
	}
	return sdkenv.Lookup(environ, "NO_PROXY")
}

// exempts tells whether a list of hosts without a proxy has a host; network is the entry that says so to some clients only.
func exempts(list, host string) (direct bool, network string) {
	ip, _ := netip.ParseAddr(host)
	entries := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	for _, entry := range entries {
		bare := strings.Trim(strings.TrimSuffix(entry, ":80"), "[]")
		a, err := netip.ParseAddr(bare)
		switch {
		case entry == "*", strings.EqualFold(bare, host), err == nil && a == ip:
			return true, ""
		case ip.IsValid():
			if p, err := netip.ParsePrefix(entry); err == nil && p.Contains(ip) {
				network = entry
			}
		case strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(strings.TrimPrefix(bare, "."))):
			return true, ""
		}
	}
	return false, network
}

// quoted quotes a word for the shell where that is needed.
func quoted(word string) string {
	if slices.ContainsFunc([]byte(word), func(b byte) bool { return !strings.ContainsRune("-_.,:/", rune(b)) && !isAlphanumeric(b) }) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

func isAlphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

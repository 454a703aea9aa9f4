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
	var lines []string
	containers, ours := d.containerVariables(environ)
	lines = append(lines, containers...)
	names := preceding(environ)
	if ours { // env --role sets these
		names = slices.DeleteFunc(names, func(name string) bool {
			return name == "AWS_CONTAINER_CREDENTIALS_FULL_URI" || name == "AWS_EC2_METADATA_DISABLED"
		})
	}
	if len(names) > 0 {
		lines = append(lines, fmt.Sprintf(
			"clients that you start from this shell prefer %s to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND",
			strings.Join(names, ", ")))
	}
	if swallowed := swallowedBy(environ, host); swallowed != "" {
		lines = append(lines, swallowed)
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
	for _, name := range sdkenv.New("", environ).Unset {
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
	direct, byNetwork := exempts(environ, host)
	switch remedy := "export no_proxy=" + host + " NO_PROXY=" + host; {
	case direct:
		return ""
	case byNetwork != "":
		return fmt.Sprintf("%s: some clients know no networks in no_proxy (boto3, curl before 7.86), so %s does not keep their requests to %s from that proxy; add the address itself to no_proxy and NO_PROXY",
			strings.Join(proxies, ", "), byNetwork, host)
	default:
		if current := noProxy(environ); current != "" {
			remedy = "export no_proxy=" + quoted(current+","+host) + " NO_PROXY=" + quoted(current+","+host)
		}
		return fmt.Sprintf("%s: clients that you start from this shell send requests for %s to that proxy; exempt it: %s",
			strings.Join(proxies, ", "), host, remedy)
	}
}

// noProxy is the list of hosts without a proxy. Clients that know both spellings prefer the lower-case one.
func noProxy(environ []string) string {
	if list := sdkenv.Lookup(environ, "no_proxy"); list != "" {
		return list
	}
	return sdkenv.Lookup(environ, "NO_PROXY")
}

// exempts tells whether requests for a host go past the proxy; network is the entry that says so to some clients only.
func exempts(environ []string, host string) (direct bool, network string) {
	ip, _ := netip.ParseAddr(host)
	entries := strings.FieldsFunc(noProxy(environ), func(r rune) bool { return r == ',' || r == ' ' })
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

package config

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// A rule says what is wrong with a text, to stand behind "conf/config.yaml:9: key: ", or "" when nothing is.
type rule func(value string) string

// matches is a rule that wants the whole value to match an expression.
func matches(expression, want string) rule {
	re := once(`^(?:` + expression + `)$`)
	return func(value string) string {
		if re().MatchString(value) {
			return ""
		}
		return quote(value) + " is not " + want
	}
}

// once compiles an expression when it is first asked for: few configurations need many, and compiling them all would be the
// largest part of the daemon's start.
func once(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// oneOf is a rule that wants one of a few words.
func oneOf(words ...string) rule {
	return func(value string) string {
		if slices.Contains(words, value) {
			return ""
		}
		return quote(value) + " is not one of " + strings.Join(words, ", ")
	}
}

// roleARN has the account as its group. A role's path is printable ASCII between slashes, its name 1 to 64 characters
// (IAM API reference, CreateRole).
var roleARN = once(`^arn:[a-z][a-z0-9-]*:iam::([0-9]+):role/(?:[!-.0-~]+/)*[\w+=,.@-]{1,64}$`)

// policyARN takes AWS's own managed policies ("aws" for the account) and those of an account.
var policyARN = once(`^arn:[a-z][a-z0-9-]*:iam::(?:aws|[0-9]+):policy/[!-~]+$`)

// arn is a rule that wants a certain kind of ARN, within the length that STS takes.
func arn(kind func() *regexp.Regexp, want string) rule {
	return func(value string) string {
		switch {
		case !kind().MatchString(value):
			return quote(value) + " is not " + want
		case len(value) < 20 || len(value) > 2048:
			return fmt.Sprintf("%d characters; an ARN has 20 to 2048", len(value))
		}
		return ""
	}
}

// printable lets a text through that fits on one line.
func printable(value string) string {
	if strings.IndexFunc(value, unicode.IsControl) >= 0 {
		return quote(value) + " holds a control character"
	}
	return ""
}

// word lets a text through without spaces and control characters.
func word(value string) string {
	if strings.IndexFunc(value, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) >= 0 {
		return quote(value) + " holds a space or a control character"
	}
	return ""
}

// device is how the operating system calls a block device: /dev/xvda or sdb.
func device(value string) string {
	if value == "" {
		return "no device; write e.g. /dev/xvda"
	}
	return word(value)
}

// mac wants a hardware address of one interface, as EC2 writes it.
func mac(value string) string {
	if wrong := anyMAC(value); wrong != "" {
		return wrong
	}
	if strings.ContainsRune("13579bdf", rune(value[1])) {
		return quote(value) + " is a multicast address; its first byte has to be even"
	}
	return ""
}

var anyMAC = matches(`[0-9a-f]{2}(:[0-9a-f]{2}){5}`, "a MAC address in lower case; write e.g. 0a:1b:2c:3d:4e:5f")

// hostName wants a DNS name (RFC 1123 section 2.1), of one label or more.
func hostName(value string) string {
	if len(value) <= 253 && dnsName().MatchString(value) {
		return ""
	}
	return quote(value) + " is not a host name; it has letters, digits and hyphens between dots"
}

var dnsName = once(`^` + dnsLabel + `(?:\.` + dnsLabel + `)*$`)

const dnsLabel = `[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

func ipv4(value string) string {
	if a, err := netip.ParseAddr(value); err == nil && a.Is4() {
		return ""
	}
	return quote(value) + " is not an IPv4 address"
}

func ipv6(value string) string {
	if a, err := netip.ParseAddr(value); err == nil && a.Is6() && !a.Is4In6() && a.Zone() == "" {
		return ""
	}
	return quote(value) + " is not an IPv6 address"
}

// network is a rule that wants a CIDR block, of IPv4 (bits 32), IPv6 (128) or either (0).
func network(bits int) rule {
	return func(value string) string {
		p, err := netip.ParsePrefix(value)
		switch a, addrErr := netip.ParseAddr(value); {
		case addrErr == nil && a.Zone() == "" && (bits == 0 || a.BitLen() == bits):
			return fmt.Sprintf("%s is not a CIDR block; write %s/%d", quote(value), value, a.BitLen())
		case err != nil || bits != 0 && p.Addr().BitLen() != bits:
			return quote(value) + " is not " + map[int]string{0: "a", 32: "an IPv4", 128: "an IPv6"}[bits] + " CIDR block"
		case p != p.Masked():
			return fmt.Sprintf("%s has bits set behind the prefix; write %s", quote(value), p.Masked())
		}
		return ""
	}
}

// client is a rule for one element of allow_clients. Whether auto stands alone is another one's.
func client(value string) string {
	if value == "auto" {
		return ""
	}
	_, notAddress := netip.ParseAddr(value)
	_, notPrefix := netip.ParsePrefix(value)
	if notAddress != nil && notPrefix != nil {
		return quote(value) + " is neither auto nor a CIDR block"
	}
	return network(0)(value)
}

// hostPort wants an address to listen on. An empty host means all interfaces, port 0 any free one.
func hostPort(value string) string {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return quote(value) + " is not host:port; write e.g. " + DefaultListen
	}
	if n, err := strconv.Atoi(port); err != nil || !digits().MatchString(port) || n > 65535 {
		return quote(value) + " has no port from 0 to 65535"
	}
	if _, err := netip.ParseAddr(host); host == "" || err == nil || hostName(host) == "" {
		return ""
	}
	return quote(value) + " has neither an address nor a host name before the port"
}

// pageOrigin wants what browsers send as Origin (RFC 6454 section 6.2).
func pageOrigin(value string) string {
	u, err := url.Parse(value)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && value == u.Scheme+"://"+u.Host {
		return ""
	}
	return quote(value) + " is not the origin of a web page; write e.g. http://localhost:3000"
}

// utcTime wants a time as EC2 writes it: RFC 3339, in UTC.
func utcTime(value string) string {
	if t, err := time.Parse(time.RFC3339, value); err == nil && strings.HasSuffix(value, "Z") && t.Year() > 0 {
		return ""
	}
	return quote(value) + " is not a time in UTC; write e.g. 2025-01-31T12:00:00Z"
}

// policyRule holds the limit of AssumeRole's Policy; what is in it is for STS to judge.
func policyRule(value string) string {
	switch {
	case utf8.RuneCountInString(value) > 2048:
		return fmt.Sprintf("%d characters; STS takes at most 2048", utf8.RuneCountInString(value))
	case !json.Valid([]byte(value)):
		return "not valid JSON"
	}
	return ""
}

// externalID never shows the value, which is a secret.
func externalID(value string) string {
	if len(value) < 2 || len(value) > 1224 || !externalIDs().MatchString(value) {
		return "not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-"
	}
	return ""
}

var externalIDs = once(`^[\w+=,.@:/-]*$`)

var metadataTags = once(`^[A-Za-z0-9+=.,_:@-]{1,128}$`)

// metadataTag holds what EC2 asks of the keys of an instance's tags before it lets them into the metadata (EC2 user guide,
// "View tags for your EC2 instances using instance metadata").
func metadataTag(key string) string {
	if !metadataTags().MatchString(key) || key == "." || key == ".." || key == "_index" {
		return "not a tag key that instance metadata can hold; it has letters, digits and +=.,_:@-, or set ec2.metadata_options.instance_metadata_tags to disabled"
	}
	return ""
}

// tagValue holds EC2's limit on the values of an instance's tags, in characters (EC2 user guide, "Tag restrictions").
func tagValue(value string) string {
	if n := utf8.RuneCountInString(value); n > maxTagValue {
		return fmt.Sprintf("the tag's value has %d characters; EC2 takes at most %d", n, maxTagValue)
	}
	return ""
}

// publicKey wants the one line that OpenSSH keeps a public key in. All of them start with a length below 256, which is
// AAAA in base64.
var publicKey = matches(`(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) +AAAA[A-Za-z0-9+/]*={0,2}( [^\n\r]*)?`,
	"a public key of OpenSSH; write one line such as ssh-ed25519 AAAA... comment")

// controlSocket wants auto, off or an absolute path.
func controlSocket(value string) string {
	if value == "auto" || value == "off" {
		return ""
	}
	if !filepath.IsAbs(value) {
		return quote(value) + " is not auto, off or an absolute path; write e.g. /run/mock-ec2-metadata/control.sock"
	}
	return printable(value)
}
